// Sentinels, who know the masters, and nodes, who know each other.

package reach

import (
	"fmt"
	"net"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// sentinel asks for all masters of the pool.
func (v *visit) sentinel() {
	if !v.login(link.Login{User: v.pool.SentinelUser, Password: v.pool.SentinelPassword}) || !v.pings() {
		return
	}
	for k, s := range v.pool.Configured() {
		r, err := v.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Address)
		switch {
		case err != nil:
			v.broken(err)
			return
		case r.kind == '-' && strings.Contains(r.text, "unknown command"):
			v.fail("is no sentinel", "name sentinels, which listen on 26379 by default, and servers elsewhere")
			return
		case r.kind == '-':
			v.refused("SENTINEL", r)
			return
		case len(r.items) != 2:
			v.fail(fmt.Sprintf("knows no master %q", s.Address), "correct the name in servers, or have it monitored: SENTINEL MONITOR")
			continue
		}
		address := net.JoinHostPort(r.items[0].text, r.items[1].text)
		v.named = append(v.named, target{v.pool, asServer, "tcp", address, fmt.Sprintf("master %q at %s", s.Address, address), k, v.complain})
		v.hasQuorum(s.Address)
	}
}

// hasQuorum warns of a master that would not be replaced.
func (v *visit) hasQuorum(master string) {
	r, err := v.ask("SENTINEL", "CKQUORUM", master)
	if err == nil && strings.HasPrefix(r.text, "NOQUORUM") {
		v.warn(fmt.Sprintf("would not replace master %q: %s", master, shorten(r.text)), "start the other sentinels")
	}
}

// isNode asks for the state of the cluster and for its other nodes.
func (v *visit) isNode(info map[string]string) {
	if info["cluster_enabled"] == "0" {
		v.fail("is of no cluster", "remove cluster: true, and give each server a weight: host:port:weight")
		return
	}
	r, err := v.ask("CLUSTER", "INFO")
	if err != nil {
		v.broken(err)
		return
	}
	if strings.Contains(r.text, "cluster_state:fail") {
		v.warn("says that the cluster is down", "see CLUSTER INFO and CLUSTER NODES there")
	}
	if r, err = v.ask("CLUSTER", "NODES"); err == nil {
		v.named = append(v.named, v.nodesIn(r.text)...)
	}
}

// nodesIn reads lines of "id address:port@bus,name flags …". What the cluster itself takes for failed is its own matter.
func (v *visit) nodesIn(text string) (nodes []target) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.Contains(fields[2], "fail") || strings.Contains(fields[2], "noaddr") || strings.Contains(fields[2], "myself") {
			continue
		}
		address, _, _ := strings.Cut(fields[1], "@")
		i := strings.LastIndexByte(address, ':')
		if i <= 0 {
			continue
		}
		address = net.JoinHostPort(strings.Trim(address[:i], "[]"), address[i+1:])
		nodes = append(nodes, target{v.pool, asNode, "tcp", address, fmt.Sprintf("node %q of the cluster", address), -1, v.complain})
	}
	return nodes
}
