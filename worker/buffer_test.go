// Output and input against one plain buffer, over sockets that take and give little at a time.

package worker

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

// bareLoop has only what buffers need of a loop.
func bareLoop() *loop {
	l := &loop{buf: make([]byte, 2*directBytes), vectors: make([][]byte, 0, sock.MaxVectors)}
	l.memory = memory.New(&l.timers, &l.now)
	return l
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
	l, w := bareLoop(), newWire(t)
	unix.SetsockoptInt(w.near, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	var o output
	var want bytes.Buffer // queued and not received
	received := make([]byte, 1<<20)
	for range 200 {
		switch random.IntN(5) {
		case 0:
			b := randomBytes(random)
			want.Write(b)
			o.append(l.memory, b)
			clear(b)
		case 1:
			b, err := l.memory.CopyOf(append(randomBytes(random), 'x'))
			must(t, err)
			want.Write(b.B)
			o.adopt(b)
		case 2:
			if _, err := o.send(l, w.near, maxSendBytes); err != nil {
				t.Fatal(err)
			}
		case 4:
			if o.bytes == 0 {
				continue
			}
			from := random.IntN(o.bytes)
			n := 1 + random.IntN(o.bytes-from)
			behind := want.Len() - o.bytes + from
			o.cut(l.memory, from, n)
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
		checkOutput(t, &o)
	}
	for want.Len() > 0 {
		if _, err := o.send(l, w.near, maxSendBytes); err != nil {
			t.Fatal(err)
		}
		n, err := sock.Recv(w.far, received)
		if err != nil || !bytes.Equal(received[:n], want.Next(n)) {
			t.Fatalf("received %d bytes, which are not those that were queued (%v)", n, err)
		}
	}
	checkOutput(t, &o)
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
	l, w := bareLoop(), newWire(t)
	var o output
	o.append(l.memory, []byte("lost"))
	unix.Shutdown(w.far, unix.SHUT_RDWR)
	if _, err := o.send(l, w.near, maxSendBytes); err != unix.EPIPE {
		t.Errorf("sending to who has left: %v, want EPIPE", err)
	}
	o.drop(l.memory)
	checkOutput(t, &o)
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
	l, w := bareLoop(), newWire(t)
	in := input{unread: true}
	var want bytes.Buffer // sent and not consumed
	for range 200 {
		b := randomBytes(random)
		n, _ := sock.Send(w.far, b)
		want.Write(b[:n])
		var got []byte
		if in.size() > 0 && random.IntN(4) == 0 {
			got = in.kept()
		} else {
			var err error
			if got, err = in.recv(l, w.near); err != nil {
				t.Fatal(err)
			}
			if got == nil {
				if in.unread {
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
		must(t, in.keep(l.memory, got[used:]))
		clear(l.buf)
		if in.size() == 0 && in.rest != nil {
			t.Fatal("an empty input owns a buffer")
		}
	}
	finishInput(t, &in, l, w, &want)
}

// finishInput receives the rest and the end.
func finishInput(t *testing.T, in *input, l *loop, w wire, want *bytes.Buffer) {
	unix.Shutdown(w.far, unix.SHUT_WR)
	in.hangup = true
	for {
		got, err := in.recv(l, w.near)
		if err == io.EOF {
			break
		}
		if err != nil || got == nil {
			t.Fatalf("before the end of the stream: %d bytes, %v", len(got), err)
		}
		must(t, in.keep(l.memory, got))
	}
	if in.unread {
		t.Error("more is expected after the end")
	}
	if in.size() != want.Len() || in.rest != nil && !bytes.Equal(in.rest.B, want.Bytes()) {
		t.Errorf("%d bytes are kept, %d were sent and not consumed", in.size(), want.Len())
	}
	in.drop(l.memory)
	if in.rest != nil {
		t.Error("a buffer is left after drop")
	}
}
