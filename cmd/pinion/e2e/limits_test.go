// What one client may cost the others: its number and its memory are bounded, and its master's death ends in order.

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// client_connections is a limit over all workers.
func TestE2EClientConnections(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t), "client_connections: 5")
	var clients []*rig.Client
	for range 5 {
		c := p.Dial()
		c.WantDo("+PONG\r\n", "PING")
		clients = append(clients, c)
	}
	for range 10 {
		c := p.Dial()
		c.Want("-ERR max number of clients reached\r\n")
		c.Want(rig.Closed)
	}
	clients[0].Conn.Close()
	rig.Eventually(t, "making room", func() error {
		if n := p.PoolCounter("client_connections"); n != 4 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
	p.Dial().WantDo("+PONG\r\n", "PING")
}

// Where memory is short, a client that does not read is not read either: what else it asks for waits in its socket, not in
// the proxy. When it reads, all is there.
func TestE2EClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	address := rig.FreeAddress(t)
	p := rig.Pinion(t, "global:\n  memory_limit: 48m\n"+rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server})}),
		"tcp", address)
	c, value := p.Dial(), rig.Filler(100_000)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c.WantDo("+OK\r\n", "SET", "key", value)
	const first, more, others = 300, 100, 200
	c.Send(strings.Repeat(rig.Request("GET", "key"), first))
	rig.Eventually(t, "answering what was asked first", func() error {
		if n := p.ServerCounter("s0", "responses"); n != 1+first {
			return fmt.Errorf("%d responses", n)
		}
		return nil
	})
	c.Send(strings.Repeat(rig.Request("GET", "key"), more))
	other := p.Dial()
	for range others {
		other.WantDo("$-1\r\n", "GET", "nothing")
	}
	if n := p.ServerCounter("s0", "requests"); n != 1+first+others {
		t.Errorf("%d requests were forwarded, want %d", n, 1+first+others)
	}
	for i := range first + more {
		if c.Reply() != rig.Bulk(value) {
			t.Fatalf("reply %d is not the value", i)
		}
	}
}

// Workers without a master serve what they owe and end, if they were told to.
func TestE2EDeathOfTheMasterDrains(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	address := rig.FreeAddress(t)
	p := rig.Pinion(t, "global:\n  orphans: drain\n"+rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{slow.Backend})}),
		"tcp", address)
	workers := p.Workers()
	idle, waiting := p.Dial(), p.Dial()
	idle.WantDo("+PONG\r\n", "PING")
	waiting.Send(rig.Request("GET", "a"))
	owed := <-slow.asked
	p.Signal(syscall.SIGKILL)
	if err := p.Wait(); err == nil {
		t.Error("the master ended well")
	}
	idle.Want(rig.Closed)
	owed.reply(t, rig.Bulk("delivered"))
	waiting.Want(rig.Bulk("delivered"))
	waiting.Want(rig.Closed)
	rig.Eventually(t, "the end of the workers", func() error {
		for _, pid := range workers {
			if rig.Exists(pid) {
				return fmt.Errorf("worker %d is there", pid)
			}
		}
		return nil
	})
}

// Workers without a master serve on, old clients and new ones, until they are told to end.
func TestE2EDeathOfTheMaster(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)})
	workers := p.Workers()
	t.Cleanup(func() {
		for _, pid := range workers {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	client := p.Dial()
	client.WantDo("+OK\r\n", "SET", "key", "value")
	p.Signal(syscall.SIGKILL)
	if err := p.Wait(); err == nil {
		t.Error("the master ended well")
	}
	for range 20 {
		client.WantDo(rig.Bulk("value"), "GET", "key")
		p.Dial().WantDo(rig.Bulk("value"), "GET", "key")
	}
	for _, pid := range workers {
		syscall.Kill(pid, syscall.SIGTERM)
		rig.Eventually(t, "the end of a worker", func() error {
			if rig.Exists(pid) {
				return fmt.Errorf("worker %d is there", pid)
			}
			return nil
		})
	}
}
