// The addresses in a configuration: where a pool listens and where its servers are, both read from the right, as
// twemproxy does (conf_set_listen and conf_add_server in nc_conf.c).

package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	resolveTimeout    = 10 * time.Second
	maxSocketPathSize = 107 // bytes: sun_path of unix(7), less its final zero
	maxPermissions    = 0o777
	permissionsHint   = "write octal digits up to 0777, and a path without spaces"
)

// resolver finds the address of a host to listen on.
type resolver func(host string) (netip.Addr, error)

// resolveHost reads an IP address in any notation of inet_aton(3), or asks for the address of a name.
func resolveHost(host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	if addr, ok := parseClassicIPv4(host); ok {
		return addr, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return choose(addrs), nil
}

// choose takes the lowest address of the family that the resolver prefers. Name servers rotate their answers; a reload
// must not take that for another address and close the clients of the one before.
func choose(addrs []netip.Addr) netip.Addr {
	chosen := addrs[0].Unmap()
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.Is4() == chosen.Is4() && addr.Less(chosen) {
			chosen = addr
		}
	}
	return chosen
}

// canonical returns the one form of an address that means the same to bind(2): IPv4 as such, and a zone, which only
// link-local addresses have, as the number of its interface.
func canonical(addr netip.Addr) (netip.Addr, error) {
	addr = addr.Unmap()
	zone := addr.Zone()
	switch {
	case zone == "":
		return addr, nil
	case !addr.IsLinkLocalUnicast():
		return addr.WithZone(""), nil
	}
	if n, err := strconv.ParseUint(zone, 10, 31); err == nil && n > 0 {
		return addr.WithZone(strconv.FormatUint(n, 10)), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return addr, fmt.Errorf("interface %q: %w", zone, err)
	}
	return addr.WithZone(strconv.Itoa(i.Index)), nil
}

// parseClassicIPv4 reads the notations that getaddrinfo(3) takes beside four decimal numbers: one to four parts, each
// decimal, octal or hexadecimal, the last one filling the bytes that are left ("0", "127.1", "0x7f.0.0.1").
func parseClassicIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 || strings.Contains(host, "_") {
		return netip.Addr{}, false
	}
	var address uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil || strings.ContainsAny(part, "bBoO") && !strings.HasPrefix(strings.ToLower(part), "0x") {
			return netip.Addr{}, false
		}
		address = address<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}), true
}

// setListen adds an address to those of the pool: "host:port [tls]" or "/path [permissions]".
func setListen(d *draft, _ *Key, w word) *flaw {
	var l Listen
	address, encrypted := cutTLS(w.text)
	if mark := strangeMark(address); mark != "" {
		return &flaw{message: fmt.Sprintf("has %q behind the address", mark), hint: fmt.Sprintf("write %q there for TLS, or nothing", wordTLS)}
	}
	f := d.readListen(&l, word{address, w.at})
	l.Text, l.TLS = w.text, encrypted
	switch {
	case encrypted && strings.HasPrefix(address, "/"):
		f = &flaw{message: "is a path, where nothing is encrypted", hint: "remove " + wordTLS}
	case d.pool.Listen.Text == "":
		d.pool.Listen = l
	case l.Address != "":
		d.pool.Further = append(d.pool.Further, l)
	}
	return f
}

// strangeMark returns the word behind host and port that is no mark of ours.
func strangeMark(address string) string {
	before, mark, found := cutLast(address, ' ')
	if _, number := decimal(mark); !found || number || strings.HasPrefix(address, "/") || !strings.Contains(before, ":") {
		return ""
	}
	return mark
}

func setHTTP(d *draft, _ *Key, w word) *flaw { return d.readListen(&d.global.HTTP, w) }

