// Sockets in the file system, as far as the file system has a place for them.

package config

import (
	"fmt"
	"path"
	"strings"
)

// volatile is where directories come and go with services: the service manager makes that of a service when it starts.
const volatile = "/run/"

// SocketProblems returns which unix sockets have no directory here, where isDirectory tells what is one.
func (c *Config) SocketProblems(isDirectory func(path string) bool) (all Problems) {
	look := func(at place, pool string, l *Listen) {
		folder := path.Dir(l.Address)
		if l.Network == "unix" && !strings.HasPrefix(strings.TrimPrefix(l.Address, "/var"), volatile) && !isDirectory(folder) {
			all = append(all, Problem{File: c.File, Line: at.line, Column: at.column, Pool: pool,
				Message: fmt.Sprintf("%q cannot be made: %q is no directory", l.Address, folder), Hint: "make it, for the user that runs pinion"})
		}
	}
	look(c.Global.given["http"], "", &c.Global.HTTP)
	control := c.Global.control()
	look(c.Global.given["control"], "", &control)
	for i := range c.Pools {
		for _, l := range c.Pools[i].Listens() {
			look(c.Pools[i].where("listen"), c.Pools[i].Name, &l)
		}
	}
	return all
}
