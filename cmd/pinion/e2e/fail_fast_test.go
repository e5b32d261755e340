// on_failure: fail_fast, where the keys of a server that is down stay its.

package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// A server that dies is found out by probes alone; requests for its keys fail at once, those for others are served, the status says why,
// and it is asked again when it has done loading. With murmur, k3 lives on s1.
func TestE2EFailFast(t *testing.T) {
	t.Parallel()
	const down = "-ERR the server of this key is down\r\n"
	address := rig.FreeAddress(t)
	mortal := rig.RedisServerTCP(t, address)
	servers := []*rig.Backend{rig.RedisServer(t), mortal, rig.RedisServer(t)}
	control, listen := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	options := []string{"redis: true", "hash: murmur", "timeout: 2000", "on_failure: fail_fast", "server_failure_limit: 1",
		"server_retry_timeout: 100", "probe_interval: 100"}
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: listen, Options: options, Servers: rig.Lines(servers)}), "tcp", listen, "--control", control)
	p.Read = rig.ReadRESP
	c := p.Dial()
	c.WantDo("+OK\r\n", "SET", "k3", "kept")
	c.WantDo(":3\r\n", "EXISTS", "k3", "k3", "k3")

	mortal.Kill()
	rig.Eventually(t, "ejecting the server", func() error {
		if n := p.PoolCounter("server_ejects"); n != 1 {
			return fmt.Errorf("server_ejects is %d", n)
		}
		return nil
	})
	rig.Eventually(t, "failing at once", func() error {
		if got := c.Do("GET", "k3"); got != down {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	served := 0
	for i := range 30 {
		switch got := c.Do("SET", fmt.Sprint("k", i), "v"); got {
		case "+OK\r\n":
			served++
		case down:
		default:
			t.Errorf("SET k%d: %q", i, got)
		}
	}
	if served == 0 || served == 30 {
		t.Errorf("%d of 30 keys are served", served)
	}

	ill := newPatient(t, address)
	ill.health.Store(int32(loading))
	rig.Eventually(t, "telling that the server loads its data", func() error {
		got, err := exec.Command(p.Cmd.Path, "status", "--control", control).Output()
		if err == nil && (!strings.Contains(string(got), "s1 is ejected since ") || !strings.Contains(string(got), ": loading its data; ")) {
			err = fmt.Errorf("the status is\n%s", got)
		}
		return err
	})
	c.WantDo(down, "GET", "k3")
	ill.health.Store(int32(well))
	rig.Eventually(t, "readmitting the server", func() error {
		if got := c.Do("GET", "k3"); got != rig.Bulk("back") {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
}
