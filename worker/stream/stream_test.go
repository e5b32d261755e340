// Output and input against one plain buffer, over sockets that take and give little at a time.

package stream

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// wire is a socket pair.
type wire struct{ near, far int }

func newWire(t testing.TB) wire {
	near, far, err := sock.StreamPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sock.Close(near)
		sock.Close(far)
	})
	return wire{near, far}
}

func newLoop() (*Loop, *memory.Allocator) {
	m := memory.New(new(timer.Heap), new(int64))
	return NewLoop(m, 0, 1<<20), m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOutputAgainstBuffer(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compareOutput(t, seed) })
	}
}

func FuzzOutput(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(compareOutput)
}

func compareOutput(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	l, m := newLoop()
	w := newWire(t)
	unix.SetsockoptInt(w.near, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	s := New(w.near)
	o := &s.Out
	var want bytes.Buffer // queued and not received
	received := make([]byte, 1<<20)
	for range 200 {
		switch random.IntN(7) {
		case 0:
			b := randomBytes(random)
			want.Write(b)
			o.Append(m, b)
			clear(b)
		case 1:
			b, err := m.CopyOf(append(randomBytes(random), 'x'))
			must(t, err)
			want.Write(b.B)
			o.Adopt(b)
		case 2:
			if _, err := s.Send(l, MaxSendBytes, nil); err != nil {
				t.Fatal(err)
			}
		case 5:
			n, before := random.IntN(o.bytes+1), want.Len()-o.bytes
			var to Output
			o.Transfer(m, n, &to)
			checkOutput(t, &to)
			if moved := slices.Concat(to.Pieces(nil)...); !bytes.Equal(moved, want.Bytes()[before:before+n]) {
				t.Fatalf("%d bytes were moved, which are not the first %d", len(moved), n)
			}
			to.Drop(m)
			want = *bytes.NewBuffer(slices.Delete(bytes.Clone(want.Bytes()), before, before+n))
		case 6:
			var other Output
			for range random.IntN(3) {
				other.Append(m, randomBytes(random))
			}
			other.Drain(m, random.IntN(other.bytes+1))
			for _, piece := range other.Pieces(nil) {
				want.Write(piece)
			}
			o.Join(&other)
		case 4:
			if o.bytes == 0 {
				continue
			}
			from := random.IntN(o.bytes)
			n := 1 + random.IntN(o.bytes-from)
			behind := want.Len() - o.bytes + from
			o.Cut(m, from, n)
			want = *bytes.NewBuffer(slices.Delete(bytes.Clone(want.Bytes()), behind, behind+n))
		case 3:
			n, err := sock.Recv(w.far, received[:1+random.IntN(len(received))])
			if err != nil && err != unix.EAGAIN {
				t.Fatal(err)
			}
			if !bytes.Equal(received[:n], want.Next(n)) {
				t.Fatal("received something else than was queued")
			}
		}
		checkOutput(t, o)
	}
	for want.Len() > 0 {
		if _, err := s.Send(l, MaxSendBytes, nil); err != nil {
			t.Fatal(err)
		}
		n, err := sock.Recv(w.far, received)
		if err != nil || !bytes.Equal(received[:n], want.Next(n)) {
			t.Fatalf("received %d bytes, which are not those that were queued (%v)", n, err)
		}
	}
	checkOutput(t, o)
	if o.bytes != 0 || len(o.chunks) != 0 {
		t.Errorf("%d bytes in %d chunks are left", o.bytes, len(o.chunks))
	}
}

// randomBytes returns some bytes, seldom many, from somewhere in a sequence that repeats itself late.
func randomBytes(random *rand.Rand) []byte {
	from := random.IntN(len(sequence))
	return bytes.Clone(sequence[from : from+random.IntN(min(len(sequence)-from, 1<<random.IntN(18))+1)])
}

// sequence holds the numbers from 0 on, three bytes each.
var sequence = func() (b []byte) {
	for i := range 100_000 {
		b = append(b, byte(i>>16), byte(i>>8), byte(i))
	}
	return b
}()

func TestOutputEnds(t *testing.T) {
	l, m := newLoop()
	w := newWire(t)
	s := New(w.near)
	o := &s.Out
	o.Append(m, []byte("lost"))
	unix.Shutdown(w.far, unix.SHUT_RDWR)
	if _, err := s.Send(l, MaxSendBytes, nil); err != unix.EPIPE {
		t.Errorf("sending to who has left: %v, want EPIPE", err)
	}
	o.Drop(m)
	checkOutput(t, o)
	if o.bytes != 0 {
		t.Errorf("%d bytes are left after drop", o.bytes)
	}
}

func TestInputAgainstBuffer(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compareInput(t, seed) })
	}
}

