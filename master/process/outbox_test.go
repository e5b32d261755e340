// Saying much to a worker at once: nothing waits here, nothing is lost, the order is kept, and only one that reads nothing
// for a while is deaf.

package process

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/testkit"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// attentive is a process whose other end is the test's.
func attentive(t *testing.T, report func(Event)) (p *Worker, theirs int) {
	t.Helper()
	ours, theirs, err := sock.SeqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	p = &Worker{link: os.NewFile(uintptr(ours), "control"), report: report}
	t.Cleanup(func() {
		p.link.Close()
		sock.Close(theirs)
	})
	return p, theirs
}

func TestOutboxKeepsOrder(t *testing.T) {
	const messages = 2000 // a socket takes some 270
	before := testkit.Descriptors(t)
	p, theirs := attentive(t, func(e Event) { t.Errorf("reported: %v", e.Text) })
	file, err := sock.Eventfd()
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		m := link.Message{Kind: link.Drain, Body: link.DrainBody(uint64(i))}
		if i%10 == 0 {
			err = p.Send(m, file)
		} else {
			err = p.Send(m)
		}
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	sock.Close(file)
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, 2)
	for i := range messages {
		var n, got int
		testkit.Eventually(t, "a message", func() bool {
			n, got, _, err = sock.RecvFDs(theirs, buf, fds)
			return !sock.Again(err)
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := link.ParseMessage(buf[:n])
		want := 0
		if i%10 == 0 {
			want = 1
		}
		if err != nil || binary.LittleEndian.Uint64(m.Body) != uint64(i) || got != want {
			t.Fatalf("message %d is %v with %d descriptors, %v", i, m, got, err)
		}
		sock.CloseAll(fds[:got])
	}
	p.Flush(time.Now().Add(SendTimeout))
	p.link.Close()
	sock.Close(theirs)
	if now := testkit.Descriptors(t); len(now) > len(before) {
		t.Errorf("%d descriptors are open, %d were before", len(now), len(before))
	}
}

// A worker that reads nothing is reported once, and gets nothing any more. What waited for it is given back.
func TestOutboxOfTheDeaf(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reported []Event
	p, _ := attentive(t, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		reported = append(reported, e)
	})
	file, err := sock.Eventfd()
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(file)
	began := time.Now()
	for range 400 {
		if err := p.Send(link.Message{Kind: link.Serve}, file); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > SendTimeout/2 {
		t.Errorf("saying it took %v", took)
	}
	testkit.Eventually(t, "the report", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(reported) > 0
	})
	if len(reported) != 1 || reported[0].Kind != Deaf || reported[0].From != p {
		t.Errorf("reported: %+v", reported)
	}
	if err := p.Send(link.Message{Kind: link.Serve}); err == nil {
		t.Error("it can still be told something")
	}
	if !p.outbox.empty() {
		t.Error("messages still wait")
	}
}

// One that has gone is no matter of waiting, and is reported otherwise.
func TestOutboxOfTheDead(t *testing.T) {
	p, theirs := attentive(t, func(e Event) { t.Errorf("reported: %v", e.Text) })
	sock.Close(theirs)
	if err := p.Send(link.Message{Kind: link.Serve}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("it is told: %v", err)
	}
}

// The master has no descriptor to keep a message with one: that is an error of its own, and the worker is fine.
func TestOutboxWithoutDescriptors(t *testing.T) {
	p, theirs := attentive(t, func(e Event) { t.Errorf("reported: %v", e.Text) })
	for sock.SendFDs(theirs, make([]byte, 16), nil) == nil { // the other direction, so that nothing of ours waits yet
	}
	for p.Send(link.Message{Kind: link.Serve}) == nil && p.outbox.empty() {
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	next, err := sock.FreeDescriptor()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(next), Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err = p.Send(link.Message{Kind: link.Serve}, theirs)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !NoDescriptor(err) {
		t.Errorf("it is told: %v", err)
	}
	p.link.Close()
}
