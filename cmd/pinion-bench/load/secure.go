// TLS under what a client says: a handshake, then records. The proxy has to meet other peers elsewhere; here they have to be cheap.

package load

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/tlshake"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// secure is the TLS of one connection.
type secure struct {
	handshake *tlshake.Handshake // nil when it is over
	records   *tlsrec.Conn       // nil until then
	raw       []byte             // received and not opened
	sealed    []byte             // not yet sent
	plain     []byte             // what was opened last
}

func newSecure(config *tls.Config) *secure {
	s := &secure{handshake: tlshake.Client(config)}
	s.handshake.Step(nil)
	s.takeOut()
	return s
}

// takeOut has what the handshake says sent next.
func (s *secure) takeOut() {
	s.sealed, s.handshake.Out = append(s.sealed, s.handshake.Out...), nil
}

// close gives up a handshake that is not over.
func (s *secure) close() {
	if s != nil && s.handshake != nil {
		s.handshake.Abort()
	}
}

// shake goes on with the handshake as far as the socket has something, and reports whether it is over.
func (c *conn) shake(in []byte) (over bool, err error) {
	s := c.tls
	for {
		if err := c.flush(); err != nil {
			return false, err
		}
		n, err := sock.Recv(c.fd, in)
		switch {
		case err == syscall.EAGAIN:
			return false, nil
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			return false, fmt.Errorf("shaking hands: %w", err)
		}
		s.raw = append(s.raw, in[:n]...)
		if over, err := s.step(); over || err != nil {
			return over, cmp.Or(err, c.flush())
		}
	}
}

// step gives the handshake whole records.
func (s *secure) step() (over bool, err error) {
	for {
		size := tlsrec.RecordSize(s.raw)
		if size == 0 || size > len(s.raw) {
			return false, nil
		}
		need := s.handshake.Step(s.raw[:size])
		for need == tlshake.NeedsSignature {
			s.handshake.Job.Sign()
			need = s.handshake.Step(nil)
		}
		s.raw = append(s.raw[:0], s.raw[size:]...)
		s.takeOut()
		if need == tlshake.Over {
			err, s.records = s.handshake.Err, s.handshake.Records()
			s.handshake = nil
			return true, err
		}
	}
}

// flush sends what is sealed, as far as the socket takes it.
func (c *conn) flush() error {
	s := c.tls
	n, err := sock.Send(c.fd, s.sealed)
	if err != nil && err != syscall.EAGAIN {
		return fmt.Errorf("sending: %w", err)
	}
	s.sealed = append(s.sealed[:0], s.sealed[n:]...)
	return nil
}

// write sends b, or a part of it in plaintext. With TLS all of it counts as sent, and what the socket does not take waits.
func (c *conn) write(b []byte) (n int, err error) {
	s := c.tls
	if s == nil {
		return sock.Send(c.fd, b)
	}
	for n < len(b) {
		var used int
		if s.sealed, used, err = s.records.Seal(s.sealed, b[n:]); err != nil {
			return n, err
		}
		n += used
	}
	return n, c.flush()
}

// open returns the plaintext of what was received.
func (s *secure) open(received []byte) (plain []byte, err error) {
	s.raw, s.plain = append(s.raw, received...), s.plain[:0]
	for used := 1; used > 0 && err == nil; {
		s.plain, used, err = s.records.Open(s.plain, s.raw)
		s.raw = append(s.raw[:0], s.raw[used:]...)
	}
	return s.plain, err
}
