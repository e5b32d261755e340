// Memory for bytes that must outlive a turn. Buffers come from a pool and go back as soon as they are empty, so that an
// idle connection owns none, and what a burst needed is given back to the system.
package worker

import (
	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// buffer holds bytes from a pool. nil is an empty buffer that owns nothing.
type buffer = bytebufferpool.ByteBuffer

const (
	firstChunkBytes   = 4 << 10  // of an output queue that was empty
	largestChunkBytes = 64 << 10 // that an output queue asks for ahead of data
)

// takeBuffer returns an empty buffer with room for at least size bytes.
func takeBuffer(size int) *buffer {
	b := bytebufferpool.Get()
	if cap(b.B) < size {
		b.B = make([]byte, 0, size)
	}
	return b
}

// giveBuffer returns b to the pool; nil is fine. The bytes must not be used any more.
func giveBuffer(b *buffer) {
	if b != nil {
		bytebufferpool.Put(b)
	}
}

// copyBuffer returns a buffer with a copy of data.
func copyBuffer(data []byte) *buffer {
	b := takeBuffer(len(data))
	b.B = append(b.B, data...)
	return b
}

// output is a queue of bytes to be written: a list of chunks, none while it is empty. Loop only.
type output struct {
	chunks []*buffer // only the last one is appended to
	sent   int       // bytes of chunks[0] that are written; 0 ≤ sent ≤ len(chunks[0].B)
	bytes  int       // still to be written
}

// append queues a copy of data.
func (o *output) append(data []byte) {
	o.bytes += len(data)
	size := firstChunkBytes
	if n := len(o.chunks); n > 0 {
		last := o.chunks[n-1]
		room := min(cap(last.B)-len(last.B), len(data))
		last.B = append(last.B, data[:room]...)
		data = data[room:]
		size = min(2*cap(last.B), largestChunkBytes)
	}
	if len(data) > 0 {
		b := takeBuffer(max(size, len(data)))
		b.B = append(b.B, data...)
		o.chunks = append(o.chunks, b)
	}
}

// adopt queues b itself, without a copy.
func (o *output) adopt(b *buffer) {
	o.bytes += len(b.B)
	o.chunks = append(o.chunks, b)
}

// send writes to fd until the socket takes no more; then the next edge tells. err is the connection's error.
func (o *output) send(l *loop, fd int) error {
	for o.bytes > 0 {
		offered, n, err := 0, 0, error(nil)
		if len(o.chunks) == 1 {
			b := o.chunks[0].B[o.sent:]
			offered = len(b)
			n, err = sock.Send(fd, b)
		} else {
			offered = o.gather(l)
			n, err = sock.Sendv(fd, l.vectors)
			clear(l.vectors)
		}
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		o.wrote(n)
		if n < offered {
			return nil
		}
	}
	return nil
}

// gather sets the loop's vectors to the first chunks and returns how many bytes those are.
func (o *output) gather(l *loop) (bytes int) {
	l.vectors = l.vectors[:0]
	skip := o.sent
	for _, chunk := range o.chunks[:min(len(o.chunks), sock.MaxVectors)] {
		l.vectors = append(l.vectors, chunk.B[skip:])
		bytes += len(chunk.B) - skip
		skip = 0
	}
	return bytes
}

// wrote drops the first n bytes.
func (o *output) wrote(n int) {
	o.bytes -= n
	n += o.sent
	done := 0
	for done < len(o.chunks) && n >= len(o.chunks[done].B) {
		n -= len(o.chunks[done].B)
		giveBuffer(o.chunks[done])
		o.chunks[done] = nil
		done++
	}
	o.sent = n
	if done == 0 {
		return
	}
	left := copy(o.chunks, o.chunks[done:])
	clear(o.chunks[left:])
	o.chunks = o.chunks[:left]
	if left == 0 && cap(o.chunks) > 8 {
		o.chunks = nil
	}
}

// drop forgets everything.
func (o *output) drop() {
	for _, chunk := range o.chunks {
		giveBuffer(chunk)
	}
	*o = output{}
}
