// Loads on servers in this process: one that is right, and some that are wrong in every way a server can be.

package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func redisAddress(t *testing.T) string {
	t.Helper()
	return miniredis.RunT(t).Addr()
}

// serve runs a server that treats each connection as handle says.
func serve(t *testing.T, network, address string, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// relay passes bytes on to another server, the replies through change.
func relay(to string, change func(offset int, b []byte) []byte) func(net.Conn) {
	return func(client net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		go io.Copy(server, client) // ends with either
		buf := make([]byte, 1000)
		for offset := 0; ; {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			out := change(offset, buf[:n])
			offset += n
			if _, err := client.Write(out); err != nil || len(out) == 0 {
				return
			}
		}
	}
}

func TestEveryOperationIsVerified(t *testing.T) {
	for _, o := range Operations() {
		address := redisAddress(t)
		for _, bytes := range []int{0, 5, 200_000} {
			s := specFor(Redis, o, address)
			s.ValueBytes, s.Threads, s.Keys, s.InOrder = bytes, 2, 7, false
			ctx := t.Context()
			if err := Fill(ctx, s); err != nil {
				t.Fatal(err)
			}
			l, err := Connect(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			for _, requests := range []uint64{100, 1, 2} {
				r, err := l.Drive(ctx, Limit{Requests: requests})
				if err != nil || r.Err != nil || r.Errors != 0 {
					t.Fatalf("%s of %d bytes: %v, %v, %d errors", o, bytes, err, r.Err, r.Errors)
				}
				if r.Requests() != requests || r.Elapsed <= 0 || r.PerSecond() <= 0 {
					t.Errorf("%s of %d bytes: %d requests of %d in %v", o, bytes, r.Requests(), requests, r.Elapsed)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := Check(ctx, s); err != nil {
				t.Errorf("after %s of %d bytes: %v", o, bytes, err)
			}
		}
	}
}

func TestTimeBoundsALoad(t *testing.T) {
	l, err := Connect(t.Context(), specFor(Redis, Set, redisAddress(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := l.Drive(t.Context(), Limit{Time: 30 * time.Millisecond})
	if err != nil || r.Err != nil || r.Requests() == 0 || r.Elapsed < 30*time.Millisecond {
		t.Errorf("%v, %v: %d requests in %v", err, r.Err, r.Requests(), r.Elapsed)
	}
	if _, err := l.Drive(t.Context(), Limit{}); err == nil {
		t.Error("a load without a bound was started")
	}
}

func TestManyConnectionsOverSeveralAddresses(t *testing.T) {
	first, second := redisAddress(t), redisAddress(t)
	s := specFor(Redis, Set, first, second)
	s.Connections = 2*connectWave + 50
	l, err := Connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := l.Drive(t.Context(), Limit{Requests: 1000})
	if err != nil || r.Err != nil || r.Requests() != 1000 {
		t.Errorf("%v, %v, %d requests", err, r.Err, r.Requests())
	}
	for _, address := range s.Addresses { // which had every other connection, and so every other key
		one := s
		one.Addresses = []string{address}
		err := Check(t.Context(), one)
		if wrong := new(WrongReplyError); !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Got, `"-1`) {
			t.Errorf("%s: error %v, want a missing key", address, err)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, "unix", path, relay(redisAddress(t), func(_ int, b []byte) []byte { return b }))
	if err := Fill(t.Context(), specFor(Redis, Set, path)); err != nil {
		t.Error(err)
	}
}

// Values are five bytes: a reply is 11 bytes long, 4 of them before the value.
func TestWrongRepliesAreCaught(t *testing.T) {
	const later = 50 * 11 // after the request that each connection begins with
	address := redisAddress(t)
	s := specFor(Redis, Get, address)
	s.Connections = 1
	if err := Fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	replaceAt := func(at int, text string) func(int, []byte) []byte {
		return func(offset int, b []byte) []byte {
			if i := at - offset; i >= 0 && i < len(b) {
				return append(bytes.Clone(b[:i]), text...)
			}
			return b
		}
	}
	flipAt := func(at int) func(int, []byte) []byte {
		return func(offset int, b []byte) []byte {
			if i := at - offset; i >= 0 && i < len(b) {
				b[i] ^= 1
			}
			return b
		}
	}
	cases := map[string]struct {
		change func(int, []byte) []byte
		want   string
	}{
		"an error":           {replaceAt(later, "-ERR Connection refused\r\n"), `want "$5\r\n`},
		"a missing value":    {replaceAt(later, "$-1\r\n"), `got "-1\r\n"`},
		"one reply too much": {func(_ int, b []byte) []byte { return append(b, "+OK\r\n"...) }, `"+OK\r\n"`},
		"an early end": {func(offset int, b []byte) []byte {
			if offset >= later {
				return nil
			}
			return b
		}, "EOF"},
	}
	for i := range 11 { // each byte of a reply
		cases["byte "+string('a'+rune(i))] = struct {
			change func(int, []byte) []byte
			want   string
		}{flipAt(later + i), "wrong reply"}
	}
	for name, c := range cases {
		s.Addresses = []string{serve(t, "tcp", "127.0.0.1:0", relay(address, c.change))}
		result, err := connectAndDrive(t, s, 500)
		if err == nil {
			err = result.Err
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %s", name, err, c.want)
		}
		if result.Requests() >= 500 {
			t.Errorf("%s: all requests count as answered", name)
		}
	}
}

func connectAndDrive(t *testing.T, s Spec, requests uint64) (r Result, err error) {
	l, err := Connect(t.Context(), s)
	if err != nil {
		return r, err
	}
	defer l.Close()
	return l.Drive(t.Context(), Limit{Requests: requests})
}

func TestWrongReplySaysWhere(t *testing.T) {
	s := specFor(Redis, Get)
	w, err := newWorkload(s)
	if err != nil {
		t.Fatal(err)
	}
	c := conn{id: 1, end: 3}
	reply := w.render(make([]byte, 0, 100), w.replyAt(1, 0), 1, 0, 0)
	reply[6] ^= 0x80
	_, err = c.verify(w, reply, make([]byte, 0, 1000))
	wrong := new(WrongReplyError)
	if !errors.As(err, &wrong) || wrong.Request != 0 || wrong.Off != 6 {
		t.Errorf("error %v, want a wrong reply to request 0 at byte 6", err)
	}
}

func TestSilenceIsAnError(t *testing.T) {
	address := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { io.Copy(io.Discard, c) })
	w, err := newWorkload(specFor(Redis, Get, address))
	if err != nil {
		t.Fatal(err)
	}
	th, err := newThread(w, 2, new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	defer th.closeAll()
	th.patience = 20 * time.Millisecond
	for id := range uint64(2) {
		if err := th.connect(id, address, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := th.drive(0); err != nil || !errors.Is(th.result.Err, errPatience) || th.result.Errors != 2 {
		t.Errorf("%v, %v, %d errors", err, th.result.Err, th.result.Errors)
	}
}

func TestContextStopsALoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		cancel()
		io.Copy(io.Discard, c)
	})
	if _, err := Connect(ctx, specFor(Redis, Get, address)); !errors.Is(err, ErrStopped) {
		t.Errorf("error %v, want %v", err, ErrStopped)
	}
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Connect(t.Context(), specFor(Redis, Get, l.Addr().String())); err == nil {
		t.Error("connected to nobody")
	}
}

// A turn of the loop, from readable to the next batch sent, allocates nothing.
func TestTurnAllocatesNothing(t *testing.T) {
	for _, o := range Operations() {
		w, err := newWorkload(specFor(Redis, o))
		if err != nil {
			t.Fatal(err)
		}
		th, err := newThread(w, 1, new(atomic.Bool))
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs, err := sock.StreamPair()
		if err != nil {
			t.Fatal(err)
		}
		th.deadline = math.MaxInt64
		th.conns = append(th.conns, conn{fd: ours, state: idle, budget: math.MaxUint64})
		c := &th.conns[0]
		th.begin(c, 0)
		requests, replies := make([]byte, 10_000), make([]byte, 0, 10_000)
		var answered uint64
		allocs := testing.AllocsPerRun(100, func() {
			sock.Recv(theirs, requests)
			replies = replies[:0]
			for ; answered < c.end; answered++ {
				replies = w.render(replies, w.replyAt(0, answered), 0, answered, 0)
			}
			sock.Send(theirs, replies)
			th.serve(c, poll.Event{Readable: true, Writable: true})
		})
		if allocs != 0 || th.result.Err != nil || answered < 400 {
			t.Errorf("%s: %v allocations, error %v, %d replies", o, allocs, th.result.Err, answered)
		}
		sock.Close(theirs)
		if err := th.closeAll(); err != nil {
			t.Error(err)
		}
	}
}
