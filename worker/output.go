// Bytes on their way out, for clients and servers alike: a list of chunks, written at the end of a turn.

package worker

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// output is a queue of bytes to be written; it owns no memory while it is empty. Loop only.
type output struct {
	chunks []*memory.Buffer // only the last one is appended to
	sent   int              // bytes of chunks[0] that are written; 0 ≤ sent ≤ len(chunks[0].B)
	bytes  int              // still to be written
}

// cost returns about how many bytes the queue takes: what is written of its first chunk and free in its last one, too.
func (o *output) cost() int {
	n := len(o.chunks)
	if n == 0 {
		return 0
	}
	last := o.chunks[n-1]
	return o.bytes + o.sent + cap(last.B) - len(last.B) + n*memory.BufferBytes
}

// append queues a copy of data.
func (o *output) append(m *memory.Allocator, data []byte) {
	o.bytes += len(data)
	for size := memory.FirstChunkBytes; ; {
		if n := len(o.chunks); n > 0 {
			last := o.chunks[n-1]
			room := min(cap(last.B)-len(last.B), len(data))
			last.B = append(last.B, data[:room]...)
			data = data[room:]
			size = min(2*cap(last.B), memory.LargestChunkBytes)
		}
		if len(data) == 0 {
			return
		}
		if len(data) > size {
			size = memory.LargestChunkBytes
		}
		o.chunks = append(o.chunks, m.TakeChunk(size))
	}
}

// reserve returns the last chunk, with room for size more bytes, which are less than memory.MappedBytes. The caller must append some.
func (o *output) reserve(m *memory.Allocator, size int) *memory.Buffer {
	if n := len(o.chunks); n > 0 && cap(o.chunks[n-1].B)-len(o.chunks[n-1].B) >= size {
		return o.chunks[n-1]
	}
	chunk := m.TakeChunk(size)
	o.chunks = append(o.chunks, chunk)
	return chunk
}

// adopt queues b itself, without a copy.
func (o *output) adopt(b *memory.Buffer) {
	o.bytes += len(b.B)
	o.chunks = append(o.chunks, b)
}

// join queues everything that is in other, which is empty then.
func (o *output) join(other *output) {
	o.bytes += other.bytes
	o.chunks = append(o.chunks, other.chunks...)
	*other = output{}
}

// move queues the first n bytes of b, which b has no more: a view of them if they are many, or a copy.
func (o *output) move(m *memory.Allocator, b *memory.Buffer, n int) (copied int) {
	if n >= memory.ClaimBytes {
		o.adopt(m.Split(b, n))
		return 0
	}
	o.append(m, b.B[:n])
	m.Skip(b, n)
	return n
}

// maxSendBytes is a connection's share of what is written, until everyone else has had one. It bounds each system call,
// too: the kernel would go on as long as the other end reads as fast as it copies.
const maxSendBytes = 512 << 10

// send writes up to share bytes to fd. more tells that the socket may take more than those; otherwise it has got
// everything, or takes no more until the next edge. err is the connection's error.
func (o *output) send(l *loop, fd, share int) (more bool, err error) {
	for o.bytes > 0 {
		if share == 0 {
			return true, nil
		}
		offered, n := 0, 0
		if len(o.chunks) == 1 {
			b := o.chunks[0].B[o.sent:]
			b = b[:min(len(b), share)]
			offered = len(b)
			n, err = sock.Send(fd, b)
		} else {
			offered = o.gather(l, share)
			n, err = sock.Sendv(fd, l.vectors)
			clear(l.vectors)
		}
		if err == unix.EAGAIN {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		o.wrote(l.memory, n)
		l.sent += n
		if n < offered {
			return false, nil
		}
		share -= n
	}
	return false, nil
}

// gather sets the loop's vectors to the first chunks, up to most bytes, and returns how many bytes those are.
func (o *output) gather(l *loop, most int) (bytes int) {
	l.vectors = l.vectors[:0]
	skip := o.sent
	for _, chunk := range o.chunks[:min(len(o.chunks), sock.MaxVectors)] {
		b := chunk.B[skip:]
		b = b[:min(len(b), most-bytes)]
		l.vectors = append(l.vectors, b)
		bytes += len(b)
		if bytes == most {
			break
		}
		skip = 0
	}
	return bytes
}

// wrote drops the first n bytes.
func (o *output) wrote(m *memory.Allocator, n int) {
	o.bytes -= n
	n += o.sent
	done := 0
	for done < len(o.chunks) && n >= len(o.chunks[done].B) {
		n -= len(o.chunks[done].B)
		m.GiveWritten(o.chunks[done])
		o.chunks[done] = nil
		done++
	}
	o.sent = n
	if n > 0 && o.chunks[done].IsMapped() {
		m.Skip(o.chunks[done], n)
		o.sent = 0
	}
	if done == 0 {
		return
	}
	left := copy(o.chunks, o.chunks[done:])
	clear(o.chunks[left:])
	o.chunks = o.chunks[:left]
	if left == 0 && cap(o.chunks) > 1 {
		o.chunks = nil
	}
}

// cut takes n bytes out, behind the first from that are still to be written.
func (o *output) cut(m *memory.Allocator, from, n int) {
	if from == 0 {
		o.wrote(m, n)
		return
	}
	o.bytes -= n
	at, i := from+o.sent, 0
	for ; at >= len(o.chunks[i].B); i++ {
		at -= len(o.chunks[i].B)
	}
	for ; n > 0; i++ {
		b := o.chunks[i]
		part := min(n, len(b.B)-at)
		n -= part
		b.B = append(b.B[:at], b.B[at+part:]...)
		at = 0
		if len(b.B) == 0 {
			m.Give(b)
			o.chunks[i] = nil
		}
	}
	o.chunks = slices.DeleteFunc(o.chunks, func(b *memory.Buffer) bool { return b == nil })
}

// drop forgets everything.
func (o *output) drop(m *memory.Allocator) {
	for _, chunk := range o.chunks {
		m.Give(chunk)
	}
	*o = output{}
}
