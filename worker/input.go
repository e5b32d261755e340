// Receiving, for clients and servers alike: into the loop's one buffer, keeping only what is incomplete.

package worker

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// defaultReadBytes is the size of the loop's buffer, hence the most that one connection may have handled in a turn.
	defaultReadBytes = 64 << 10
	// directBytes is how much incomplete data makes it cheaper to receive behind it than to copy it back into the
	// loop's buffer.
	directBytes = 16 << 10
	// maxReadBytes bounds one read behind incomplete data.
	maxReadBytes = 512 << 10
)

// input is the receiving half of a connection. Loop only.
type input struct {
	rest    *memory.Buffer // received and not consumed; nil when there is none
	since   int64          // ns: when the first byte of what is incomplete came
	unread  bool           // the kernel may have more: no edge will tell
	hangup  bool           // the peer is gone or going: read until the end, a short read is not the last
	backlog bool           // rest may hold complete requests: its client was muted
	direct  bool           // what recv returned last lies in rest itself
}

// recv returns what is there to consume: the kept rest and what the kernel has. The bytes are valid until the next recv
// on this loop, and the caller must call keep for what it did not consume. err is io.EOF at the end of the stream or the
// error of the connection; without bytes and without error there is nothing new.
func (in *input) recv(l *loop, fd int) (b []byte, err error) {
	kept := in.size()
	in.direct = kept >= directBytes
	var space []byte
	if in.direct {
		if err := l.memory.Grow(in.rest, directBytes); err != nil {
			return nil, err
		}
		space = in.rest.B[kept:min(cap(in.rest.B), kept+maxReadBytes)]
	} else {
		space = l.buf[kept:]
		if l.spent >= maxTurnBytes {
			space = space[:lateReadBytes]
		}
	}
	n, err := sock.Recv(fd, space)
	switch {
	case err == unix.EAGAIN:
		in.unread = false
		return nil, nil
	case err != nil:
		in.unread = false
		return nil, err
	case n == 0:
		in.unread = false
		return nil, io.EOF
	}
	l.spent += n
	if kept == 0 {
		in.since = l.now
	}
	if n < len(space) && !in.hangup {
		in.unread = false
	}
	if in.direct {
		in.rest.B = in.rest.B[:kept+n]
		return in.rest.B, nil
	}
	if kept > 0 {
		copy(l.buf, in.rest.B)
		l.memory.Give(in.rest)
		in.rest = nil
	}
	return l.buf[:kept+n], nil
}

// kept returns the rest, which there must be, to be consumed without receiving; keep must follow.
func (in *input) kept() []byte {
	in.direct = true
	return in.rest.B
}

// claim hands b, which is at the front of what recv or kept returned, over together with the buffer that it fills. It
// returns nil where b is to be copied: it shares the loop's buffer, or copying is cheaper. in may be nil.
func (in *input) claim(b []byte) *memory.Buffer {
	if in == nil || !in.direct || in.rest == nil || len(b) < memory.ClaimBytes || &b[0] != &in.rest.B[0] {
		return nil
	}
	claimed := in.rest
	claimed.B = claimed.B[:len(b):len(b)] // what follows is not consumed yet
	in.rest = nil
	return claimed
}

// claimOrCopy is claim for any b, which is copied where it must be.
func (in *input) claimOrCopy(m *memory.Allocator, b []byte) (*memory.Buffer, error) {
	if claimed := in.claim(b); claimed != nil {
		return claimed, nil
	}
	return m.CopyOf(b)
}

// keep saves b, the unconsumed tail of what recv or kept returned.
func (in *input) keep(m *memory.Allocator, b []byte) error {
	if in.direct && in.rest != nil && len(b) == len(in.rest.B) {
		return nil
	}
	old := in.rest
	in.rest = nil
	var err error
	switch {
	case len(b) >= memory.MappedBytes:
		in.rest, err = m.CopyOf(b)
	case len(b) > 0:
		in.rest = m.TakeRemainder(b)
	}
	m.Give(old)
	return err
}

// size returns how many bytes are kept.
func (in *input) size() int {
	if in.rest == nil {
		return 0
	}
	return len(in.rest.B)
}

// drop forgets what is kept.
func (in *input) drop(m *memory.Allocator) {
	m.Give(in.rest)
	*in = input{}
}
