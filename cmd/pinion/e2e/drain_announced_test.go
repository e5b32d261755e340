// A drain that is announced: health checks fail first, clients are served on, and the operator may change his mind.

package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// leavingPool starts a pool that tells load balancers by PING that it drains.
func leavingPool(t *testing.T, server *rig.Backend, global string) (o *operated, address string) {
	address = rig.FreeAddress(t)
	pool := rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "drain_ping: error"}, Servers: rig.Lines([]*rig.Backend{server})}
	return operate(t, "global:\n"+global+rig.Yaml(pool), address), address
}

// commands runs a command of the operator, which succeeds.
func (o *operated) commands(t *testing.T, args ...string) string {
	t.Helper()
	text, err := o.command(args...)
	if err != nil {
		t.Fatalf("%s: %v, %s", strings.Join(args, " "), err, text)
	}
	return text
}

const leaves = "-LOADING pinion is about to end: connect to another one\r\n"

// Everyone is served in the delay, idle clients are closed at its end, who waits for a key at the end of the delay, and a
// reload and an upgrade change nothing about that.
func TestE2EDrainAnnounced(t *testing.T) {
	t.Parallel()
	http := rig.FreeAddress(t)
	o, address := leavingPool(t, rig.RedisServer(t), "  http: "+http+"\n")
	idle, waits, busy := o.Dial(), o.Dial(), o.Dial()
	for _, c := range []*rig.Client{idle, waits, busy} {
		c.WantDo("+PONG\r\n", "PING")
	}
	waits.Send(rig.Request("BLPOP", "k", "0"))
	o.commands(t, "drain", "--after", "10m")
	busy.WantDo(leaves, "PING")
	busy.WantDo(rig.Bulk("hello"), "PING", "hello")
	if text, err := fetchHTTP("http://" + http + "/readyz"); err == nil || !strings.Contains(text+fmt.Sprint(err), "about to drain, at ") {
		t.Errorf("/readyz: %q, %v", text, err)
	}
	if text := o.commands(t, "status"); !strings.Contains(text, "is about to drain") || !strings.Contains(text, "no new clients from ") {
		t.Errorf("the status:\n%s", text)
	}
	o.reloads(t, "")
	busy.WantDo(leaves, "PING")
	o.commands(t, "upgrade")
	busy.WantDo(leaves, "PING")
	o.commands(t, "drain", "--undo")
	busy.WantDo("+PONG\r\n", "PING")

	o.commands(t, "drain", "--after", "1500ms")
	idle.Want(rig.Closed) // in the last third, as it has been silent for long enough
	late := o.Dial()
	late.WantDo("+OK\r\n", "SET", "late", "1")
	waits.Want("-UNBLOCKED pinion closes this connection\r\n")
	for _, c := range []*rig.Client{waits, busy, late} {
		c.Want(rig.Closed)
	}
	if err := o.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, o.Output.String())
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("it still accepts")
	}
}

// When the addresses are closed already, they are opened anew, and nobody loses what he is owed. A second SIGTERM then skips
// the delay.
func TestE2EDrainUndone(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	o, address := leavingPool(t, slow.Backend, "  drain_delay: 600000\n")
	owed := o.Dial()
	owed.Send(rig.Request("GET", "a"))
	a := <-slow.asked
	o.commands(t, "drain", "--after", "0s")
	rig.Eventually(t, "refusing new clients", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return errors.New("one was accepted")
		}
		return nil
	})
	o.commands(t, "drain", "--undo")
	next := o.Dial()
	next.WantDo("+PONG\r\n", "PING")
	a.reply(t, rig.Bulk("late"))
	owed.Want(rig.Bulk("late"))

	o.Signal(syscall.SIGTERM)
	rig.Eventually(t, "announcing the drain", func() error {
		if got := next.Do("PING"); got != leaves {
			return errors.New(got)
		}
		return nil
	})
	o.Signal(syscall.SIGTERM)
	next.Want(rig.Closed)
	if err := o.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, o.Output.String())
	}
}

// A master that is killed takes the announcement with it: its workers serve on, and so does the next master.
func TestE2EDrainEndsWithItsMaster(t *testing.T) {
	t.Parallel()
	o, _ := leavingPool(t, rig.RedisServer(t), "  drain_delay: 0\n")
	c := o.Dial()
	o.commands(t, "drain", "--after", "2s")
	c.WantDo(leaves, "PING")
	o.Kill()
	rig.Eventually(t, "serving on", func() error {
		if got := c.Do("PING"); got != "+PONG\r\n" {
			return errors.New(got)
		}
		return nil
	})
	o.Retired = true
	o.startAgain(t)
	rig.Eventually(t, "taking the workers over", func() error {
		text, err := o.command("status")
		if err == nil && (!strings.Contains(text, "is serving") || strings.Contains(text, "drain")) {
			err = errors.New(text)
		}
		return err
	})
	c.WantDo("+PONG\r\n", "PING")
	o.Signal(syscall.SIGTERM)
	c.Want(rig.Closed)
	if err := o.Wait(); err != nil {
		t.Errorf("pinion ended with %v\n%s", err, o.Output.String())
	}
}
