// eject_latency: a server that answers, and takes much longer than the others.

package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// A server that sleeps all the time is ejected although it answers all that it is asked, and its keys live elsewhere; when it works again,
// they are back. With murmur, k3 lives on s1.
func TestE2EEjectLatency(t *testing.T) {
	t.Parallel()
	servers := rig.Several(3, func() *rig.Backend { return rig.RedisServer(t) })
	control, listen := filepath.Join(rig.ShortDir(t), "ctl.sock"), rig.FreeAddress(t)
	options := []string{"redis: true", "hash: murmur", "on_failure: remap", "eject_latency: 2", "eject_latency_floor: 100", "server_retry_timeout: 1000",
		"server_retry_max: 1000"}
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: listen, Options: options, Servers: rig.Lines(servers)}), "tcp", listen, "--control", control)
	p.Read = rig.ReadRESP
	c := p.Dial()
	c.WantDo("+OK\r\n", "SET", "k3", "kept")

	var sleeps atomic.Bool
	sleeps.Store(true)
	awake := make(chan struct{})
	sleeper := servers[1].Dial()
	go func() {
		defer close(awake)
		for sleeps.Load() && sleeper.Do("DEBUG", "SLEEP", "0.3") == "+OK\r\n" {
		}
	}()
	defer func() { sleeps.Store(false); <-awake }()

	// Replies of all servers, many of each at a time.
	var batch strings.Builder
	for i := range 200 {
		batch.WriteString(rig.Request("EXISTS", fmt.Sprint("k", i)))
	}
	work := func() {
		c.Send(batch.String())
		for range 200 {
			c.Reply()
		}
	}
	rig.Eventually(t, "ejecting the server", func() error {
		work()
		if n := p.PoolCounter("server_ejects"); n == 0 {
			return fmt.Errorf("server_ejects is %d", n)
		}
		return nil
	})
	rig.Eventually(t, "telling why", func() error {
		work()
		got, err := exec.Command(p.Cmd.Path, "status", "--control", control).Output()
		if err == nil && !strings.Contains(string(got), ": slower than the others; ") {
			err = fmt.Errorf("the status is\n%s", got)
		}
		return err
	})
	rig.Eventually(t, "going to another server", func() error {
		work()
		if got := c.Do("EXISTS", "k3"); got != ":0\r\n" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	sleeps.Store(false)
	<-awake
	rig.Eventually(t, "readmitting the server", func() error {
		if got := c.Do("GET", "k3"); got != rig.Bulk("kept") {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	if !strings.Contains(p.Output.String(), `server "s1" ejected for `) {
		t.Error("the log does not tell of the ejection")
	}
}
