// Where bytes cross the descriptor.

package stream

import (
	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// FD returns the descriptor, to be watched and to be told apart; bytes go through the stream. It is negative if there is none.
func (s *Stream) FD() int { return int(s.fd) }

// SetFD gives the stream a descriptor, or takes it away: -1. What is kept and what is to be written stays.
func (s *Stream) SetFD(fd int) { s.fd = int32(fd) }

// SendFirst writes all of b, past Out, to a descriptor that nothing was written to yet: if it has no room the system has none,
// and the error is ENOBUFS.
func (s *Stream) SendFirst(b []byte) error {
	if s.tls != nil {
		return s.sealFirst(b)
	}
	n, err := s.write(b)
	if err == nil && n < len(b) || err == unix.EAGAIN {
		return unix.ENOBUFS
	}
	return err
}

// CloseWrite sends the end of the stream, behind all that is written.
func (s *Stream) CloseWrite() {
	if s.tls != nil {
		s.sayEnd()
		return
	}
	sock.ShutdownWrite(int(s.fd))
}

// read is as sock.Recv.
func (s *Stream) read(b []byte) (n int, err error) { return sock.Recv(int(s.fd), b) }

// write is as sock.Send.
func (s *Stream) write(b []byte) (n int, err error) { return sock.Send(int(s.fd), b) }

// writev is as sock.Sendv.
func (s *Stream) writev(bufs [][]byte) (n int, err error) { return sock.Sendv(int(s.fd), bufs) }
