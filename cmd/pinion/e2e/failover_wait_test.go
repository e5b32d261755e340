// Requests that wait for a server which is down: a Redis that is killed and started again while it is asked.

package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// asker counts up a number of its own, and reads it, as fast as it is answered.
type asker struct {
	*rig.Client
	key            string
	last           int // that a reply has told
	acked, unknown int // INCRs
}

// ask asks once more. What it gets must agree with all that it got before.
func (a *asker) ask() error {
	reply := a.Do("GET", a.key)
	n, err := a.number(reply)
	if err != nil && !(reply == "$-1\r\n" && a.last == 0) {
		return fmt.Errorf("GET %s: %q", a.key, reply)
	}
	if err := a.saw(n, 0); err != nil {
		return err
	}
	reply = a.Do("INCR", a.key)
	if strings.HasPrefix(reply, "-ERR ") && strings.HasSuffix(reply, "; the outcome is unknown\r\n") {
		a.unknown++
		return nil
	}
	if n, err = a.number(reply); err != nil {
		return fmt.Errorf("INCR %s: %q", a.key, reply)
	}
	a.acked++
	return a.saw(n, 1)
}

// saw takes note of the number, which is to be more by that at least than what was seen before.
func (a *asker) saw(n, more int) error {
	if n < a.last+more || n > a.acked+a.unknown {
		return fmt.Errorf("%s is %d, was %d, with %d acknowledged and %d of unknown outcome", a.key, n, a.last, a.acked, a.unknown)
	}
	a.last = n
	return nil
}

func (a *asker) number(reply string) (int, error) {
	text := reply[1:]
	if reply[0] == '$' {
		_, text, _ = strings.Cut(reply, "\r\n")
	}
	return strconv.Atoi(strings.TrimSuffix(text, "\r\n"))
}

// No INCR is executed twice, none that was acknowledged is lost, reads never fail, and what was not sent waits.
func TestE2EFailoverWait(t *testing.T) {
	t.Parallel()
	const askers, kills, perKill = 12, 4, 25
	address, dir := rig.FreeAddress(t), rig.ShortDir(t)
	start := func() *rig.Backend {
		return rig.PersistentRedis(t, address, dir)
	}
	server, other := start(), rig.RedisServer(t)
	p := rig.RedisPool(t, []*rig.Backend{server, other}, "failover_wait: 60000")
	var all sync.WaitGroup
	var asked atomic.Int64
	var stop atomic.Bool
	list := make([]*asker, askers)
	for i := range list {
		a := &asker{Client: p.Dial(), key: fmt.Sprint("counter", i)}
		list[i] = a
		all.Go(func() {
			for !stop.Load() {
				if err := a.ask(); err != nil {
					t.Error(err)
					stop.Store(true)
				}
				asked.Add(1)
			}
		})
	}
	for range kills {
		more := asked.Load() + askers*perKill
		rig.Eventually(t, "the clients being answered", func() error {
			if n := asked.Load(); n < more && !stop.Load() {
				return fmt.Errorf("asked %d times of %d", n, more)
			}
			return nil
		})
		server.Kill()
		rig.Eventually(t, "requests waiting", func() error {
			if n := p.ServerCounter("s0", "held"); n == 0 && !stop.Load() {
				return fmt.Errorf("%d requests wait", n)
			}
			return nil
		})
		server = start()
	}
	stop.Store(true)
	all.Wait()
	for _, a := range list {
		n, _ := a.number(a.Do("GET", a.key))
		if err := a.saw(n, 0); err != nil {
			t.Error(err)
		}
		if n < a.acked {
			t.Errorf("%s is %d, %d were acknowledged", a.key, n, a.acked)
		}
	}
	if held := p.ServerCounter("s0", "held"); held != 0 {
		t.Errorf("%d requests wait although the server is back", held)
	}
	if total := p.ServerCounter("s0", "held_total"); total < kills {
		t.Errorf("%d requests have waited in all", total)
	}
}

// Clients whose requests wait move at a reload and at an upgrade, at once, and are answered by whoever serves them when the server is
// back.
func TestE2EFailoverWaitMoves(t *testing.T) {
	t.Parallel()
	const clients = 6
	address, front, dir := rig.FreeAddress(t), rig.FreeAddress(t), rig.ShortDir(t)
	server := rig.PersistentRedis(t, address, dir)
	o := operate(t, rig.Yaml(rig.Pool{
		Name: "pool", Listen: front, Options: []string{"redis: true", "failover_wait: 120000"}, Servers: rig.Lines([]*rig.Backend{server}),
	})+"global:\n  handoff_patience: 30000\n", front)
	var all []*rig.Client
	for i := range clients {
		c := o.Dial()
		c.WantDo(":1\r\n", "INCR", fmt.Sprint(i))
		all = append(all, c)
	}
	connected := o.ServerCounter("s0", "server_connections")
	server.Kill()
	rig.Eventually(t, "all workers noticing", func() error { // so that nothing is written to who is dead, and has an unknown outcome
		if n := o.ServerCounter("s0", "server_eof"); n < connected {
			return fmt.Errorf("%d of %d connections have ended", n, connected)
		}
		return nil
	})
	for i, c := range all {
		c.Send(rig.Request("INCR", fmt.Sprint(i)) + rig.Request("GET", fmt.Sprint(i)))
	}
	for _, command := range []string{"reload", "upgrade"} {
		rig.Eventually(t, "requests waiting", func() error {
			if n := o.ServerCounter("s0", "held"); n < clients { // and one more of each client of which two were read at once
				return fmt.Errorf("%d requests wait", n)
			}
			return nil
		})
		if text, err := o.command(command); err != nil {
			t.Errorf("%s: %v, %s", command, err, text)
		}
	}
	if n := strings.Count(o.Output.String(), fmt.Sprintf(": %d clients moved, 0 stragglers,", clients)); n != 2 {
		t.Errorf("%d of 2 moves have taken all clients along:\n%s", n, o.Output.String())
	}
	rig.PersistentRedis(t, address, dir)
	for _, c := range all {
		c.Want(":2\r\n")
		c.Want(rig.Bulk("2"))
	}
}
