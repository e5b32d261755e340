// Pools whose servers fail over: the sentinels to ask, and the names by which they know the masters.

package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// longFailoverWait is the failover_wait of a pool with sentinels, or of a cluster, that does not say otherwise. Sentinels that call a
// server down after a second need up to three for a failover, those that do after three seconds up to five; so does a cluster. Few
// clients wait for longer.
const longFailoverWait = 5 * time.Second

// setSentinels reads addresses with spaces or commas between.
func setSentinels(d *draft, _ *Key, w word) *flaw {
	const form = "write host:port of each, such as 10.0.0.1:26379"
	var all []string
	for _, text := range strings.FieldsFunc(w.text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		address, f := parseSentinel(text)
		switch {
		case f != nil:
			f.message = fmt.Sprintf("has %q, which %s", text, f.message)
			f.hint = form
			return f
		case slices.Contains(all, address):
			return &flaw{message: fmt.Sprintf("has %q twice", text), hint: "name each sentinel once: they decide by majority"}
		}
		all = append(all, address)
	}
	if len(all) == 0 {
		return &flaw{message: "names no sentinel", hint: form}
	}
	d.pool.Sentinels = all
	return nil
}

func getSentinels(d *draft) []string { return unlessEmpty(strings.Join(d.pool.Sentinels, " ")) }

// parseSentinel returns an address in the form of net.JoinHostPort.
func parseSentinel(text string) (string, *flaw) {
	host, port, ok := cutLast(text, ':')
	if !ok || strings.HasPrefix(text, "/") {
		return "", &flaw{message: "is no address"}
	}
	n, f := parsePort(port)
	if f != nil {
		return "", f
	}
	host = withoutBrackets(host)
	if _, err := netip.ParseAddr(host); host == "" || err != nil && strings.ContainsAny(host, ":[]") {
		return "", &flaw{message: "is no address"}
	}
	return net.JoinHostPort(host, strconv.Itoa(int(n))), nil
}

// parseMaster reads "master:weight [name]". The name of a server without one is that of its master: wherever that is, its keys
// are where they would be if a server of that name were configured.
func parseMaster(text string) (link.Server, *flaw) {
	s := link.Server{Network: link.Sentinel}
	rest, name, hasName := cutLast(text, ' ')
	if !hasName {
		rest = text
	} else if name == "" {
		return s, &flaw{message: "has an empty name", hint: "drop the space at its end"}
	}
	master, weight, ok := cutLast(rest, ':')
	switch {
	case !ok:
		return s, &flaw{message: "has no weight", hint: fmt.Sprintf("write %q", strings.TrimSpace(rest+":1 "+name))}
	case strings.ContainsAny(master, ": ") || strings.HasPrefix(master, "/"):
		return s, &flaw{message: "is an address, and the sentinels say where servers are",
			hint: "write the name by which they know the master: master:weight [name]"}
	case master == "":
		return s, &flaw{message: "names no master", hint: "write master:weight [name]"}
	}
	if s.Weight, ok = decimal(weight); !ok || s.Weight == 0 {
		return s, &flaw{message: fmt.Sprintf("has wrong weight %q", weight), hint: "write a whole number from 1 on"}
	}
	s.Address, s.Name = master, cmp.Or(name, master)
	return s, nil
}

// home returns what two servers have in common that hold the same data: the address, or the master and those who know it.
func (p *Pool) home(s *link.Server) string {
	if s.Network != link.Sentinel {
		return s.Address
	}
	return s.Address + " of " + strings.Join(slices.Sorted(slices.Values(p.Sentinels)), " ")
}

// checkSentinels finds a pool in which nobody would ask the sentinels, or with half of what they are to be told.
func (r *reader) checkSentinels(d *draft) {
	p := d.pool
	if d.cluster {
		return
	}
	if at, ok := d.given["sentinels"]; ok && p.Protocol != link.Redis && !slices.Contains(d.wrong, "redis") {
		r.report(at, p.Name, flaw{message: "sentinels are for redis only", hint: r.either(`add "redis: true"`, `use "protocol redis"`)})
	}
	user, hasUser := d.given["sentinel_user"]
	password, hasPassword := d.given["sentinel_password"]
	switch {
	case (hasUser || hasPassword) && !d.follows:
		r.report(cmp.Or(user, password), p.Name, flaw{message: "has something to tell sentinels, and no sentinels",
			hint: "add sentinels, or remove sentinel_user and sentinel_password"})
	case hasUser && !hasPassword:
		r.report(user, p.Name, flaw{message: "sentinel_user has no password", hint: "add sentinel_password"})
	}
}
