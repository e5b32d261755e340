// The end of Pinion: a drain gives everyone what is owed, a stop does not wait.

package e2e_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// SIGTERM: nobody new, replies owed are delivered, a request half sent is completed, then the end.
func TestE2EDrain(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	path, address := filepath.Join(rig.ShortDir(t), "pool.sock"), rig.FreeAddress(t)
	redis, servers := []string{"redis: true"}, rig.Lines([]*rig.Backend{slow.Backend})
	p := rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: redis, Servers: servers}, rig.Pool{Name: "unix", Listen: path, Options: redis, Servers: servers}), "tcp", address)
	idle, waiting, half, local := p.Dial(), p.Dial(), p.Dial(), rig.Dial(t, "unix", path, rig.ReadRESP)
	for _, c := range []*rig.Client{idle, waiting, half, local} {
		c.WantDo("+PONG\r\n", "PING")
	}
	waiting.Send(rig.Request("GET", "a") + rig.Request("PING") + rig.Request("GET", "b"))
	local.Send(rig.Request("GET", "c"))
	whole := rig.Request("ECHO", "completed")
	half.Send(rig.Request("PING") + whole[:len(whole)-5])
	half.Want("+PONG\r\n")
	owed := []ask{<-slow.asked, <-slow.asked, <-slow.asked}

	p.Signal(syscall.SIGTERM)
	idle.Want(rig.Closed)
	rig.Eventually(t, "refusing new clients", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return errors.New("one was accepted")
		}
		return nil
	})
	if p.Ended() {
		t.Fatal("pinion ended although replies were owed")
	}
	half.Send(whole[len(whole)-5:])
	half.Want(rig.Bulk("completed"))
	half.Want(rig.Closed)
	for _, a := range owed {
		a.reply(t, rig.Bulk("reply to "+a.args[1]))
	}
	for _, reply := range []string{rig.Bulk("reply to a"), "+PONG\r\n", rig.Bulk("reply to b"), rig.Closed} {
		waiting.Want(reply)
	}
	local.Want(rig.Bulk("reply to c"))
	local.Want(rig.Closed)
	checkGone(t, p, path)
}

// A client that takes its time to read a large reply gets all of it.
func TestE2EDrainOfLargeReply(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	c := p.Dial()
	value := rig.Filler(4 << 20)
	c.WantDo("+OK\r\n", "SET", "large", value)
	const times = 8 // together more than any socket buffer takes
	c.Send(strings.Repeat(rig.Request("GET", "large"), times))
	c.Want(rig.Bulk(value)) // so the requests have arrived
	p.Signal(syscall.SIGTERM)
	for range times - 1 {
		if c.Reply() != rig.Bulk(value) {
			t.Fatal("a reply was cut")
		}
	}
	c.Want(rig.Closed)
	checkGone(t, p)
}

// The time for a drain is limited.
func TestE2EDrainDeadline(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	address := rig.FreeAddress(t)
	served := rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{slow.Backend})}
	p := rig.Pinion(t, "global:\n  shutdown_timeout: 200\n"+rig.Yaml(served), "tcp", address)
	c := p.Dial()
	c.Send(rig.Request("GET", "a"))
	<-slow.asked
	p.Signal(syscall.SIGTERM)
	c.Want(rig.Closed)
	checkGone(t, p)
}

// SIGINT, and a second SIGTERM, wait for nobody.
func TestE2EStop(t *testing.T) {
	t.Parallel()
	for _, signals := range [][]syscall.Signal{{syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGTERM}} {
		slow := newPuppet(t, "unix", "")
		p := rig.RedisPool(t, []*rig.Backend{slow.Backend})
		idle, c := p.Dial(), p.Dial()
		c.Send(rig.Request("GET", "a"))
		<-slow.asked
		for _, s := range signals {
			p.Signal(s)
			idle.Want(rig.Closed) // so the signal has arrived
		}
		c.Want(rig.Closed)
		checkGone(t, p)
	}
}

// A supervisor that does not wait for the end of a drain kills what it has started, which is no master any more after an
// upgrade. What it starts next finds no address held, and who is owed a reply gets it.
func TestE2EDrainEndsWithItsKeeper(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	http := rig.FreeAddress(t)
	o, address := leavingPool(t, server, "  drain_delay: 0\n  http: "+http+"\n")
	o.commands(t, "upgrade")
	silent := rig.Dial(t, "tcp", http, rig.ReadRESP)
	owed := o.Dial()
	owed.WantDo("+OK\r\n", "SET", "a", "late")
	server.Stop()
	owed.Send(rig.Request("PING") + rig.Request("GET", "a"))
	owed.Want("+PONG\r\n") // so the other one has arrived, too
	o.Signal(syscall.SIGTERM)
	rig.Eventually(t, "refusing new clients", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return errors.New("one was accepted")
		}
		return nil
	})
	o.Kill()
	silent.Want(rig.Closed) // so the master has noticed
	o.Retired = true
	o.startAgain(t)
	rig.Eventually(t, "serving", func() error {
		text, err := o.command("status")
		if err == nil && !strings.Contains(text, "is serving") {
			err = errors.New(text)
		}
		return err
	})
	o.Dial().WantDo("+PONG\r\n", "PING")
	server.Continue()
	owed.Want(rig.Bulk("late"))
	owed.Want(rig.Closed)
}

// checkGone waits for a good end and looks for what is left.
func checkGone(t *testing.T, p *rig.Proxy, paths ...string) {
	t.Helper()
	workers := p.Workers()
	if err := p.Wait(); err != nil {
		t.Errorf("pinion ended with %v, want status 0\n%s", err, p.Output.String())
	}
	for _, pid := range workers {
		if rig.Exists(pid) {
			t.Errorf("worker %d is still there", pid)
		}
	}
	for _, path := range append(paths, p.PidFile) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	if c, err := net.Dial("tcp", p.Stats); err == nil {
		c.Close()
		t.Errorf("%s still accepts", p.Stats)
	}
}
