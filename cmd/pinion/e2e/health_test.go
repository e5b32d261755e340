// What is known of servers outlives those who know it: who is ejected, since when and for how long, and who gets its keys back little by little.

package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// known is what the status tells of a server.
type known struct {
	Name, State string
	Ejected     *struct {
		Since  string
		Probes int
	}
	Starting *struct{ Percent int }
}

// told is what the status tells.
type told struct {
	PID         int
	Phase       string
	Pools       []struct{ Servers []known }
	Generations []struct{ Workers []struct{ PID int } }
}

// status asks for the status.
func (o *operated) status() (s told, err error) {
	text, err := o.command("status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	if err != nil || len(s.Pools) != 1 || len(s.Pools[0].Servers) != 3 {
		return s, fmt.Errorf("the status is %v, %s", err, text)
	}
	return s, nil
}

// outliving is a pool of which one server has come back, and gets the first keys only as long as the test runs, and another one is dead, and
// is probed more and more seldom.
type outliving struct {
	*operated
	keys   []string
	since  string // when the dead server was ejected
	probes int    // of the dead server, that have failed
}

// check wants that no key has moved, whoever is asked, and that the status knows what it knew before.
func (o *outliving) check(t *testing.T, when string) {
	t.Helper()
	want := "*" + fmt.Sprint(len(o.keys)) + "\r\n" + strings.Repeat(rig.Bulk("kept"), len(o.keys))
	for range 8 { // there are two workers
		c := o.Dial()
		if got := c.Do(append([]string{"MGET"}, o.keys...)...); got != want {
			t.Fatalf("%s: %d of %d keys have moved: %.200q", when, len(o.keys)-strings.Count(got, "kept"), len(o.keys), got)
		}
		c.Conn.Close()
	}
	s, err := o.status()
	if err != nil {
		t.Fatal(err)
	}
	back, dead := s.Pools[0].Servers[1], s.Pools[0].Servers[2]
	if back.Starting == nil || back.Starting.Percent > 10 {
		t.Errorf("%s: the server that is back is %+v", when, back)
	}
	if dead.Ejected == nil || dead.Ejected.Since != o.since || dead.Ejected.Probes < o.probes {
		t.Fatalf("%s: the dead server is %s, %+v; before it was ejected since %s after %d probes", when, dead.State, dead.Ejected, o.since, o.probes)
	}
	o.probes = dead.Ejected.Probes
}

func TestE2EHealthOutlives(t *testing.T) {
	t.Parallel()
	addresses := []string{rig.FreeAddress(t), rig.FreeAddress(t), rig.FreeAddress(t)}
	stays, goes := rig.RedisServerTCP(t, addresses[0]), rig.RedisServerTCP(t, addresses[1])
	address := rig.FreeAddress(t)
	options := []string{"redis: true", "distribution: ketama", "on_failure: remap", "server_failure_limit: 1", "server_retry_timeout: 100",
		"server_retry_max: 3600000", "slow_start: 2147483647"}
	var lines []string
	for i, a := range addresses {
		lines = append(lines, fmt.Sprintf("%s:1 s%d", a, i))
	}
	config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: lines})
	o := &outliving{operated: operate(t, config, address)}
	for i := range 400 {
		o.keys = append(o.keys, fmt.Sprint("k", i))
	}

	goes.Kill()
	c := o.Dial()
	rig.Eventually(t, "ejecting both", func() error {
		if got := c.Do(append([]string{"MGET"}, o.keys...)...); got[0] != '*' {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	goes = rig.RedisServerTCP(t, addresses[1])
	rig.Eventually(t, "readmitting one", func() error {
		if !strings.Contains(o.Output.String(), `server "s1" answers again, readmitted`) {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	s, err := o.status()
	if err != nil || s.Pools[0].Servers[2].Ejected == nil {
		t.Fatalf("the servers are %+v, %v", s.Pools[0].Servers, err)
	}
	o.since = s.Pools[0].Servers[2].Ejected.Since
	for _, key := range o.keys {
		c.WantDo("+OK\r\n", "SET", key, "kept")
	}
	few := 0
	for i, server := range []*rig.Backend{stays, goes} {
		var n int
		if _, err := fmt.Sscanf(server.Dial().Do("DBSIZE"), ":%d", &n); err != nil || n == 0 {
			t.Fatalf("server %d has %d keys, %v", i, n, err)
		}
		few = n
	}
	if few > len(o.keys)/4 {
		t.Errorf("the server that is back has %d of %d keys already", few, len(o.keys))
	}
	c.Conn.Close()
	o.check(t, "before")

	o.reloads(t, "")
	o.check(t, "after a reload")
	if text, err := o.command("upgrade"); err != nil {
		t.Fatalf("upgrade: %v, %s", err, text)
	}
	o.check(t, "after an upgrade")

	s, err = o.status()
	if err != nil {
		t.Fatal(err)
	}
	victim := s.Generations[0].Workers[0].PID
	syscall.Kill(victim, syscall.SIGKILL)
	rig.Eventually(t, "filling in a worker", func() error {
		s, err := o.status()
		if err == nil && slices.ContainsFunc(s.Generations[0].Workers, func(w struct{ PID int }) bool { return w.PID == 0 || w.PID == victim }) {
			err = fmt.Errorf("the workers are %v", s.Generations[0].Workers)
		}
		return err
	})
	o.check(t, "after a worker's crash")

	if s, err = o.status(); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(s.PID, syscall.SIGKILL)
	o.Wait()
	o.Retired = true
	o.startAgain(t)
	orphans := s.Generations[0].Workers
	rig.Eventually(t, "taking the workers over", func() error {
		s, err := o.status()
		if err == nil && (s.PID != o.Pid() || s.Phase != "serving") {
			err = fmt.Errorf("master %d is %s", s.PID, s.Phase)
		}
		return err
	})
	o.check(t, "after the master's crash")
	o.reloads(t, "")
	o.check(t, "after a reload by the next master")
	o.Signal(syscall.SIGTERM)
	if err := o.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, o.Output.String())
	}
	for _, w := range orphans {
		if rig.Exists(w.PID) {
			t.Errorf("worker %d is still there", w.PID)
		}
	}
}
