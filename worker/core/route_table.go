// What becomes of each Redis command in a pool: what the command table says, where the pool has one server or several, and what
// its configuration denies.

package core

import (
	"fmt"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// routeDenied is the route of a command that the pool's configuration denies. No row of the table has it.
const routeDenied resp.Route = 0

// routesOf returns the route of each command, by its ID.
func routesOf(spec *link.Pool) ([]resp.Route, error) {
	routes := make([]resp.Route, resp.NumCommands)
	for _, c := range resp.Commands() {
		routes[c.ID] = routeAmong(c, len(spec.Servers))
		for i := range c.Subs {
			routes[c.Subs[i].ID] = routeAmong(&c.Subs[i], len(spec.Servers))
		}
	}
	for _, name := range spec.Deny {
		rows := resp.Denied(name)
		if rows == nil {
			return nil, fmt.Errorf("unknown command or group %q is denied", name)
		}
		for _, c := range rows {
			routes[c.ID] = routeDenied
		}
	}
	if len(spec.Users) > 0 {
		routeACL(routes)
	}
	return routes, nil
}

// routeAmong returns the route of c in a pool of so many servers. The only one gets as it is what is meant for all.
func routeAmong(c *resp.Command, servers int) resp.Route {
	switch {
	case servers > 1 || c.Route != resp.All && c.Route != resp.Solo:
		return c.Route
	case c.Blocking:
		return resp.Forward
	case c.Local != 0:
		return resp.Local
	}
	return resp.Keyless
}