// readListen reads "host:port" or "/path [permissions]".
func (d *draft) readListen(l *Listen, w word) *flaw {
	l.Text = w.text
	if strings.HasPrefix(w.text, "/") {
		return setListenUnix(l)
	}
	host, port, ok := cutLast(w.text, ':')
	if !ok {
		return notAnAddress(w.text)
	}
	n, f := parsePort(port)
	if f != nil {
		return f
	}
	if host == "" || host == "*" {
		return &flaw{message: "has no host", hint: fmt.Sprintf("write 0.0.0.0:%d to listen on all addresses", n)}
	}
	addr, err := d.resolve(withoutBrackets(host))
	if err == nil {
		addr, err = canonical(addr)
	}
	if err != nil {
		return &flaw{message: "cannot be resolved: " + err.Error(),
			hint: "write an IP address or a name that this host knows"}
	}
	l.Network, l.AddrPort = "tcp", netip.AddrPortFrom(addr, n)
	l.Address = l.AddrPort.String()
	return nil
}

func notAnAddress(text string) *flaw {
	f := &flaw{message: "is not an address", hint: "write host:port, or a path from / on"}
	if n, bad := parsePort(text); bad == nil {
		f = &flaw{message: "has no host", hint: fmt.Sprintf("write 127.0.0.1:%d, or 0.0.0.0:%d to listen on all addresses", n, n)}
	}
	return f
}

// setListenUnix reads the permissions as twemproxy does, with strtol(3): octal digits, up to whatever follows them.
func setListenUnix(l *Listen) *flaw {
	name, perm, given := cutLast(l.Text, ' ')
	if !given {
		name = l.Text
	}
	name = plainPath(name)
	if len(name) > maxSocketPathSize {
		return &flaw{message: fmt.Sprintf("has a path of %d bytes", len(name)),
			hint: fmt.Sprintf("a socket's path has at most %d", maxSocketPathSize)}
	}
	digits := len(perm) - len(strings.TrimLeft(perm, "01234567"))
	n, err := strconv.ParseUint("0"+perm[:digits], 8, 64)
	if err != nil || n > maxPermissions || strings.HasPrefix(perm, "-") || strings.HasPrefix(perm, "+") {
		return &flaw{message: fmt.Sprintf("has wrong permissions %q", perm), hint: permissionsHint}
	}
	l.Network, l.Address, l.Perm = "unix", name, fs.FileMode(n)
	if digits < len(perm) {
		return &flaw{message: fmt.Sprintf("has permissions %q, taken for %#o as nutcracker does", perm, n),
			hint: permissionsHint, harmless: true}
	}
	return nil
}

// plainPath leaves out what says nothing: double slashes and dots. Two dots stay: after a symbolic link they lead elsewhere.
func plainPath(p string) string {
	if strings.Contains(p+"/", "/../") {
		return p
	}
	return path.Clean(p)
}

func getListen(d *draft) (texts []string) {
	for _, l := range d.pool.Listens() {
		texts = append(texts, l.Text)
	}
	return texts
}

func getHTTP(d *draft) []string { return unlessEmpty(d.global.HTTP.Text) }

// addServer adds one server to the draft.
func addServer(d *draft, _ *Key, w word) *flaw {
	parse := parseServer
	switch {
	case d.cluster:
		parse = parseSeed
	case d.follows:
		parse = parseMaster
	}
	s, f := parse(w.text)
	switch scheme, _, found := strings.Cut(w.text, "://"); {
	case f == nil:
		d.servers = append(d.servers, placedServer{s, w.at, d.details[w.at]})
	case found:
		f = &flaw{message: "is a URL", hint: fmt.Sprintf("leave out %s://, and write %s", scheme, d.serverForm())}
	case strings.HasSuffix(w.text, ","):
		f = &flaw{message: "ends with a comma", hint: "remove it: each server has a line of its own"}
	case strings.Contains(w.text, ","):
		f = &flaw{message: "has a comma", hint: "give each server a line of its own, after a dash: " + d.serverForm()}
	}
	return f
}

// serverForm is how a server of the pool is written.
func (d *draft) serverForm() string {
	switch {
	case d.cluster:
		return "host:port"
	case d.follows:
		return "master:weight [name]"
	}
	return "host:port:weight [name]"
}

