// Output: a list of chunks, written at the end of a turn.

package stream

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Output is a queue of bytes to be written; it owns no memory while it is empty.
type Output struct {
	chunks []*memory.Buffer // only the last one is appended to; what is written of the first one is cut off
	bytes  int              // of them
}

// Len returns how many bytes are still to be written.
func (o *Output) Len() int { return o.bytes }

// Cost returns about how many bytes of memory the queue takes, including the written part of its first chunk and the free
// part of its last one.
func (o *Output) Cost() int {
	n := len(o.chunks)
	if n == 0 {
		return 0
	}
	first, last := o.chunks[0], o.chunks[n-1]
	cost := first.Cost() + o.bytes - len(first.B)
	if n > 1 {
		cost += cap(last.B) - len(last.B) + (n-1)*memory.BufferBytes
	}
	return cost
}

// Append queues a copy of data.
func (o *Output) Append(m *memory.Allocator, data []byte) {
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
		o.chunks = append(o.chunks, m.GetChunk(size))
	}
}

// AppendWhole queues a copy of data, which is less than memory.MappedBytes, in one chunk.
func (o *Output) AppendWhole(m *memory.Allocator, data []byte) {
	n := len(o.chunks)
	if n == 0 || cap(o.chunks[n-1].B)-len(o.chunks[n-1].B) < len(data) {
		size := len(data)
		if n > 0 {
			size = max(size, min(2*cap(o.chunks[n-1].B), memory.LargestChunkBytes))
		}
		o.chunks = append(o.chunks, m.GetChunk(size))
		n++
	}
	o.bytes += len(data)
	o.chunks[n-1].B = append(o.chunks[n-1].B, data...)
}

// Reserve returns the bytes of the last chunk, with room for size more, which are less than memory.MappedBytes. The caller
// appends some, and must give the whole to Extend.
func (o *Output) Reserve(m *memory.Allocator, size int) []byte {
	if n := len(o.chunks); n > 0 && cap(o.chunks[n-1].B)-len(o.chunks[n-1].B) >= size {
		return o.chunks[n-1].B
	}
	chunk := m.GetChunk(size)
	o.chunks = append(o.chunks, chunk)
	return chunk.B
}

// Extend queues b, which is the result of Reserve with bytes appended; they are copied only if there was no room for them.
func (o *Output) Extend(m *memory.Allocator, b []byte) {
	last := o.chunks[len(o.chunks)-1]
	if len(b) > cap(last.B) {
		o.Append(m, b[len(last.B):])
		return
	}
	o.bytes += len(b) - len(last.B)
	last.B = b
}

// Pieces appends what is to be written to list, piece by piece. The bytes stay the queue's.
func (o *Output) Pieces(list [][]byte) [][]byte {
	for _, chunk := range o.chunks {
		list = append(list, chunk.B)
	}
	return list
}

// Adopt queues b itself, without a copy.
func (o *Output) Adopt(b *memory.Buffer) {
	o.bytes += len(b.B)
	o.chunks = append(o.chunks, b)
}

// Join queues everything that is in other, which is empty then.
func (o *Output) Join(other *Output) {
	o.bytes += other.bytes
	o.chunks = append(o.chunks, other.chunks...)
	*other = Output{}
}

// Move queues the first n bytes of b, which b has no more: a view of them if they are many, or a copy. It returns how many
// bytes it has copied.
func (o *Output) Move(m *memory.Allocator, b *memory.Buffer, n int) (copied int) {
	if n >= memory.ClaimBytes {
		o.Adopt(m.Split(b, n))
		return 0
	}
	o.Append(m, b.B[:n])
	m.Skip(b, n)
	return n
}

// Transfer moves the first n bytes that are still to be written to the end of to: many without a copy.
func (o *Output) Transfer(m *memory.Allocator, n int, to *Output) {
	for n > 0 {
		first := o.chunks[0]
		part := min(n, len(first.B))
		n -= part
		switch {
		case part == len(first.B):
			o.bytes -= part
			o.chunks = slices.Delete(o.chunks, 0, 1)
			to.Adopt(first)
		case first.IsMapped() && part >= memory.ClaimBytes:
			o.bytes -= part
			to.Adopt(m.Split(first, part))
		default:
			to.Append(m, first.B[:part])
			o.Drain(m, part)
		}
	}
	if len(o.chunks) == 0 && cap(o.chunks) > 1 {
		o.chunks = nil
	}
}

// MaxSendBytes is a connection's share of what is written until every other one has had its share. It also bounds each system
// call: the kernel would go on as long as the other end reads as fast as it copies.
const MaxSendBytes = 512 << 10

// Send writes up to share bytes of Out, which are freed then, unless they go to written. more tells that the socket may take more than
// those; otherwise it has got everything, or takes no more until the next edge. err is the connection's error.
//
// With TLS what is sealed counts as written: it goes out, or nothing does any more.
func (s *Stream) Send(l *Loop, share int, written *Output) (more bool, err error) {
	if s.tls != nil {
		return s.sendRecords(share, written)
	}
	o := &s.Out
	for o.bytes > 0 {
		if share == 0 {
			return true, nil
		}
		offered, n := 0, 0
		if len(o.chunks) == 1 {
			b := o.chunks[0].B
			b = b[:min(len(b), share)]
			offered = len(b)
			n, err = s.write(b)
		} else {
			offered = o.gather(l, share)
			n, err = s.writev(l.vectors)
			clear(l.vectors)
		}
		if err == unix.EAGAIN {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if written == nil {
			o.Drain(l.memory, n)
		} else {
			o.Transfer(l.memory, n, written)
		}
		l.Sent += n
		if n < offered {
			return false, nil
		}
		share -= n
	}
	return false, nil
}

// gather sets the loop's vectors to the first chunks, up to most bytes, and returns how many bytes those are.
func (o *Output) gather(l *Loop, most int) (bytes int) {
	l.vectors = l.vectors[:0]
	for _, chunk := range o.chunks[:min(len(o.chunks), sock.MaxVectors)] {
		b := chunk.B[:min(len(chunk.B), most-bytes)]
		l.vectors = append(l.vectors, b)
		bytes += len(b)
		if bytes == most {
			break
		}
	}
	return bytes
}

// Drain drops the first n bytes: they are written, or need not be.
func (o *Output) Drain(m *memory.Allocator, n int) {
	o.bytes -= n
	done := 0
	for done < len(o.chunks) && n >= len(o.chunks[done].B) {
		n -= len(o.chunks[done].B)
		m.PutWritten(o.chunks[done])
		o.chunks[done] = nil
		done++
	}
	if n > 0 {
		b := o.chunks[done]
		if b.IsMapped() {
			m.Skip(b, n)
		} else {
			b.B = b.B[n:]
		}
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

// Cut takes n bytes out, behind the first from that are still to be written.
func (o *Output) Cut(m *memory.Allocator, from, n int) {
	if from == 0 {
		o.Drain(m, n)
		return
	}
	o.bytes -= n
	at, i := from, 0
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
			m.Put(b)
			o.chunks[i] = nil
		}
	}
	o.chunks = slices.DeleteFunc(o.chunks, func(b *memory.Buffer) bool { return b == nil })
}

// Drop frees everything.
func (o *Output) Drop(m *memory.Allocator) {
	for _, chunk := range o.chunks {
		m.Put(chunk)
	}
	*o = Output{}
}
