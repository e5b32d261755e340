// The outbox of a worker: what the master has said to it and the worker link has no room for yet. A healthy worker can be
// busy for a moment, or be told much at once; neither is a reason to wait for it here, or to give it up.

package process

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// SendTimeout is how long a worker may take to make room for a message, before it is taken to be deaf.
const SendTimeout = 5 * time.Second

var errNoRoom = fmt.Errorf("it hangs or is stopped: it has read no message for %s", SendTimeout)

// outbox keeps the order of what is said. The goroutine that empties it lives as long as it holds something.
type outbox struct {
	mu      sync.Mutex
	waiting []letter // oldest first; the first one is being sent
	broken  error    // the error after which nothing is sent
}

func (b *outbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) == 0
}

// letter is a message that waits, with copies of its descriptors.
type letter struct {
	wire []byte
	fds  []int
}

// NoDescriptor reports that no descriptor is free.
func NoDescriptor(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Send writes a message to the worker, now or as soon as the socket has room; if the worker does not read for too long, a Deaf event
// follows. The descriptors that go with the message stay the caller's. An error is final.
func (p *Worker) Send(m link.Message, fds ...int) error {
	wire := link.AppendMessage(nil, m)
	raw, err := p.link.SyscallConn()
	if err != nil {
		return err
	}
	b := &p.outbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return b.broken
	}
	if len(b.waiting) == 0 {
		var errSend error
		if err := raw.Control(func(fd uintptr) { errSend = put(int(fd), wire, fds) }); err != nil {
			return err
		}
		if !sock.Crowded(errSend) {
			return errSend
		}
	}
	own, err := copies(fds)
	if err != nil {
		return err
	}
	b.waiting = append(b.waiting, letter{wire, own})
	if len(b.waiting) == 1 {
		go p.deliver(raw)
	}
	return nil
}

func put(fd int, wire []byte, fds []int) error {
	if err := fault.Error("m.send"); err != nil {
		return syscall.EAGAIN
	}
	return sock.SendFDs(fd, wire, fds)
}

func copies(fds []int) (own []int, err error) {
	for _, fd := range fds {
		dup := -1
		if err = fault.Error("m.outbox"); err == nil {
			dup, err = sock.Dup(fd)
		}
		if err != nil {
			sock.CloseAll(own)
			return nil, fmt.Errorf("keeping a descriptor for a worker that is busy: %w", err)
		}
		own = append(own, dup)
	}
	return own, nil
}

// deliver empties the outbox.
func (p *Worker) deliver(raw syscall.RawConn) {
	b := &p.outbox
	for {
		b.mu.Lock()
		next := b.waiting[0]
		b.mu.Unlock()
		err := p.deliverOne(raw, next)
		b.mu.Lock()
		sock.CloseAll(next.fds)
		b.waiting = b.waiting[1:]
		if err != nil {
			b.broken = err
			for _, l := range b.waiting {
				sock.CloseAll(l.fds)
			}
			b.waiting = nil
		}
		done := len(b.waiting) == 0
		b.mu.Unlock()
		if errno := syscall.Errno(0); errors.Is(err, errNoRoom) || errors.As(err, &errno) { // else the socket is closed, as is known
			p.report(Event{From: p, Kind: Deaf, Text: err.Error()})
		}
		if done {
			return
		}
	}
}

// deliverOne waits until the socket takes a message. Room for bytes wakes the one who waits; room for descriptors does not.
func (p *Worker) deliverOne(raw syscall.RawConn, l letter) error {
	const pause = 10 * time.Millisecond
	until := time.Now().Add(SendTimeout)
	p.link.SetWriteDeadline(until)
	for {
		var errSend error
		err := raw.Write(func(fd uintptr) bool {
			errSend = sock.SendFDs(int(fd), l.wire, l.fds)
			return !errors.Is(errSend, syscall.EAGAIN)
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), err == nil && sock.Crowded(errSend) && time.Now().After(until):
			return errNoRoom
		case err != nil:
			return err
		case !sock.Crowded(errSend):
			return errSend
		}
		time.Sleep(pause)
	}
}

// Flush waits until everything is said, or cannot be, for a master that is about to end.
func (p *Worker) Flush(until time.Time) {
	const pause = 5 * time.Millisecond
	for time.Now().Before(until) {
		if p.outbox.empty() {
			return
		}
		time.Sleep(pause)
	}
}