// parseServer reads "host:port:weight [name]" or "/path:weight [name]". The name of a server without one is its address
// as it was written, since placement depends on it; Address is in the form of net.JoinHostPort.
func parseServer(text string) (link.Server, *flaw) {
	var s link.Server
	rest, name, hasName := cutLast(text, ' ')
	if !hasName {
		rest = text
	} else if name == "" {
		return s, &flaw{message: "has an empty name", hint: "drop the space at its end"}
	}
	written, weight, ok := cutLast(rest, ':')
	host, port, tcp := cutLast(written, ':')
	unix := strings.HasPrefix(rest, "/")
	if !ok || !unix && !tcp {
		return s, badServerFormat(rest, name)
	}
	if s.Weight, ok = decimal(weight); !ok || s.Weight == 0 {
		return s, &flaw{message: fmt.Sprintf("has wrong weight %q", weight), hint: "write a whole number from 1 on"}
	}
	s.Network, s.Address = "unix", written
	if !unix {
		n, f := parsePort(port)
		if f != nil {
			return s, f
		}
		if host == "" {
			return s, &flaw{message: "has no host", hint: "write host:port:weight [name]"}
		}
		if hasStrayColon(host) {
			return s, &flaw{message: "has too many colons", hint: "write host:port:weight [name], with an IPv6 address in brackets"}
		}
		host = withoutBrackets(host)
		if _, err := netip.ParseAddr(host); err != nil { // a worker knows names and plain addresses only
			if addr, ok := parseClassicIPv4(host); ok {
				host = addr.String()
			}
		}
		s.Network, s.Address = "tcp", net.JoinHostPort(host, strconv.Itoa(int(n)))
	}
	s.Name = shard.ServerName(s.Network, written, name)
	return s, nil
}

// badServerFormat names the likely cause: the weight, which nobody expects, is missing.
func badServerFormat(rest, name string) *flaw {
	f := &flaw{message: "is not a server", hint: "write host:port:weight [name], or /path:weight [name]"}
	host, port, tcp := cutLast(rest, ':')
	_, bad := parsePort(port)
	switch {
	case tcp && bad == nil && host == "":
		f.message = "has no host and no weight"
	case tcp && bad == nil, strings.HasPrefix(rest, "/"):
		f = &flaw{message: "has no weight", hint: fmt.Sprintf("write %q", strings.TrimSpace(rest+":1 "+name))}
	}
	return f
}

// getServers writes the name of a server wherever its address alone would not give it.
func getServers(d *draft) []string {
	if d.pool.IsCluster() {
		return d.pool.Seeds
	}
	var texts []string
	for _, s := range d.pool.Servers {
		text := s.Address + ":" + strconv.Itoa(s.Weight)
		if s.Name != nameWithout(&s) {
			text += " " + s.Name
		}
		texts = append(texts, text)
	}
	return texts
}

// nameWithout returns the name that a server has if the configuration gives it none.
func nameWithout(s *link.Server) string {
	if s.Network == link.Sentinel {
		return s.Address
	}
	return shard.ServerName(s.Network, s.Address, "")
}

func parsePort(text string) (uint16, *flaw) {
	n, ok := decimal(text)
	if !ok || n < 1 || n > 0xffff {
		hint := "write a port from 1 to 65535"
		if n, ok := decimal(strings.TrimSpace(text)); ok && n > 0 && n <= 0xffff {
			hint = "remove the space"
		}
		return 0, &flaw{message: fmt.Sprintf("has wrong port %q", text), hint: hint}
	}
	return uint16(n), nil
}

// withoutBrackets returns the host of "[::1]" and any other host as it is.
func withoutBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' && strings.Contains(host, ":") {
		return host[1 : len(host)-1]
	}
	return host
}

// hasStrayColon reports whether a host has colons without being an IPv6 address: something of what follows a host was read into it.
func hasStrayColon(host string) bool {
	_, err := netip.ParseAddr(withoutBrackets(host))
	return err != nil && strings.Contains(host, ":")
}

// cutLast cuts s around the last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", "", false
}
