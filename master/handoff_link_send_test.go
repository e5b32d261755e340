package master

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/testkit"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// pairOf returns both ends of an exchange.
func pairOf(t *testing.T) (a, b int) {
	t.Helper()
	a, b, err := sock.SeqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func copyOf(t *testing.T, fd int) int {
	t.Helper()
	own, err := sock.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func open(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// One who takes nothing keeps nobody waiting. In the end the one who speaks learns of it, once, and no descriptor is left.
func TestSayToOneThatHangs(t *testing.T) {
	before := open(t)
	a, b := pairOf(t)
	s := newSender(os.NewFile(uintptr(a), "exchange"), 100*time.Millisecond)
	failures := make(chan error, 10)
	s.tell(func(err error) { failures <- err })
	const words = 2000 // more than the socket takes
	began := time.Now()
	for i := range words {
		s.put(message{Kind: messagePeer, Slot: i, fds: []int{copyOf(t, b)}})
	}
	took := time.Since(began)
	var u *unsent
	if err := <-failures; !errors.As(err, &u) || u.kind != messagePeer || u.peerClosed() {
		t.Errorf("the failure is %v", err)
	}
	s.put(message{Kind: messageGo, fds: []int{copyOf(t, b)}})
	s.flush()
	if len(failures) > 0 {
		t.Errorf("another failure: %v", <-failures)
	}
	sock.Close(b)
	// What the socket has taken is gone with it.
	testkit.Eventually(t, "the end of all descriptors", func() bool { return open(t) <= before })
	t.Logf("%d words in %s", words, took)
}

// What was said before the end is said, however long the other one takes.
func TestSayAndEnd(t *testing.T) {
	a, b := pairOf(t)
	s := newSender(os.NewFile(uintptr(a), "exchange"), time.Minute)
	const words = 2000
	for i := range words {
		s.put(message{Kind: messageAgain, Slot: i})
	}
	s.closeWhenSent()
	s.put(message{Kind: messageGo}) // too late
	heard := make(chan message, words+1)
	ended := make(chan error, 1)
	go receive(os.NewFile(uintptr(b), "exchange"), func(msg message, err error) {
		if err != nil {
			ended <- err
			return
		}
		heard <- msg
	})
	<-ended
	close(heard)
	n := 0
	for msg := range heard {
		if msg.Kind != messageAgain || msg.Slot != n {
			t.Fatalf("word %d is %q %d", n, msg.Kind, msg.Slot)
		}
		n++
	}
	if n != words {
		t.Errorf("%d words were heard, want %d", n, words)
	}
}

// One that is gone is no failure of the one who speaks: somebody else notices.
func TestSayToNobody(t *testing.T) {
	a, b := pairOf(t)
	sock.Close(b)
	s := newSender(os.NewFile(uintptr(a), "exchange"), time.Minute)
	failures := make(chan error, 1)
	s.put(message{Kind: messageGo})
	s.tell(func(err error) { failures <- err })
	var u *unsent
	if err := <-failures; !errors.As(err, &u) || !u.peerClosed() {
		t.Errorf("the failure is %v", err)
	}
	s.flush()
}

// A long word travels as a memory file, with its descriptors.
func TestLongWord(t *testing.T) {
	a, b := pairOf(t)
	before := open(t)
	l, y := newMasterLink(a), newMasterLink(b)
	heard := make(chan message, 1)
	y.listen(func(msg message, err error) {
		if err == nil {
			heard <- msg
		}
	})
	reason := fmt.Sprintf("%0*d", 2*maxLinkBytes, 7)
	l.send(message{Kind: messageFailed, Reason: reason, fds: []int{copyOf(t, a), copyOf(t, a)}})
	msg := <-heard
	if msg.Reason != reason || len(msg.fds) != 2 {
		t.Errorf("%d bytes and %d descriptors", len(msg.Reason), len(msg.fds))
	}
	closeFDs(msg.fds)
	l.flush()
	y.flush()
	testkit.Eventually(t, "the end of all descriptors", func() bool { return open(t) <= before-2 })
}

// What cannot be understood, or has not come whole, leaves no descriptor open.
func TestReceiveNonsense(t *testing.T) {
	for name, send := range map[string]func(fd int, fds []int) error{
		"garbage":            func(fd int, fds []int) error { return sock.SendFDs(fd, []byte("garbage"), fds[:3]) },
		"what will be":       func(fd int, fds []int) error { return sock.SendFDs(fd, []byte(`{"critical":["future"]}`), fds[:3]) },
		"no memory file":     func(fd int, fds []int) error { return sock.SendFDs(fd, []byte{longMessage}, fds[:3]) },
		"more than is taken": func(fd int, fds []int) error { return sock.SendFDs(fd, []byte(`{"kind":"sockets"}`), fds) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pairOf(t)
			fds := make([]int, maxLinkFDs+2)
			for i := range fds {
				fds[i] = a
			}
			before := open(t)
			if err := send(a, fds); err != nil {
				t.Fatal(err)
			}
			file := os.NewFile(uintptr(b), "exchange")
			ended := make(chan error, 1)
			receive(file, func(msg message, err error) {
				if err == nil {
					t.Errorf("understood as %q", msg.Kind)
					closeFDs(msg.fds)
				}
				ended <- err
			})
			if now := open(t); now > before { // fewer: those of an earlier test have been found to be garbage
				t.Errorf("after %v %d descriptors are open, before there were %d", <-ended, now, before)
			}
			file.Close()
			sock.Close(a)
		})
	}
}
