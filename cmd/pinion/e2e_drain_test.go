// The end of Pinion: a drain gives everyone what is owed, a stop does not wait.

package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// SIGTERM: nobody new, replies owed are delivered, a request half sent is completed, then the end.
func TestE2EDrain(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	path, address := filepath.Join(shortDir(t), "pool.sock"), freeAddress(t)
	redis, servers := []string{"redis: true"}, lines([]*backend{slow.backend})
	p := pinion(t, yaml(pool{"pool", address, redis, servers}, pool{"unix", path, redis, servers}), "tcp", address)
	idle, waiting, half, local := p.dial(), p.dial(), p.dial(), dial(t, "unix", path, readRESP)
	for _, c := range []*client{idle, waiting, half, local} {
		c.wantDo("+PONG\r\n", "PING")
	}
	waiting.send(request("GET", "a") + request("PING") + request("GET", "b"))
	local.send(request("GET", "c"))
	whole := request("ECHO", "completed")
	half.send(request("PING") + whole[:len(whole)-5])
	half.want("+PONG\r\n")
	owed := []ask{<-slow.asked, <-slow.asked, <-slow.asked}

	p.signal(syscall.SIGTERM)
	idle.want(closed)
	eventually(t, "refusing new clients", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return errors.New("one was accepted")
		}
		return nil
	})
	if p.ended() {
		t.Fatal("pinion ended although replies were owed")
	}
	half.send(whole[len(whole)-5:])
	half.want(bulk("completed"))
	half.want(closed)
	for _, a := range owed {
		a.reply(t, bulk("reply to "+a.args[1]))
	}
	for _, reply := range []string{bulk("reply to a"), "+PONG\r\n", bulk("reply to b"), closed} {
		waiting.want(reply)
	}
	local.want(bulk("reply to c"))
	local.want(closed)
	checkGone(t, p, path)
}

// A client that takes its time to read a large reply gets all of it.
func TestE2EDrainOfLargeReply(t *testing.T) {
	t.Parallel()
	p := redisPool(t, threeRedis(t))
	c := p.dial()
	value := filler(4 << 20)
	c.wantDo("+OK\r\n", "SET", "large", value)
	const times = 8 // together more than any socket buffer takes
	c.send(strings.Repeat(request("GET", "large"), times))
	c.want(bulk(value)) // so the requests have arrived
	p.signal(syscall.SIGTERM)
	for range times - 1 {
		if c.reply() != bulk(value) {
			t.Fatal("a reply was cut")
		}
	}
	c.want(closed)
	checkGone(t, p)
}

// The time for a drain is limited.
func TestE2EDrainDeadline(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	address := freeAddress(t)
	served := pool{"pool", address, []string{"redis: true"}, lines([]*backend{slow.backend})}
	p := pinion(t, "global:\n  shutdown_timeout: 200\n"+yaml(served), "tcp", address)
	c := p.dial()
	c.send(request("GET", "a"))
	<-slow.asked
	p.signal(syscall.SIGTERM)
	c.want(closed)
	checkGone(t, p)
}

// SIGINT, and a second SIGTERM, wait for nobody.
func TestE2EStop(t *testing.T) {
	t.Parallel()
	for _, signals := range [][]syscall.Signal{{syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGTERM}} {
		slow := newPuppet(t, "unix", "")
		p := redisPool(t, []*backend{slow.backend})
		idle, c := p.dial(), p.dial()
		c.send(request("GET", "a"))
		<-slow.asked
		for _, s := range signals {
			p.signal(s)
			idle.want(closed) // so the signal has arrived
		}
		c.want(closed)
		checkGone(t, p)
	}
}

// checkGone waits for a good end and looks for what is left.
func checkGone(t *testing.T, p *proxy, paths ...string) {
	t.Helper()
	workers := p.workers()
	if err := p.wait(); err != nil {
		t.Errorf("pinion ended with %v, want status 0\n%s", err, p.output.String())
	}
	for _, pid := range workers {
		if exists(pid) {
			t.Errorf("worker %d is still there", pid)
		}
	}
	for _, path := range append(paths, p.pidFile) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	if c, err := net.Dial("tcp", p.stats); err == nil {
		c.Close()
		t.Error(fmt.Sprintf("%s still accepts", p.stats))
	}
}
