// Few descriptors: clients do not take those of servers, nor servers those of clients.

package storm_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// As many clients as get in are served by all servers, over all connections; as many connections as there would be for a
// few of them only.
func TestE2EFullOfClients(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	s := &shortage{t: t, done: new(atomic.Int32), refused: new(atomic.Int32)}
	s.scene = newScene(t, startStormServers(t), oldRelease, 1, rig.Program(t, "prlimit"), "--nofile=100:100")
	for _, connections := range []int{4, 200} { // they fit, they do not
		t.Logf("server_connections: %d", connections)
		options := []string{"redis: true", "preconnect: true", fmt.Sprint("server_connections: ", connections), "hash: murmur"}
		s.write(rig.Yaml(rig.Pool{Name: "few", Listen: s.in["redis"].at, Options: options, Servers: rig.Lines(servers)}) + "global:\n  workers: 1\n")
		if out, err := s.order("reload"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.fill()
		if len(s.clients) < 20 {
			t.Errorf("%d clients get in", len(s.clients))
		}
		for i, c := range s.clients {
			c.WriteString(rig.Request("MSET", "a", fmt.Sprint(i), "k3", "1", "b", "1", "c", "1", "d", "1", "e", "1"))
			c.Flush()
			if reply, err := c.ReadString('\n'); err != nil || reply != "+OK\r\n" {
				t.Fatalf("client %d of %d got %q, %v", i, len(s.clients), reply, err)
			}
		}
		s.attempt("reload", 1)
	}
	if log := s.logged("log"); !strings.Contains(log, "raise LimitNOFILE= (ulimit -n) to ") {
		t.Error("nobody has said how many descriptors would do")
	}
	s.stop()
}
