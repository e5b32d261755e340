// The identity of a server: its name, and the order of names, decide where keys live; the address does not.

package shard

import "strings"

// Server is what placement knows of a server.
type Server struct {
	Name   string // see ServerName; unique in its pool
	Weight int    // ≥ 1
}

// Less orders names as twemproxy does (string_compare in nc_string.c): the shorter first, equal lengths by bytes.
// Servers are sorted by it before their index means anything.
func Less(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// ServerName returns the name of a server by twemproxy's rule (conf_add_server in nc_conf.c). A name given in the
// configuration wins. Otherwise it is the address: network "tcp" takes "host:port" as it was written, which loses the
// port if that is 11211, as in libmemcached; network "unix" takes a path, which gains a colon.
func ServerName(network, address, name string) string {
	if name != "" {
		return name
	}
	if network == "unix" {
		return address + ":"
	}
	colon := strings.LastIndexByte(address, ':')
	if colon >= 0 && strings.TrimLeft(address[colon+1:], "0") == "11211" {
		return address[:colon]
	}
	return address
}