func FuzzInput(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(compareInput)
}

// compareInput consumes part of what there is at every step, now and then without receiving.
func compareInput(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	l, m := newLoop()
	w := newWire(t)
	s := New(w.near)
	s.Unread = true
	var want bytes.Buffer // sent and not consumed
	for range 200 {
		b := randomBytes(random)
		n, _ := sock.Send(w.far, b)
		want.Write(b[:n])
		var got []byte
		if len(s.Kept()) > 0 && random.IntN(4) == 0 {
			got = s.Reread()
		} else {
			var err error
			if got, err = s.Recv(l); err != nil {
				t.Fatal(err)
			}
			if got == nil {
				if s.Unread {
					t.Fatal("nothing came, and more is expected without an edge")
				}
				continue
			}
		}
		if !bytes.HasPrefix(want.Bytes(), got) {
			t.Fatal("received something else than was sent")
		}
		used := random.IntN(len(got) + 1)
		if random.IntN(3) == 0 {
			used = 0
		}
		want.Next(used)
		must(t, s.Keep(m, got[used:]))
		clear(l.buf)
		if len(s.Kept()) == 0 && s.rest != nil {
			t.Fatal("an empty input owns a buffer")
		}
	}
	finishInput(t, &s, l, m, w, &want)
}

// finishInput receives the rest and the end.
func finishInput(t *testing.T, s *Stream, l *Loop, m *memory.Allocator, w wire, want *bytes.Buffer) {
	unix.Shutdown(w.far, unix.SHUT_WR)
	s.Hangup = true
	for {
		got, err := s.Recv(l)
		if err == io.EOF {
			break
		}
		if err != nil || got == nil {
			t.Fatalf("before the end of the stream: %d bytes, %v", len(got), err)
		}
		must(t, s.Keep(m, got))
	}
	if s.Unread {
		t.Error("more is expected after the end")
	}
	if len(s.Kept()) != want.Len() || s.rest != nil && !bytes.Equal(s.rest.B, want.Bytes()) {
		t.Errorf("%d bytes are kept, %d were sent and not consumed", len(s.Kept()), want.Len())
	}
	s.DropInput(m)
	if s.rest != nil {
		t.Error("a buffer is left after drop")
	}
}

// What is written at once ends within a buffer.
func TestGatherEndsAtShare(t *testing.T) {
	l, _ := newLoop()
	o := Output{bytes: 270}
	for _, size := range []int{70, 100, 100} {
		o.chunks = append(o.chunks, &memory.Buffer{B: make([]byte, size)})
	}
	for most, want := range map[int]string{1: "[1]", 70: "[70]", 71: "[70 1]", 170: "[70 100]", 200: "[70 100 30]", 300: "[70 100 100]"} {
		bytes := o.gather(l, most)
		var sizes []int
		for _, v := range l.vectors {
			sizes = append(sizes, len(v))
		}
		if got := fmt.Sprint(sizes); got != want || bytes != min(most, 270) {
			t.Errorf("up to %d bytes: %d in %s, want %s", most, bytes, got, want)
		}
	}
}

// What is written of a large value is given back while the rest of it waits.
func TestLargeValueGoesBitByBit(t *testing.T) {
	_, m := newLoop()
	const size = 4 << 20
	b, err := m.CopyOf(bytes.Repeat([]byte{'x'}, size))
	must(t, err)
	var o Output
	o.Adopt(m.Split(b, size/2))
	o.Adopt(b)
	for left := size; left > 0; left -= size / 16 {
		if held := int(m.Held()); held < left || held > left+memory.ReleaseBytes+2*unix.Getpagesize() {
			t.Errorf("%d bytes are held of which %d are to be written", held, left)
		}
		o.Drain(m, size/16)
	}
	if m.Held() != 0 || o.bytes != 0 {
		t.Errorf("at the end %d bytes are held and %d to be written", m.Held(), o.bytes)
	}
}

func checkOutput(t testing.TB, o *Output) {
	t.Helper()
	bytes := 0
	for _, chunk := range o.chunks {
		bytes += len(chunk.B)
	}
	if bytes != o.bytes {
		t.Fatalf("an output counts %d bytes and has %d", o.bytes, bytes)
	}
	if o.bytes == 0 && len(o.chunks) > 0 {
		t.Fatalf("an empty output holds %d buffers", len(o.chunks))
	}
}
