// The event loop of one thread of clients.

package load

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	receiveBytes = 128 << 10
	sendBytes    = 256 << 10

	// usualPatience is how long nothing at all may come back before all who wait give up.
	usualPatience = 10 * time.Second

	// glance is how long a wait lasts at most, so that a stop is seen.
	glance = 50 * time.Millisecond
)

var errPatience = errors.New("no reply")

// thread owns some of the connections of a load.
type thread struct {
	w       *workload
	poller  *poll.Poller
	conns   []conn
	in      []byte
	scratch []byte
	epoch   time.Time
	stop    *atomic.Bool // set by another goroutine: end at once

	patience time.Duration

	active   int   // connections that are connecting or busy
	deadline int64 // no batch begins after it
	result   Result
}

func newThread(w *workload, conns int, stop *atomic.Bool) (*thread, error) {
	p, err := poll.New()
	if err != nil {
		return nil, err
	}
	return &thread{
		w: w, poller: p, conns: make([]conn, 0, conns), stop: stop, epoch: time.Now(), patience: usualPatience,
		in: make([]byte, receiveBytes), scratch: make([]byte, 0, sendBytes),
	}, nil
}

func (t *thread) now() int64 { return int64(time.Since(t.epoch)) }

// connect begins a connection that may send budget requests as soon as it stands.
func (t *thread) connect(id uint64, address string, budget uint64) error {
	fd, done, err := connectTo(address)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", address, err)
	}
	sock.SetNoDelay(fd)
	index := uint32(len(t.conns))
	t.conns = append(t.conns, conn{id: id, fd: fd, budget: budget})
	t.active++
	if err := t.poller.Add(fd, poll.Token{Index: index}); err != nil {
		return err
	}
	if done {
		t.established(&t.conns[index])
	}
	return nil
}

func connectTo(address string) (fd int, done bool, err error) {
	if to, err := netip.ParseAddrPort(address); err == nil {
		return sock.ConnectTCP(to)
	}
	return sock.ConnectUnix(address)
}

// drive starts whoever may send something and runs until no connection is connecting or busy. A limit above zero is how
// long batches may begin.
func (t *thread) drive(limit time.Duration) error {
	progress := t.now()
	t.deadline = math.MaxInt64
	if limit > 0 {
		t.deadline = progress + int64(limit)
	}
	for i := range t.conns {
		if t.conns[i].state == idle {
			t.begin(&t.conns[i], t.now())
		}
	}
	for t.active > 0 {
		events, err := t.poller.Wait(glance)
		if err != nil {
			return fmt.Errorf("waiting: %w", err)
		}
		if t.stop.Load() {
			return ErrStopped
		}
		now := t.now()
		if len(events) > 0 {
			progress = now
		} else if now-progress > int64(t.patience) {
			t.giveUp()
		}
		for _, e := range events {
			t.serve(&t.conns[e.Token.Index], e)
		}
	}
	return nil
}

// serve does what an event made possible.
func (t *thread) serve(c *conn, e poll.Event) {
	if c.state == connecting && e.Writable {
		if err := sock.Error(c.fd); err != nil {
			t.fail(c, fmt.Errorf("connecting: %w", err))
			return
		}
		t.established(c)
		return
	}
	if c.state == shaking {
		t.shake(c)
		return
	}
	if c.state != connecting && c.state != closed && e.Readable {
		t.receive(c, e.Hangup)
	}
	if c.state == busy && e.Writable {
		t.send(c)
	}
}

// established is the connection; with TLS a handshake follows.
func (t *thread) established(c *conn) {
	if config := t.w.spec.TLS; config != nil {
		c.become(shaking)
		c.tls = newSecure(config)
		t.shake(c)
		return
	}
	t.ready(c)
}

func (t *thread) shake(c *conn) {
	switch over, err := c.shake(t.in); {
	case err != nil:
		t.fail(c, err)
	case over:
		t.ready(c)
	}
}

// ready has a connection begin with what it is for.
func (t *thread) ready(c *conn) {
	c.become(idle)
	t.active--
	t.begin(c, t.now())
}

// begin starts the next batch of an idle connection, if there is to be one.
func (t *thread) begin(c *conn, now int64) {
	n := min(c.budget, uint64(t.w.spec.Pipeline))
	if n == 0 || now >= t.deadline {
		return
	}
	c.become(busy)
	t.active++
	c.budget -= n
	c.end += n
	c.sentAt = now
	t.send(c)
}

func (t *thread) send(c *conn) {
	if err := c.send(t.w, t.scratch); err != nil {
		t.fail(c, err)
	}
}

func (t *thread) receive(c *conn, hangup bool) {
	replies, err := c.receive(t.w, t.in, t.scratch, hangup)
	now := t.now()
	if replies > 0 {
		t.result.Latency.Add(time.Duration(now-c.sentAt), replies)
	}
	switch {
	case err != nil:
		t.fail(c, err)
	case c.state == busy && c.in.n == c.end:
		c.become(idle)
		t.active--
		t.begin(c, now)
	}
}

// fail ends a connection because of err.
func (t *thread) fail(c *conn, err error) {
	if c.state != idle {
		t.active--
	}
	t.close(c)
	t.result.Errors++
	if t.result.Err == nil {
		t.result.Err = fmt.Errorf("connection %d: %w", c.id, err)
	}
}

func (t *thread) giveUp() {
	for i := range t.conns {
		if c := &t.conns[i]; c.state != idle && c.state != closed {
			t.fail(c, fmt.Errorf("%w within %v", errPatience, t.patience))
		}
	}
}

func (t *thread) close(c *conn) {
	c.tls.close()
	t.poller.Remove(c.fd) // closing it does the same; a failure changes nothing
	sock.Close(c.fd)
	c.fd = -1
	c.become(closed)
}

func (t *thread) closeAll() error {
	for i := range t.conns {
		if c := &t.conns[i]; c.state != closed {
			t.close(c)
		}
	}
	return t.poller.Close()
}

// ErrStopped is the error of a load that Stop has ended.
var ErrStopped = errors.New("stopped")
