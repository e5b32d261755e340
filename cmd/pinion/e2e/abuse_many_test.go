// Many clients: idle ones, ones that stay too long, and more than there are descriptors for.

package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Eight thousand clients that have nothing to say cost next to nothing, and are served when they have.
func TestE2EAbuseIdle(t *testing.T) {
	t.Parallel()
	const n = 8000
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	conns := make([]net.Conn, n)
	ask := func() { // a thousand at a time: who comes after more questions than that waits for their answers
		for crowd := range slices.Chunk(conns, 1000) {
			for i, conn := range crowd {
				if _, err := io.WriteString(conn, rig.Request("PING")); err != nil {
					t.Fatalf("client %d: %v", i, err)
				}
			}
			reply := make([]byte, len("+PONG\r\n"))
			for i, conn := range crowd {
				conn.SetReadDeadline(time.Now().Add(rig.Patience))
				if _, err := io.ReadFull(conn, reply); err != nil || string(reply) != "+PONG\r\n" {
					t.Fatalf("client %d: %q, %v", i, reply, err)
				}
			}
		}
	}
	for i := range conns {
		conn, err := net.Dial("tcp", a.Address)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	ask()
	perClient := (memory(t, a.worker) - a.pss) / n
	ask()
	t.Logf("%d bytes of memory per client", perClient)
	if perClient > 2*kilobyte {
		t.Errorf("%d bytes of memory per client", perClient)
	}
	for _, conn := range conns {
		conn.Close()
	}
	a.unharmed(a.pss + 32*megabyte)
}

// client_idle_timeout closes those who say nothing and wait for nothing, even in the middle of a request; not those who
// wait for a reply. Their time begins when they have got it.
func TestE2EAbuseIdleTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	slow := newPuppet(t, "unix", "")
	servers := []*rig.Backend{slow.Backend, rig.RedisServer(t), rig.RedisServer(t)}
	a := attack(t, siege{servers: servers, options: []string{"client_idle_timeout: 2000"}})
	waiting := a.connect()
	waiting.Send(rig.Request("GET", "a"))
	late := <-slow.asked
	closed := func(since time.Time, c *rig.Client) {
		t.Helper()
		c.Want(rig.Closed)
		if age := time.Since(since); age < timeout {
			t.Errorf("closed after %v, the timeout is %v", age, timeout)
		}
	}
	connected := time.Now()
	idle, half, mute := a.connect(), a.connect(), a.connect()
	idle.WantDo(rig.Bulk("ok"), "GET", "k3")
	half.Send("*2\r\n$3\r\nGET\r\n$10\r\nk")
	for _, c := range []*rig.Client{idle, half, mute} {
		closed(connected, c)
	}
	a.watch.meanwhile(300) // so that the proxy has looked for idle clients again
	answered := time.Now()
	late.reply(t, rig.Bulk("late"))
	waiting.Want(rig.Bulk("late"))
	closed(answered, waiting)
	a.unharmed(a.pss + 16*megabyte)
}

// Without a free descriptor new clients wait until some leave; those that are there do not notice.
func TestE2EAbuseDescriptors(t *testing.T) {
	t.Parallel()
	const free, more = 20, 30
	a := attack(t, siege{servers: rig.ThreeRedis(t)})
	limit(t, a.worker, "nofile", int64(rig.Descriptors(a.worker)+free))
	first := a.crowd(free)
	for i, c := range first {
		if i < free/2 { // which descriptors are free is not known exactly
			c.WantDo(rig.Bulk("ok"), "GET", "k3")
		}
	}
	waiting := a.crowd(more)
	for _, c := range waiting {
		c.Send(rig.Request("GET", "k3"))
	}
	a.logged(`pool "pool"`, "too many open files", "LimitNOFILE=")
	ticks, since := cpuTicks(t, a.worker), time.Now()
	a.watch.meanwhile(1000)
	used, elapsed := time.Duration(cpuTicks(t, a.worker)-ticks)*10*time.Millisecond, time.Since(since)
	if used > elapsed/2 {
		t.Errorf("while clients wait the worker uses %v of CPU time in %v", used, elapsed)
	}
	for _, c := range first {
		c.Conn.Close()
	}
	for _, c := range waiting {
		c.Want(rig.Bulk("ok")) // two thirds of them at once, the rest as these leave
		c.Conn.Close()
	}
	if n := a.logLines("too many open files"); n > 3 {
		t.Errorf("%d lines of the log say so", n)
	}
	limit(t, a.worker, "nofile", 1024)
	a.unharmed(a.pss + 16*megabyte)
}

// client_connections holds over all workers, also when many come to both of them at the same time.
func TestE2EAbuseConnections(t *testing.T) {
	t.Parallel()
	const most, callers, rounds = 20, 100, 10
	p := rig.RedisPool(t, rig.ThreeRedis(t), fmt.Sprint("client_connections: ", most))
	for range rounds {
		replies := storm(p.Address, callers)
		served, refused := replies["+PONG\r\n"], replies["-ERR max number of clients reached\r\n"]
		if served != most || refused != callers-most {
			t.Fatalf("%d clients are served, want %d: %#v", served, most, replies)
		}
		rig.Eventually(t, "forgetting the clients", func() error {
			if n := p.PoolCounter("client_connections"); n != 0 {
				return fmt.Errorf("%d clients", n)
			}
			return nil
		})
	}
}

// storm has many clients connect and ask at the same time, and leave when the last has got its reply. It counts the
// replies.
func storm(address string, callers int) map[string]int {
	var group, all sync.WaitGroup
	replies := make(chan string, callers)
	all.Add(callers)
	for range callers {
		group.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				replies <- err.Error()
				all.Done()
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(rig.Patience))
			io.WriteString(conn, rig.Request("PING")) // it may be too late; what counts is the reply
			reply, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
			if err != nil {
				reply += err.Error()
			}
			replies <- reply
			all.Done()
			all.Wait()
		})
	}
	group.Wait()
	close(replies)
	counts := map[string]int{}
	for reply := range replies {
		counts[reply]++
	}
	return counts
}
