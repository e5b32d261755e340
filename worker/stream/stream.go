// Receiving: into the loop's one buffer; only incomplete requests and replies are kept.

package stream

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Sizes, in bytes.
const (
	// DefaultReadBytes is the size of a loop's buffer, hence the most that one stream may have handled in a turn.
	DefaultReadBytes = 64 << 10
	// DirectBytes is how much incomplete data makes it cheaper to receive behind it than to copy it back into the
	// loop's buffer.
	DirectBytes = 16 << 10
	// MaxReadBytes bounds one read behind incomplete data.
	MaxReadBytes = 512 << 10
	// LateReadBytes is what a stream may still receive in a turn that has received enough: a client with one request does not
	// wait for those that send much.
	LateReadBytes = 4 << 10
)

// Loop is what the streams of one event loop share.
type Loop struct {
	Spent int // bytes received in this turn, and what else takes as long; the event loop adds to it, and begins at 0 again
	Sent  int // bytes sent in this turn; the event loop begins at 0 again

	// SignsElsewhere says that the owner has signatures made, see Stream.Signature. Otherwise they are made by Shake, in a turn.
	SignsElsewhere bool

	memory  *memory.Allocator
	enough  int // of Spent; then each stream has LateReadBytes at a time
	buf     []byte
	vectors [][]byte
	records recordBuffers // of streams with TLS
}

// NewLoop returns a loop whose streams keep what they must in m and receive readBytes at a time, or DefaultReadBytes if that
// is 0. A turn has received enough bytes when it has received turnBytes.
func NewLoop(m *memory.Allocator, readBytes, turnBytes int) *Loop {
	if readBytes == 0 {
		readBytes = DefaultReadBytes
	}
	l := &Loop{
		memory: m, enough: turnBytes,
		buf: make([]byte, max(readBytes, 2*DirectBytes)), vectors: make([][]byte, 0, sock.MaxVectors),
	}
	m.Idle = l.sleepIdle
	return l
}

// Stream is bytes in and out of one descriptor.
type Stream struct {
	Out  Output         // to be written
	rest *memory.Buffer // received and not consumed; nil when there is none
	tls  *secured       // nil: what crosses the descriptor is what the owner says
	fd   int32

	Unread  bool // the kernel may have more: no edge will tell
	Hangup  bool // the other end is gone or going: read until the end, a short read is not the last
	Backlog bool // what is kept may hold complete requests: the client was muted
	direct  bool // the last Recv was into rest itself
}

// New returns the stream of a descriptor; -1: it has none yet.
func New(fd int) Stream { return Stream{fd: int32(fd)} }

// Recv returns the bytes to consume: those kept and those the kernel has. They are valid until the next Recv of this loop,
// and the caller must call Keep for those that it did not consume. err is io.EOF at the end of the stream, ENOMEM where the
// system has no memory for more, or the error of the connection; no bytes and no error means that nothing new has come.
//
// With TLS nothing new has come, either, when that is a part of a record: then Unread may tell that there is more.
func (s *Stream) Recv(l *Loop) (b []byte, err error) {
	if s.tls != nil {
		return s.recvRecords()
	}
	kept := len(s.Kept())
	s.direct = kept >= DirectBytes
	var space []byte
	if s.direct {
		if err := l.memory.Grow(s.rest, DirectBytes); err != nil {
			return nil, err
		}
		space = s.rest.B[kept:min(cap(s.rest.B), kept+MaxReadBytes)]
	} else {
		space = l.share(l.buf[kept:])
	}
	n, err := s.receive(l, space)
	if n == 0 {
		return nil, err
	}
	if s.direct {
		s.rest.B = s.rest.B[:kept+n]
		return s.rest.B, nil
	}
	if kept > 0 {
		copy(l.buf, s.rest.B)
		l.memory.Put(s.rest)
		s.rest = nil
	}
	return l.buf[:kept+n], nil
}

// share is what of space a stream may fill now.
func (l *Loop) share(space []byte) []byte {
	if l.Spent >= l.enough {
		return space[:LateReadBytes]
	}
	return space
}

// receive is as Recv, for as much as space has room for.
func (s *Stream) receive(l *Loop, space []byte) (n int, err error) {
	n, err = s.read(space)
	if n > 0 {
		l.Spent += n
		if n < len(space) && !s.Hangup {
			s.Unread = false
		}
		return n, nil
	}
	s.Unread = false
	switch err {
	case unix.EAGAIN:
		return 0, nil
	case nil:
		return 0, io.EOF
	}
	return 0, err
}

// Discard receives and drops bytes. n is 0 without an error if there are none now; err is io.EOF at the end.
func (s *Stream) Discard(l *Loop) (n int, err error) {
	n, err = s.read(l.buf)
	l.Spent += n
	switch {
	case err == unix.EAGAIN:
		return 0, nil
	case err == nil && n == 0:
		return 0, io.EOF
	}
	return n, err
}

// Reread returns what is kept, which there must be, to be consumed without receiving; Keep must follow.
func (s *Stream) Reread() []byte {
	s.direct = true
	return s.rest.B
}

// Claim hands b, which is at the front of what Recv or Reread returned, over together with the buffer that it fills. It
// returns nil where b is to be copied: it shares the loop's buffer, or copying is cheaper. s may be nil.
func (s *Stream) Claim(b []byte) *memory.Buffer {
	if s == nil || !s.direct || s.rest == nil || len(b) < memory.ClaimBytes || &b[0] != &s.rest.B[0] {
		return nil
	}
	claimed := s.rest
	claimed.B = claimed.B[:len(b):len(b)] // what follows is not consumed yet
	s.rest = nil
	return claimed
}

// ClaimOrCopy is Claim for any b, which is copied where it must be. It returns an error if the system has no more memory.
func (s *Stream) ClaimOrCopy(m *memory.Allocator, b []byte) (*memory.Buffer, error) {
	if claimed := s.Claim(b); claimed != nil {
		return claimed, nil
	}
	return m.CopyOf(b)
}

// Keep saves b, the unconsumed tail of what Recv or Reread returned. It returns an error if the system has no more memory.
func (s *Stream) Keep(m *memory.Allocator, b []byte) error {
	if s.direct && s.rest != nil && len(b) == len(s.rest.B) {
		return nil
	}
	old := s.rest
	s.rest = nil
	var err error
	switch {
	case len(b) >= memory.MappedBytes:
		s.rest, err = m.CopyOf(b)
	case len(b) > 0:
		s.rest = m.GetRemainder(b)
	}
	m.Put(old)
	return err
}

// Kept returns the bytes that are kept.
func (s *Stream) Kept() []byte { return s.rest.Bytes() }

// Cost returns about how many bytes of memory the stream takes.
func (s *Stream) Cost() int { return s.rest.Cost() + s.Out.Cost() + s.tls.cost() }

// Unwritten returns how many bytes are still to be written: of Out, and of records that are sealed.
func (s *Stream) Unwritten() int {
	if s.tls != nil {
		return s.Out.bytes + len(s.tls.sealed.Bytes())
	}
	return s.Out.bytes
}

// DropInput drops the bytes that are kept, and the state of the input.
func (s *Stream) DropInput(m *memory.Allocator) {
	m.Put(s.rest)
	s.rest = nil
	s.Unread, s.Hangup, s.Backlog, s.direct = false, false, false, false
	s.tls.dropInput(m)
}

// Drop frees everything but the descriptor, and ends TLS: of its secrets nothing is left.
func (s *Stream) Drop(m *memory.Allocator) {
	s.DropInput(m)
	s.Out.Drop(m)
	s.tls.drop(m)
	s.tls = nil
}
