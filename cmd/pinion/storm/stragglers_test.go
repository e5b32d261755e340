// Stragglers: clients that are owed a reply for longer than a handoff waits for them, so that a worker of an earlier
// generation goes on serving them under a master of a later one.

package storm_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// slowpokes is a Redis that keeps a reply until it is told to let go.
type slowpokes struct {
	mu    sync.Mutex
	gates map[string]chan struct{} // by the key that is asked for
}

// gate is closed when the replies about a key may go.
func (s *slowpokes) gate(key string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gates[key] == nil {
		s.gates[key] = make(chan struct{})
	}
	return s.gates[key]
}

func (s *slowpokes) reply(args []string) string {
	if len(args) == 1 { // PING
		return "+PONG\r\n"
	}
	if strings.HasPrefix(args[1], "later") {
		<-s.gate(args[1])
	}
	return "+" + args[1] + "\r\n"
}

// serve writes each reply as soon as it may go: the next one may be kept.
func (s *slowpokes) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		args, err := rig.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := c.Write([]byte(s.reply(args))); err != nil {
			return
		}
	}
}

// straggle starts a scene of one worker, with a pool whose server is slow, and little patience.
func straggle(t *testing.T) (*scene, *slowpokes) {
	servers, slow := tardyServers(t)
	s := newScene(t, servers, oldRelease, 1)
	s.straggling(100, "")
	return s, slow
}

// tardyServers are those of a storm and the slow one.
func tardyServers(t *testing.T) (*stormServers, *slowpokes) {
	slow := &slowpokes{gates: map[string]chan struct{}{}}
	servers := startStormServers(t)
	servers.tardy = []*rig.Backend{rig.FakeServer(t, "unix", "", slow.serve)}
	t.Cleanup(func() { // before the server ends
		slow.mu.Lock()
		defer slow.mu.Unlock()
		for _, gate := range slow.gates {
			select {
			case <-gate:
			default:
				close(gate)
			}
		}
	})
	return servers, slow
}

// straggling has the next generation be this patient with stragglers, for ever once it has taken over, and gives the pool
// with the slow server one more option.
func (s *scene) straggling(milliseconds int, option string) {
	s.t.Helper()
	config := strings.Replace(s.servers.config(s.in, 1), "global:\n",
		fmt.Sprintf("global:\n  shutdown_timeout: 0\n  handoff_patience: %d\n", milliseconds), 1)
	if option != "" {
		config = strings.Replace(config, "tardy:\n", "tardy:\n  "+option+"\n", 1)
	}
	s.write(config)
}

// owed connects a client that is owed the reply about a key, which the server has been asked for.
func (s *scene) owed(key string, more ...string) *rig.Client {
	s.t.Helper()
	before := s.total("requests")
	c := rig.Dial(s.t, s.in["tardy"].network, s.in["tardy"].at, rig.ReadRESP)
	for _, key := range append([]string{key}, more...) {
		c.Send(rig.Request("GET", key))
	}
	rig.Eventually(s.t, "forwarding", func() error { return exactly(s.total("requests"), before+1+len(more)) })
	return c
}

// leaves has a reload or an upgrade leave one straggler.
func (s *scene) leaves(command string, r release) {
	s.t.Helper()
	s.install(r)
	before := s.now().Generation
	if _, err := s.order(command); err != nil {
		s.t.Fatal(err)
	}
	if now := s.now(); now.Generation != before+1 || now.Last.Stragglers != 1 {
		s.t.Fatalf("%s: generation %d after %d, %d stragglers, want 1", command, now.Generation, before, now.Last.Stragglers)
	}
}

// total returns the sum of a counter of the pool with the slow server.
func (s *scene) total(name string) int {
	s.t.Helper()
	var all map[string]any
	rig.Eventually(s.t, "the statistics", func() error { // a master that leaves may have taken the connection along
		text, err := rig.Fetch(s.stats)
		if err == nil {
			err = json.Unmarshal([]byte(text), &all)
		}
		return err
	})
	sum := 0
	pool := all["tardy"].(map[string]any)
	if n, found := pool[name].(float64); found {
		sum = int(n)
	}
	for _, server := range pool {
		if counters, is := server.(map[string]any); is {
			n, _ := counters[name].(float64)
			sum += int(n)
		}
	}
	return sum
}

func exactly(n, want int) error {
	if n != want {
		return fmt.Errorf("%d, want %d", n, want)
	}
	return nil
}

// totals waits until everything is counted.
func (s *scene) totals(requests, clients int) {
	s.t.Helper()
	for name, want := range map[string]int{"requests": requests, "responses": requests, "client_connections": clients} {
		rig.Eventually(s.t, name, func() error { return exactly(s.total(name), want) })
	}
}

// What a straggler does after an upgrade is counted: there, and when it has moved.
func TestStragglerCounts(t *testing.T) {
	t.Parallel()
	s, slow := straggle(t)
	c := s.owed("later", "a", "b")
	s.leaves("upgrade", newRelease)
	if n := s.total("client_connections"); n != 1 {
		t.Errorf("%d clients are connected, want the straggler", n)
	}
	close(slow.gate("later"))
	for _, reply := range []string{"+later\r\n", "+a\r\n", "+b\r\n"} {
		c.Want(reply)
	}
	c.WantDo("+c\r\n", "GET", "c")
	s.masterLeads(1) // it has moved
	c.WantDo("+d\r\n", "GET", "d")
	s.totals(5, 1)
	c.Conn.Close()
	s.totals(5, 0)
	s.stop()
}

// Stragglers of three generations, of a reload and of upgrades, under a master that has started none of their workers:
// they are counted by each in its turn, and never does a total go backwards.
func TestStragglersOfGenerations(t *testing.T) {
	t.Parallel()
	s, slow := straggle(t)
	if _, err := s.order("reload"); err != nil { // to the patience that is configured now
		t.Fatal(err)
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { s.neverBackwards(done) })
	defer group.Wait()
	defer sync.OnceFunc(func() { close(done) })()

	first := s.owed("later 1", "a")
	s.leaves("reload", oldRelease)
	second := s.owed("later 2")
	s.leaves("upgrade", newRelease)
	third := s.owed("later 3", "b", "c")
	s.leaves("upgrade", oldRelease)
	if n := s.total("client_connections"); n != 3 {
		t.Errorf("%d clients are connected, want the stragglers", n)
	}

	close(slow.gate("later 2"))
	second.Want("+later 2\r\n")
	rig.Eventually(t, "counting", func() error { return exactly(s.total("responses"), 1) })
	close(slow.gate("later 3"))
	for _, reply := range []string{"+later 3\r\n", "+b\r\n", "+c\r\n"} {
		third.Want(reply)
	}
	third.WantDo("+d\r\n", "GET", "d") // where it has moved to
	close(slow.gate("later 1"))
	first.Want("+later 1\r\n")
	first.Want("+a\r\n")
	first.WantDo("+e\r\n", "GET", "e") // although the generation that it was to move to is gone
	second.WantDo("+f\r\n", "GET", "f")
	s.masterLeads(1)
	s.totals(9, 3)
	s.stop()
}

// neverBackwards polls the statistics until done. A master that leaves may take a connection along.
func (s *scene) neverBackwards(done <-chan struct{}) {
	before := map[string]any{}
	for n := 0; ; {
		select {
		case <-done:
			s.t.Logf("%d scrapes", n)
			return
		default:
		}
		text, err := rig.Fetch(s.stats)
		now := map[string]any{}
		if err != nil || text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), &now); err != nil {
			s.t.Error(err)
			return
		}
		rig.CheckForward(s.t, "", before, now)
		before = now
		n++
	}
}
