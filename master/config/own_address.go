// The addresses where the master itself answers: HTTP, the statistics and the admin socket.

package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

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

// setControl takes an absolute path: commands are called in other directories than Pinion.
func setControl(d *draft, _ *Key, w word) *flaw {
	switch {
	case !strings.HasPrefix(w.text, "/"):
		return &flaw{message: "is not an absolute path", hint: "begin it with /, such as /run/pinion/ctl.sock"}
	case strings.HasSuffix(w.text, "/"):
		return &flaw{message: "is a directory", hint: "name a socket in it"}
	case len(w.text) > maxSocketPathSize:
		return &flaw{message: fmt.Sprintf("has %d bytes", len(w.text)), hint: fmt.Sprintf("a path of a socket has %d at most", maxSocketPathSize)}
	}
	d.global.Control = path.Clean(w.text)
	return nil
}

func getControl(d *draft) []string { return unlessEmpty(d.global.Control) }

// control returns the admin socket as an address; without a network, the file has none.
func (g *Global) control() Listen {
	if g.Control == "" {
		return Listen{}
	}
	return Listen{Network: "unix", Address: g.Control, Text: g.Control}
}

// collides reports whether one socket cannot listen where another one does.
func (l *Listen) collides(other Listen) bool {
	return l.Address != "" && (l.ID() == other.ID() || l.Overlaps(other))
}

// checkOwnAddresses finds a pool where the master is to answer itself, and two of its own addresses that are one.
func (r *reader) checkOwnAddresses(c *Config) {
	own := []struct {
		key string
		at  Listen
	}{{"http", c.Global.HTTP}, {"statistics", c.Global.Statistics}, {"control", c.Global.control()}}
	for i, o := range own {
		for k := range c.Pools {
			p := &c.Pools[k]
			if slices.ContainsFunc(p.Listens(), o.at.collides) {
				r.report(c.Global.given[o.key], "", flaw{message: fmt.Sprintf("%s is %q, where pool %q listens", o.key, o.at.Text, p.Name),
					hint: fmt.Sprintf("that is in line %d; give it an address of its own", p.given["listen"].line)})
			}
		}
		for _, first := range own[:i] {
			if o.at.collides(first.at) {
				r.report(c.Global.given[o.key], "", flaw{message: fmt.Sprintf("%s is %q, where %s is answered", o.key, o.at.Text, first.key),
					hint: "give it an address of its own"})
			}
		}
	}
}

// openStatistics warns where the HTTP address asks who it is that asks, and the statistics, which have the same metrics, do not. They are at
// the address that the file names, or else at s.
func (c *Config) openStatistics(s Listen) Problems {
	g, key := &c.Global, httpUserKey
	if g.HTTPUser == "" {
		key = httpTLSCAKey
	}
	if g.Statistics.Address != "" {
		s = g.Statistics
	}
	if g.HTTPUser == "" && !g.HTTPAsksCertificate() || s.AddrPort.Addr().IsLoopback() {
		return nil
	}
	at := g.given[key]
	return Problems{{File: c.File, Line: at.line, Column: at.column, Warning: true,
		Message: fmt.Sprintf("%s keeps others from http, and not from the statistics on %s, which have the same metrics and ask nobody", key, s.AddrPort),
		Hint:    fmt.Sprintf(`write "statistics: 127.0.0.1:%d" under "global:" if metrics are not for all`, s.AddrPort.Port())}}
}

// StatisticsWarnings warns of statistics that others can read, and of addresses on which the start would fail, as the statistics are at
// an address that the file does not name: that of the command line, or the default.
func (c *Config) StatisticsWarnings(at netip.AddrPort) (all Problems) {
	s := Listen{Network: "tcp", Address: at.String(), AddrPort: at}
	warn := func(pool, key string, l *Listen, where place) {
		if s.collides(*l) {
			all = append(all, Problem{File: c.File, Line: where.line, Column: where.column, Pool: pool, Warning: true,
				Message: fmt.Sprintf("%s is %s, and the statistics are on %s: a start would fail", key, l.Text, at),
				Hint:    `write another address, or have the statistics elsewhere: "statistics: 127.0.0.1:22223" under "global:", or -s PORT`})
		}
	}
	all = c.openStatistics(s)
	if c.Global.Statistics.Address != "" {
		return all
	}
	warn("", "http", &c.Global.HTTP, c.Global.given["http"])
	for i := range c.Pools {
		for _, l := range c.Pools[i].Listens() {
			warn(c.Pools[i].Name, "listen", &l, c.Pools[i].where("listen"))
		}
	}
	return all
}
