// Sockets of another program, on a kernel that writes down what it is asked.

package listen

import (
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
)

const shared = "127.0.0.1:1"

// takenSet is a set that serves on a socket of a program, for two slots.
func takenSet(t *testing.T, k *script, lives *bool) (*Set, Layout) {
	t.Helper()
	s := k.set()
	y := layout(t, 2, shared)
	s.Take("tcp", shared, 70, &Other{PID: 5, Lives: func() bool { return *lives }})
	if err := s.Open(y, 0); err != nil {
		t.Fatal(err)
	}
	k.heard(t)
	if !s.Hears(y, y.Pools[0].Listen, 1) || s.Lone(y) {
		t.Error("until it serves, all workers accept from one socket, and nothing joins that")
	}
	s.Settle()
	return s, y
}

func slotsOf(s *Set) (all []int) {
	for _, l := range s.All() {
		all = append(all, l.Slot)
	}
	return all
}

func TestSetCompletesTheGroup(t *testing.T) {
	k, lives := &script{}, true
	s, y := takenSet(t, k, &lives)
	if !s.Lone(y) {
		t.Fatal("nothing is to join it")
	}
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "open the group of 70", "bind 127.0.0.1:1: 1")
	if got := slotsOf(s); got[0] != 0 || got[1] != 1 {
		t.Errorf("slots %d", got)
	}

	// The attempt fails: all accept from the first again, and another attempt does the same.
	s.Close(true, func(l *Listener) bool { return l.Fresh })
	k.heard(t, "close 1")
	s.Part()
	s.Settle()
	if !s.Hears(y, y.Pools[0].Listen, 1) || !s.Lone(y) {
		t.Errorf("slots %d after a failure", slotsOf(s))
	}
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "open the group of 70", "bind 127.0.0.1:1: 2")
	if err := s.Listen(y); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	k.heard(t, "listen on 2")
	if s.Lone(y) {
		t.Error("more is to join it")
	}

	// The other program lives, so its socket goes on.
	s.Close(true, func(*Listener) bool { return true })
	k.heard(t, "steer to 70", "close the group of 70", "close 70", "close 2")
}

// A stop while sockets are joining, which take no connections yet.
func TestSetStoppedWhileJoining(t *testing.T) {
	k, lives := &script{}, true
	s, y := takenSet(t, k, &lives)
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	k.text.Reset()
	s.Close(true, func(*Listener) bool { return true })
	k.heard(t, "close the group of 70", "close 70", "close 1")
}

func TestSetOfAProgramThatHasEnded(t *testing.T) {
	k, lives := &script{}, true
	s, y := takenSet(t, k, &lives)
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(y); err != nil {
		t.Fatal(err)
	}
	s.Settle()
	lives = false
	k.text.Reset()
	s.Close(true, func(*Listener) bool { return true })
	k.heard(t, "unroute [70 1]", "close 70", "close 1")
}

// The kernel takes sockets of one user only into a group.
func TestSetStaysAlone(t *testing.T) {
	k, lives := &script{}, true
	s, y := takenSet(t, k, &lives)
	k.busy = shared
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	if len(s.All()) != 1 || s.Lone(y) || !s.Hears(y, y.Pools[0].Listen, 1) {
		t.Errorf("slots %d", slotsOf(s))
	}
	k.text.Reset()
	s.Close(true, func(*Listener) bool { return true })
	k.heard(t, "close the group of 70", "close 70")
}

// A path is left where it is while the program lives that serves it.
func TestSetOfATakenPath(t *testing.T) {
	k, lives := &script{}, true
	s := k.set()
	y := layout(t, 2, "/run/a")
	for range 2 {
		s.Take("unix", "/run/a", 70, &Other{PID: 5, Lives: func() bool { return lives }})
		if err := s.Claim(y, 0); err != nil || s.Lone(y) || s.Count(config.Listen{Network: "unix", Address: "/run/a"}) != 1 {
			t.Fatal(err, slotsOf(s))
		}
		s.Settle()
		s.Close(true, func(*Listener) bool { return true })
		if lives {
			k.heard(t, "close 70")
		} else {
			k.heard(t, "unlink /run/a", "close 70")
		}
		lives = false
	}
}
