// A server that breaks all its connections at once and serves on: that is one failure, however many workers and connections
// see it.

package e2e_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EBlip(t *testing.T) {
	t.Parallel()
	const clients, blips = 24, 10
	server := newPuppet(t, "tcp", rig.FreeAddress(t))
	address := rig.FreeAddress(t)
	options := []string{"redis: true", "server_connections: 2", "auto_eject_hosts: true", "server_failure_limit: 2"}
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: []string{server.Address + ":1 s0"}}), "tcp", address, "--workers", "4")
	var all []*rig.Client
	for range clients {
		all = append(all, p.Dial())
	}
	ask := func() (asked []ask) {
		for i, c := range all {
			c.Send(rig.Request("GET", fmt.Sprint(i)))
		}
		for range all {
			select {
			case a := <-server.asked:
				asked = append(asked, a)
			case <-time.After(rig.Patience):
				t.Fatalf("the server was asked %d times by %d clients; %d ejections", len(asked), clients, p.PoolCounter("server_ejects"))
			}
		}
		return asked
	}
	for range blips {
		for _, a := range ask() {
			a.reply(t, "$-1\r\n")
		}
		for _, c := range all {
			c.Want("$-1\r\n")
		}
		for _, a := range ask() {
			a.conn.(*net.TCPConn).SetLinger(0) // resets
			a.conn.Close()
		}
		for _, c := range all {
			c.Want("-ERR Connection reset by peer\r\n")
		}
	}
	if n := p.PoolCounter("server_ejects"); n != 0 {
		t.Errorf("%d ejections in %d single blips", n, blips)
	}
}
