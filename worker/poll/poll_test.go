// Edges: each reported once, for both directions, with the token under which the descriptor was added.

package poll

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t *testing.T) *Poller {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// pair returns a socket that is watched under token, and its far end.
func pair(t *testing.T, p *Poller, token Token) (near, far int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(fds[0], token); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// expect compares what a Wait that does not wait returns.
func expect(t *testing.T, p *Poller, want ...Event) {
	t.Helper()
	got, err := p.Wait(0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("events %+v, want %+v", got, want)
	}
}

func write(t *testing.T, fd int, b []byte) int {
	t.Helper()
	n, err := unix.Write(fd, b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEdges(t *testing.T) {
	p := newPoller(t)
	token := Token{Index: 7, Seq: 1<<32 - 1}
	near, far := pair(t, p, token)
	expect(t, p, Event{Token: token, Writable: true})
	expect(t, p)
	write(t, far, []byte("ab"))
	expect(t, p, Event{Token: token, Readable: true, Writable: true})
	expect(t, p) // once, although it was not read

	var b [1]byte
	unix.Read(near, b[:])
	expect(t, p) // nor is what is left of it
	write(t, far, []byte("c"))
	expect(t, p, Event{Token: token, Readable: true, Writable: true})

	unix.Shutdown(far, unix.SHUT_WR)
	expect(t, p, Event{Token: token, Readable: true, Writable: true, Hangup: true})
	unix.Close(far)
	expect(t, p, Event{Token: token, Readable: true, Writable: true, Hangup: true})
	expect(t, p)
}

// A write that falls short is followed by an edge once the peer has read.
func TestWritableAgain(t *testing.T) {
	p := newPoller(t)
	token := Token{Index: 1}
	near, far := pair(t, p, token)
	expect(t, p, Event{Token: token, Writable: true})
	b := make([]byte, 1<<20)
	sent := 0
	for {
		n, err := unix.Write(near, b)
		if err == unix.EAGAIN {
			break
		}
		sent += n
	}
	expect(t, p)
	for sent > 0 {
		n, err := unix.Read(far, b)
		if err != nil {
			t.Fatal(err)
		}
		sent -= n
	}
	expect(t, p, Event{Token: token, Writable: true})
}

func TestRemove(t *testing.T) {
	p := newPoller(t)
	near, far := pair(t, p, Token{Index: 1})
	write(t, far, []byte("x"))
	if err := p.Remove(near); err != nil {
		t.Fatal(err)
	}
	expect(t, p)
	if err := p.Remove(near); err != unix.ENOENT {
		t.Errorf("removing twice: %v", err)
	}

	// The same descriptor under another token: what was before it is not reported under the old one.
	next := Token{Index: 1, Seq: 1}
	if err := p.Add(near, next); err != nil {
		t.Fatal(err)
	}
	expect(t, p, Event{Token: next, Readable: true, Writable: true})
	if err := p.Add(near, next); err != unix.EEXIST {
		t.Errorf("adding twice: %v", err)
	}
}

// A registration belongs to the open file and outlives the number: that is why Remove must come before close.
func TestRegistrationOutlivesNumber(t *testing.T) {
	p := newPoller(t)
	token := Token{Index: 3, Seq: 9}
	near, far := pair(t, p, token)
	expect(t, p, Event{Token: token, Writable: true})
	other, err := unix.FcntlInt(uintptr(near), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, near, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	write(t, far, []byte("x"))
	expect(t, p, Event{Token: token, Readable: true, Writable: true})
}

func TestListenerIsLevelTriggered(t *testing.T) {
	for _, shared := range []bool{false, true} {
		p := newPoller(t)
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
		token := Token{Index: 5}
		if err := p.AddListener(fd, token, shared); err != nil {
			t.Fatal(err)
		}
		expect(t, p)
		to, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(client)
		if err := unix.Connect(client, to); err != nil {
			t.Fatal(err)
		}
		for range 2 { // as long as it is not accepted
			got, err := p.Wait(time.Minute)
			if err != nil || len(got) != 1 || got[0] != (Event{Token: token, Readable: true}) {
				t.Fatalf("shared %v: events %+v, %v", shared, got, err)
			}
		}
	}
}

func TestWaitEnds(t *testing.T) {
	p := newPoller(t)
	for _, timeout := range []time.Duration{0, 50 * time.Microsecond, 3 * time.Millisecond} {
		took := time.Duration(-1)
		for tries := 0; took < timeout && tries < 10; tries++ { // a signal may end a wait early
			began := time.Now()
			got, err := p.Wait(timeout)
			if err != nil || len(got) != 0 {
				t.Fatalf("events %+v, %v", got, err)
			}
			took = time.Since(began)
		}
		if took < timeout {
			t.Errorf("a wait of %v took only %v", timeout, took)
		}
	}
}

// A wait without end is woken by what happens during it.
func TestWaitWithoutEnd(t *testing.T) {
	p := newPoller(t)
	token := Token{Index: 2}
	_, far := pair(t, p, token)
	expect(t, p, Event{Token: token, Writable: true})
	time.AfterFunc(5*time.Millisecond, func() { unix.Write(far, []byte("x")) })
	got, err := p.Wait(-1)
	for err == nil && len(got) == 0 { // by a signal, of the runtime's monitor
		got, err = p.Wait(-1)
	}
	if err != nil || len(got) != 1 || got[0] != (Event{Token: token, Readable: true, Writable: true}) {
		t.Fatalf("events %+v, %v", got, err)
	}
}

func TestManyEvents(t *testing.T) {
	p := newPoller(t)
	const sockets = eventsPerWait/2 + 1
	seen := map[Token]int{}
	for i := range uint32(sockets) {
		pair(t, p, Token{Index: i, Seq: i})
	}
	for {
		got, err := p.Wait(0)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		for _, ev := range got {
			seen[ev.Token]++
		}
	}
	for i := range uint32(sockets) {
		if seen[Token{Index: i, Seq: i}] != 1 {
			t.Errorf("socket %d was reported %d times", i, seen[Token{Index: i, Seq: i}])
		}
	}
}

func TestWaitAllocations(t *testing.T) {
	p := newPoller(t)
	_, far := pair(t, p, Token{})
	b := []byte("x")
	if n := testing.AllocsPerRun(100, func() {
		unix.Write(far, b)
		p.Wait(0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestClosedPoller(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := p.Wait(0); err != unix.EBADF {
		t.Errorf("waiting on a closed poller: %v", err)
	}
	if err := p.Add(0, Token{}); err != unix.EBADF {
		t.Errorf("adding to a closed poller: %v", err)
	}
}

// The alarm ends a wait without end, once; a later one does not put off an earlier one.
func TestAlarm(t *testing.T) {
	p := newPoller(t)
	now := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano()
	}
	for range 3 {
		at := now() + int64(2*time.Millisecond)
		for _, alarm := range []int64{at, at + int64(time.Hour)} {
			if err := p.Alarm(alarm); err != nil {
				t.Fatal(err)
			}
		}
		for p.alarm != 0 { // a signal may end a wait early
			if got, err := p.Wait(-1); err != nil || len(got) != 0 {
				t.Fatalf("events %+v, %v", got, err)
			}
		}
		if rang := now(); rang < at {
			t.Errorf("the alarm rang %v early", time.Duration(at-rang))
		}
		if got, err := p.Wait(0); err != nil || len(got) != 0 || p.alarm != 0 {
			t.Errorf("after the alarm: %+v, %v, due %d", got, err, p.alarm)
		}
	}
}

// A wait that follows an event is not announced to the scheduler. It must all the same end some day, so that others get
// the processor that it holds: here the only one.
func TestWaitGivesTheProcessorBack(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := newPoller(t)
	token := Token{Index: 1}
	_, far := pair(t, p, token)
	if _, err := p.Wait(-1); err != nil { // writable, at once
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := unix.Write(far, []byte("a"))
		wrote <- err
	}()
	for waits := 1; ; waits++ {
		events, err := p.Wait(-1)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 && waits < 100 {
			continue
		}
		if want := []Event{{Token: token, Readable: true, Writable: true}}; !slices.Equal(events, want) {
			t.Fatalf("after %d waits: events %+v, want %+v", waits, events, want)
		}
		break
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
}

// A signal is no event: a wait after one that was only interrupted is announced to the scheduler, else the monitor would
// interrupt an idle loop for ever.
func TestCalmAfterSignal(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, done := unix.Gettid(), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				unix.Tgkill(unix.Getpid(), thread, unix.SIGURG)
				runtime.Gosched()
			}
		}
	}()
	p.calm = false
	events, err := p.Wait(-1)
	close(done)
	if len(events) > 0 || err != nil {
		t.Errorf("events %v, error %v", events, err)
	}
	if !p.calm {
		t.Error("the next wait is not announced")
	}
}
