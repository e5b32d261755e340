// Who waits to be accepted, while no worker accepts.

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EAcceptQueue(t *testing.T) {
	t.Parallel()
	address, at := rig.FreeAddress(t), rig.FreeAddress(t)
	pool := rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "backlog: 2"}, Servers: rig.Lines([]*rig.Backend{rig.RedisServer(t)})}
	p := rig.Pinion(t, "global:\n  http: "+at+"\n"+rig.Yaml(pool), "tcp", address, "--workers", "1")
	tells := func(want ...string) {
		t.Helper()
		rig.Eventually(t, strings.Join(want, ", "), func() error {
			text, err := fetchHTTP("http://" + at + "/metrics")
			for _, one := range want {
				if err == nil && !strings.Contains(text, "\n"+one) {
					err = fmt.Errorf("lacks %s", one)
				}
			}
			return err
		})
	}
	const of = `{pool="pool",worker="0"} `
	tells("pinion_accept_queue_connections"+of+"0\n", "pinion_accept_queue_limit_connections"+of+"2\n", "pinion_accept_queue_drops_total"+of+"0\n")
	worker := p.OnlyWorker()
	rig.Suspend(t, worker)
	for range 3 { // one more than the limit, as the kernel counts
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	tells("pinion_accept_queue_connections" + of + "3\n")
	if err := syscall.Kill(worker, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	tells("pinion_accept_queue_connections" + of + "0\n")
}
