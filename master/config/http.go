// The addresses where the master itself answers: HTTP and the statistics.

package config

import "fmt"

func setStatistics(d *draft, _ *Key, w word) *flaw {
	if f := d.readListen(&d.global.Statistics, w); f != nil {
		return f
	}
	if d.global.Statistics.Network != "tcp" {
		return &flaw{message: "is a path", hint: "write host:port: who reads the statistics knows no sockets of files"}
	}
	return nil
}

func getStatistics(d *draft) []string { return unlessEmpty(d.global.Statistics.Text) }

// checkHTTP finds a pool where the master is to answer itself.
func (r *reader) checkHTTP(c *Config) {
	own := []struct {
		key string
		at  Listen
	}{{"http", c.Global.HTTP}, {"statistics", c.Global.Statistics}}
	for _, o := range own {
		for i := range c.Pools {
			p := &c.Pools[i]
			if p.Listen.Address != "" && p.Listen.ID() == o.at.ID() {
				r.report(c.Global.given[o.key], "", flaw{message: fmt.Sprintf("%s is %q, where pool %q listens", o.key, o.at.Text, p.Name),
					hint: fmt.Sprintf("that is in line %d; give it an address of its own", p.given["listen"].line)})
			}
		}
	}
	if h, s := c.Global.HTTP, c.Global.Statistics; s.Address != "" && s.ID() == h.ID() {
		r.report(c.Global.given["statistics"], "", flaw{message: fmt.Sprintf("statistics is %q, where http is answered", s.Text),
			hint: "give it an address of its own"})
	}
}

// http warns of an address that others can reach: whoever does sees keys, names, addresses and the log.
func (w *warner) http(g *Global) {
	l := &g.HTTP
	if l.Network != "tcp" || l.AddrPort.Addr().IsLoopback() {
		return
	}
	w.warn(&Pool{}, g.given["http"], fmt.Sprintf("http on %s asks for no password: whoever reaches it sees keys, addresses, the configuration and the log", l.Text),
		"have a firewall let only scrapers through, or write 127.0.0.1, or a path with permissions")
}
