// Signatures are made in order, beside the loop, which waits for none of them; and nothing is left of the thread.

package signer

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func start(t *testing.T) *Thread {
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await waits until there is something to deliver.
func (t *Thread) await(test *testing.T) {
	test.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}, 10_000); n != 1 {
		test.Fatalf("nothing is made (%v)", err)
	}
}

func TestThread(t *testing.T) {
	s := start(t)
	defer s.Stop()
	var made, told []int
	gate := make(chan struct{})
	for i := range Room {
		if !s.HasRoom() {
			t.Fatalf("no room after %d", i)
		}
		s.Ask(func() { <-gate; made = append(made, i) }, func() { told = append(told, i) })
	}
	if s.HasRoom() {
		t.Error("more than Room can be asked for")
	}
	if s.Deliver(); len(told) > 0 {
		t.Error("what is not made is delivered")
	}
	close(gate)
	for len(told) < Room {
		s.await(t)
		s.Deliver()
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7}; !slices.Equal(made, want) || !slices.Equal(told, want) {
		t.Errorf("made %v, told %v", made, told)
	}
	if !s.HasRoom() {
		t.Error("there is no room when all is delivered")
	}
}

// The loop has a thread of its own that is as important as before.
func TestThreadIsNice(t *testing.T) {
	before := nicenessHere(t)
	s := start(t)
	its := 0
	s.Ask(func() { its = nicenessHere(t) }, func() {})
	s.await(t)
	s.Deliver()
	s.Stop()
	kept := before > 10 && its == before // only root becomes more important
	if now := nicenessHere(t); its != 10 && !kept || now != before {
		t.Errorf("the thread has a niceness of %d, the loop of %d", its, now)
	}
}

// nicenessHere returns that of the calling thread.
func nicenessHere(t *testing.T) int {
	inverse, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Error(err)
	}
	return 20 - inverse
}

// Stop waits for the signature that is being made, and for no other.
func TestStop(t *testing.T) {
	processors, descriptors := runtime.GOMAXPROCS(0), openDescriptors(t)
	s := start(t)
	begun, gate := make(chan struct{}), make(chan struct{})
	s.Ask(func() { close(begun); <-gate }, func() { t.Error("told") })
	<-begun
	for s.HasRoom() {
		s.Ask(func() { t.Error("made") }, func() { t.Error("told") })
	}
	go func() {
		for len(s.asked) > 0 {
			runtime.Gosched()
		}
		close(gate)
	}()
	s.Stop()
	if now := runtime.GOMAXPROCS(0); now != processors {
		t.Errorf("%d processors, before %d", now, processors)
	}
	if now := openDescriptors(t); now != descriptors {
		t.Errorf("%d descriptors, before %d", now, descriptors)
	}
	if stacks := make([]byte, 1<<20); strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "signer.(*Thread).run") {
		t.Error("the thread runs on")
	}
}

func openDescriptors(t *testing.T) (n int) {
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}
