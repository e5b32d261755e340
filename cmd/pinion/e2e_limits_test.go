// What one client may cost the others: its number and its memory are bounded, and its master's death ends in order.

package main_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
)

// client_connections is a limit over all workers.
func TestE2EClientConnections(t *testing.T) {
	t.Parallel()
	p := redisPool(t, threeRedis(t), "client_connections: 5")
	var clients []*client
	for range 5 {
		c := p.dial()
		c.wantDo("+PONG\r\n", "PING")
		clients = append(clients, c)
	}
	for range 10 {
		c := p.dial()
		c.want("-ERR max number of clients reached\r\n")
		c.want(closed)
	}
	clients[0].conn.Close()
	eventually(t, "making room", func() error {
		if n := p.poolCounter("client_connections"); n != 4 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
	p.dial().wantDo("+PONG\r\n", "PING")
}

// Where memory is short, a client that does not read is not read either: what else it asks for waits in its socket, not in
// the proxy. When it reads, all is there.
func TestE2EClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	server := redisServer(t)
	address := freeAddress(t)
	p := pinion(t, "global:\n  memory_limit: 48m\n"+yaml(pool{"pool", address, []string{"redis: true"}, lines([]*backend{server})}),
		"tcp", address)
	c, value := p.dial(), filler(100_000)
	if err := c.conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c.wantDo("+OK\r\n", "SET", "key", value)
	const first, more, others = 300, 100, 200
	c.send(strings.Repeat(request("GET", "key"), first))
	eventually(t, "answering what was asked first", func() error {
		if n := p.serverCounter("s0", "responses"); n != 1+first {
			return fmt.Errorf("%d responses", n)
		}
		return nil
	})
	c.send(strings.Repeat(request("GET", "key"), more))
	other := p.dial()
	for range others {
		other.wantDo("$-1\r\n", "GET", "nothing")
	}
	if n := p.serverCounter("s0", "requests"); n != 1+first+others {
		t.Errorf("%d requests were forwarded, want %d", n, 1+first+others)
	}
	for i := range first + more {
		if c.reply() != bulk(value) {
			t.Fatalf("reply %d is not the value", i)
		}
	}
}

// Workers without a master serve what they owe and end, if they were told to.
func TestE2EDeathOfTheMasterDrains(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	address := freeAddress(t)
	p := pinion(t, "global:\n  orphans: drain\n"+yaml(pool{"pool", address, []string{"redis: true"}, lines([]*backend{slow.backend})}),
		"tcp", address)
	workers := p.workers()
	idle, waiting := p.dial(), p.dial()
	idle.wantDo("+PONG\r\n", "PING")
	waiting.send(request("GET", "a"))
	owed := <-slow.asked
	p.signal(syscall.SIGKILL)
	if err := p.wait(); err == nil {
		t.Error("the master ended well")
	}
	idle.want(closed)
	owed.reply(t, bulk("delivered"))
	waiting.want(bulk("delivered"))
	waiting.want(closed)
	eventually(t, "the end of the workers", func() error {
		for _, pid := range workers {
			if exists(pid) {
				return fmt.Errorf("worker %d is there", pid)
			}
		}
		return nil
	})
}

// Workers without a master serve on, old clients and new ones, until they are told to end.
func TestE2EDeathOfTheMaster(t *testing.T) {
	t.Parallel()
	p := redisPool(t, []*backend{redisServer(t)})
	workers := p.workers()
	t.Cleanup(func() {
		for _, pid := range workers {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	client := p.dial()
	client.wantDo("+OK\r\n", "SET", "key", "value")
	p.signal(syscall.SIGKILL)
	if err := p.wait(); err == nil {
		t.Error("the master ended well")
	}
	for range 20 {
		client.wantDo(bulk("value"), "GET", "key")
		p.dial().wantDo(bulk("value"), "GET", "key")
	}
	for _, pid := range workers {
		syscall.Kill(pid, syscall.SIGTERM)
		eventually(t, "the end of a worker", func() error {
			if exists(pid) {
				return fmt.Errorf("worker %d is there", pid)
			}
			return nil
		})
	}
}
