// Ejection: who leaves the ring, who takes over, and what it takes to come back.

package e2e_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// oneClientPerWorker opens clients until each of the two workers has one: a client's ID modulo the number of workers
// tells whose it is.
func oneClientPerWorker(t *testing.T, p *rig.Proxy) (clients [2]*rig.Client) {
	t.Helper()
	for range 1000 {
		c, id := p.Dial(), 0
		if _, err := fmt.Sscanf(c.Do("CLIENT", "ID"), ":%d", &id); err != nil {
			t.Fatal(err)
		}
		if slot := id % 2; clients[slot] == nil {
			clients[slot] = c
		} else {
			c.Conn.Close()
		}
		if clients[0] != nil && clients[1] != nil {
			return clients
		}
	}
	t.Fatal("1000 connections went to the same worker")
	return clients
}

// What one worker finds out, all act on; and a server is not readmitted because it accepts connections, but because it
// answers. With murmur, k3 lives on s1.
func TestE2EEjection(t *testing.T) {
	t.Parallel()
	address := rig.FreeAddress(t)
	mortal := rig.RedisServerTCP(t, address)
	servers := []*rig.Backend{rig.RedisServer(t), mortal, rig.RedisServer(t)}
	p := rig.RedisPool(t, servers, "hash: murmur", "timeout: 2000", "auto_eject_hosts: true", "server_failure_limit: 2",
		"server_retry_timeout: 100")
	clients := oneClientPerWorker(t, p)
	for _, c := range clients {
		c.WantDo("+OK\r\n", "SET", "k3", "before")
	}

	mortal.Kill()
	rig.Eventually(t, "ejecting the server", func() error {
		if got := clients[0].Do("SET", "k3", "elsewhere"); got != "+OK\r\n" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	wantBoth := func(value string) {
		t.Helper()
		for slot, c := range clients {
			if got := c.Do("GET", "k3"); got != value {
				t.Errorf("worker %d: got %q, want %q", slot, got, value)
			}
		}
	}
	wantBoth(rig.Bulk("elsewhere"))
	if n := p.PoolCounter("server_ejects"); n != 1 {
		t.Errorf("server_ejects is %d, want 1", n)
	}
	if at := p.ServerCounter("s1", "server_ejected_at"); at == 0 {
		t.Error("server_ejected_at is 0")
	}

	ill := newPatient(t, address)
	for _, health := range []health{silent, loading} {
		ill.health.Store(int32(health))
		rig.Eventually(t, "probing the server", func() error {
			wantBoth(rig.Bulk("elsewhere"))
			if n := ill.probes[health].Load(); n < 2 {
				return fmt.Errorf("%d probes", n)
			}
			return nil
		})
	}
	ill.health.Store(int32(well))
	rig.Eventually(t, "readmitting the server", func() error {
		if got := clients[0].Do("GET", "k3"); got != rig.Bulk("back") {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	wantBoth(rig.Bulk("back"))
}

// health is how a server that was ejected answers.
type health int32

const (
	silent  health = iota // accepts connections, nothing more
	loading               // answers, but cannot serve yet
	well
)

// patient is a server whose health the test decides.
type patient struct {
	health atomic.Int32
	probes [well + 1]atomic.Int32 // requests seen, by health
}

// newPatient starts a patient, which tolerates nothing but probes until it is well.
func newPatient(t *testing.T, address string) *patient {
	p := new(patient)
	rig.FakeServer(t, "tcp", address, rig.Answering(func(args []string) string {
		now := health(p.health.Load())
		p.probes[now].Add(1)
		switch {
		case now == well && args[0] == "GET":
			return rig.Bulk("back")
		case args[0] != "PING":
			t.Errorf("an ejected server was asked %q", args)
		case now == well:
			return "+PONG\r\n"
		case now == loading:
			return "-LOADING Redis is loading the dataset in memory\r\n"
		}
		return ""
	}))
	return p
}

// Without any live server clients are told so at once; it comes back by itself.
func TestE2EEjectionOfAll(t *testing.T) {
	t.Parallel()
	address := rig.FreeAddress(t)
	only := rig.RedisServerTCP(t, address)
	p := rig.RedisPool(t, []*rig.Backend{only}, "auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 100")
	clients := oneClientPerWorker(t, p)
	clients[0].WantDo("+OK\r\n", "SET", "a", "1")
	only.Kill()
	clients[0].Do("GET", "a") // may be the one that finds out
	for range 20 {
		for _, c := range clients {
			c.WantDo(refused, "GET", "a")
		}
	}
	rig.RedisServerTCP(t, address)
	for _, c := range clients {
		rig.Eventually(t, "coming back", func() error {
			if got := c.Do("GET", "a"); got != "$-1\r\n" {
				return fmt.Errorf("got %q", got)
			}
			return nil
		})
	}
	if !strings.Contains(p.Output.String(), "ejected") {
		t.Error("the log does not tell of the ejection")
	}
}
