// One client: what it still has to send, what it must still receive, and the comparison of the two.

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// cursor is a position in the endless sequence of a connection's requests, or of their replies.
type cursor struct {
	n   uint64 // which message
	off int    // bytes of it that are done; less than its length
}

// conn is a client connection. It belongs to its thread.
type conn struct {
	id     uint64  // unique within the load
	fd     int     // -1 once closed
	tls    *secure // nil: plaintext
	state  state
	budget uint64 // requests it may still begin
	out    cursor // next byte to send; out.n ≤ end
	end    uint64 // where its batch ends
	in     cursor // next byte to receive; in.n ≤ end
	sentAt int64  // when its batch began, in the thread's time
}

// state is what a connection is doing.
type state uint8

const (
	connecting state = iota
	shaking          // hands, with TLS
	idle             // nothing outstanding
	busy             // a batch is under way
	closed
)

func (s state) String() string {
	return [...]string{"connecting", "shaking", "idle", "busy", "closed"}[s]
}

var legalEdges = [...][closed + 1]bool{
	connecting: {shaking: true, idle: true, closed: true},
	shaking:    {idle: true, closed: true},
	idle:       {busy: true, closed: true},
	busy:       {idle: true, closed: true},
}

func (c *conn) become(next state) {
	if c.state == closed || !legalEdges[c.state][next] {
		panic("load: connection " + c.state.String() + " cannot become " + next.String())
	}
	c.state = next
}

// send writes as much of the batch as the socket takes.
func (c *conn) send(w *workload, scratch []byte) error {
	if c.tls != nil {
		if err := c.flush(); err != nil {
			return err
		}
	}
	for c.out.n < c.end && c.writable() {
		b := scratch[:0]
		for at := c.out; at.n < c.end && len(b) < cap(b); at = (cursor{n: at.n + 1}) {
			b = w.render(b, w.requestAt(c.id, at.n), c.id, at.n, at.off)
		}
		n, err := c.write(b)
		if err != nil && err != syscall.EAGAIN {
			return fmt.Errorf("sending: %w", err)
		}
		c.sent(w, n)
		if n < len(b) {
			return nil
		}
	}
	return nil
}

// writable tells whether nothing waits to be sent that is sealed already.
func (c *conn) writable() bool { return c.tls == nil || len(c.tls.sealed) == 0 }

// sent moves the out cursor over n bytes.
func (c *conn) sent(w *workload, n int) {
	for n > 0 {
		rest := w.requestAt(c.id, c.out.n).bytes - c.out.off
		if n < rest {
			c.out.off += n
			return
		}
		n -= rest
		c.out = cursor{n: c.out.n + 1}
	}
}

// receive compares what the socket has with what must come, and returns how many replies were completed by it.
func (c *conn) receive(w *workload, in, scratch []byte, hangup bool) (replies uint64, err error) {
	for {
		n, err := sock.Recv(c.fd, in)
		if err == syscall.EAGAIN {
			return replies, nil
		}
		if err != nil {
			return replies, fmt.Errorf("receiving: %w", err)
		}
		if n == 0 {
			return replies, fmt.Errorf("receiving: %w", io.EOF)
		}
		b := in[:n]
		if c.tls != nil {
			if b, err = c.tls.open(b); err != nil {
				return replies, fmt.Errorf("receiving: %w", err)
			}
		}
		done, err := c.verify(w, b, scratch)
		replies += done
		if err != nil || n < len(in) && !hangup {
			return replies, err
		}
	}
}

var errUnasked = errors.New("more than was asked for")

// verify compares b with what must come next.
func (c *conn) verify(w *workload, b, scratch []byte) (replies uint64, err error) {
	for len(b) > 0 {
		if c.in.n == c.end {
			return replies, fmt.Errorf("receiving: %w: %s", errUnasked, excerpt(b))
		}
		m := w.replyAt(c.id, c.in.n)
		want := w.render(scratch[:0:min(len(b), cap(scratch))], m, c.id, c.in.n, c.in.off)
		if !bytes.Equal(want, b[:len(want)]) {
			return replies, c.mismatch(want, b)
		}
		b = b[len(want):]
		c.in.off += len(want)
		if c.in.off == m.bytes {
			c.in = cursor{n: c.in.n + 1}
			replies++
		}
	}
	return replies, nil
}

// WrongReplyError is a reply that is not what it must be.
type WrongReplyError struct {
	Request   uint64 // the how-manieth of its connection, from 0
	Off       int    // where in the reply the two begin to differ
	Want, Got string // what follows there
}

func (e *WrongReplyError) Error() string {
	return fmt.Sprintf("wrong reply to request %d, from byte %d on: want %s, got %s", e.Request, e.Off, e.Want, e.Got)
}

func (c *conn) mismatch(want, got []byte) error {
	same := 0
	for want[same] == got[same] {
		same++
	}
	return &WrongReplyError{Request: c.in.n, Off: c.in.off + same, Want: excerpt(want[same:]), Got: excerpt(got[same:])}
}

// excerpt quotes the beginning of b.
func excerpt(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
