// pinion clients: those of all workers, seen and closed from outside.

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EClientsListedAndKilled(t *testing.T) {
	t.Parallel()
	control, listen := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: listen, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{rig.RedisServer(t)})})
	p := rig.Pinion(t, "global:\n  workers: 3\n"+config, "tcp", listen, "--control", control)
	p.Read = rig.ReadRESP
	pinion := func(args ...string) string { // what it says of workers that take long is no matter here
		out, _ := exec.Command(p.Cmd.Path, append(args, "--control", control)...).Output()
		return string(out)
	}
	const crowd = 30
	clients := []*rig.Client{}
	for i := range crowd {
		c := p.Dial()
		c.WantDo("+OK\r\n", "CLIENT", "SETNAME", fmt.Sprint("name", i))
		clients = append(clients, c)
	}
	check := func(generation int) {
		t.Helper()
		rig.Eventually(t, fmt.Sprintf("all clients in generation %d", generation), func() error {
			names, workers := map[string]bool{}, map[int]bool{}
			for line := range strings.Lines(pinion("clients", "--pool", "pool", "--json")) {
				var c struct {
					Name               string
					Worker, Generation int
				}
				if err := json.Unmarshal([]byte(line), &c); err != nil || c.Generation != generation {
					return fmt.Errorf("%s: %v", line, err)
				}
				names[c.Name], workers[c.Worker] = true, true
			}
			if len(names) != crowd || len(workers) < 2 {
				return fmt.Errorf("there are %d clients of %d workers", len(names), len(workers))
			}
			return nil
		})
	}
	check(1)
	pinion("reload")
	check(2)
	if out := pinion("clients", "--kill", "--name", "name7"); !strings.HasSuffix(out, "1 client closed\n") {
		t.Errorf("got %s", out)
	}
	if left := clients[7].All(); left != "" {
		t.Errorf("the client that is closed gets %q", left)
	}
	clients[8].WantDo("+PONG\r\n", "PING")
}

// Who monitors sees requests of clients of all workers, and more of them after a reload.
func TestE2EMonitorCommand(t *testing.T) {
	t.Parallel()
	control, listen := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: listen, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{rig.RedisServer(t)})})
	p := rig.Pinion(t, config, "tcp", listen, "--control", control)
	p.Read = rig.ReadRESP
	c := p.Dial()
	see := func() {
		t.Helper()
		monitor := exec.Command(p.Cmd.Path, "monitor", "--prefix", "seen:", "--count", "3", "--control", control)
		var out strings.Builder
		monitor.Stdout, monitor.Stderr = &out, &out
		if err := monitor.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- monitor.Wait() }()
		rig.Eventually(t, "three requests to be seen", func() error {
			c.WantDo("+OK\r\n", "SET", "seen:1", "value")
			c.WantDo("$-1\r\n", "GET", "unseen:1")
			select {
			case err := <-ended:
				if err != nil || strings.Count(out.String(), "set \"seen:1\"") != 3 || strings.Contains(out.String(), "unseen") {
					t.Errorf("%v:\n%s", err, out.String())
				}
				return nil
			default:
				return fmt.Errorf("it still looks on")
			}
		})
	}
	see()
	if out, err := exec.Command(p.Cmd.Path, "reload", "--control", control).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	see()
}
