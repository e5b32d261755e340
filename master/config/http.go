// The address where the master answers HTTP.

package config

import "fmt"

// checkHTTP finds a pool where the master is to answer itself.
func (r *reader) checkHTTP(c *Config) {
	for i := range c.Pools {
		p := &c.Pools[i]
		if p.Listen.Address != "" && p.Listen.ID() == c.Global.HTTP.ID() {
			r.report(c.Global.given["http"], "", flaw{message: fmt.Sprintf("http is %q, where pool %q listens", c.Global.HTTP.Text, p.Name),
				hint: fmt.Sprintf("that is in line %d; give it an address of its own", p.given["listen"].line)})
		}
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
