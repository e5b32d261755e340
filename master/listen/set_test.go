// A set on a kernel that writes down what it is asked.

package listen

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// script is such a kernel, the service manager, and the log.
type script struct {
	text   bytes.Buffer
	lastFD int
	busy   string // an address on which nobody may listen any more
}

func (k *script) printf(format string, args ...any) { fmt.Fprintf(&k.text, format+"\n", args...) }

func (k *script) Offer([]byte, int) bool { return true }
func (k *script) Lost() int              { return 0 }
func (k *script) Reopen(func(error))     {}

func (k *script) Direct(string, func(error)) {}

func (k *script) set() *Set {
	unlinker := func(path string) func() { return func() { k.printf("unlink %s", path) } }
	return &Set{
		Log:    logfile.NewLogger(k, time.Now, 0),
		Forget: func(name string) { k.printf("forget %s", name) },
		Kernel: Kernel{
			Probe: func(l config.Listen, own []uint64) error { k.printf("probe %s, own %d", l.Address, own); return nil },
			Bind: func(l config.Listen, own []uint64, _ time.Duration) (Socket, error) {
				if l.Address == k.busy {
					return Socket{}, syscall.EADDRINUSE
				}
				k.lastFD++
				k.printf("bind %s: %d", l.Address, k.lastFD)
				s := Socket{FD: k.lastFD, Inode: uint64(k.lastFD)}
				if l.Network == "unix" {
					s.Unlink = unlinker(l.Address)
				}
				return s, nil
			},
			Alone:    func(do func() error) error { return do() },
			Listen:   func(fd, backlog int) error { k.printf("listen on %d", fd); return nil },
			Unroute:  func(fds ...int) error { k.printf("unroute %d", fds); return nil },
			Steer:    func(fd int) error { k.printf("steer to %d", fd); return nil },
			UnlinkAt: func(path string, _ Spot) func() { return unlinker(path) },
			OpenGroup: func(fd int) (func(), error) {
				k.printf("open the group of %d", fd)
				return func() { k.printf("close the group of %d", fd) }, nil
			},
			Close:    func(fd int) error { k.printf("close %d", fd); return nil },
			Inode:    func(fd int) uint64 { return uint64(fd) },
			Same:     func(a, b int) bool { return a == b },
			Locate:   func(string) (Spot, error) { return Spot{}, nil },
			Unlinker: unlinker,
		},
	}
}

// heard returns what the kernel was asked since it was looked at last.
func (k *script) heard(t *testing.T, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(k.text.String(), "\n"), "\n")
	k.text.Reset()
	if !slices.Equal(got, want) && (len(want) > 0 || got[0] != "") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func layout(t *testing.T, slots int, addresses ...string) Layout {
	t.Helper()
	y := Layout{Slots: slots}
	for _, a := range addresses {
		p := config.Pool{Pool: link.Pool{Name: a}, Listen: config.Listen{Network: "unix", Address: a, Text: a}}
		if !strings.HasPrefix(a, "/") {
			p.Listen = tcp(t, a)
		}
		y.Pools = append(y.Pools, p)
	}
	return y
}

// A queue in which clients may wait is never closed by a change of generations; what goes is known as ours for a while.
func TestSetLife(t *testing.T) {
	k := &script{}
	s := k.set()
	y := layout(t, 2, "127.0.0.1:1", "/run/a")
	if err := s.Open(y, 0); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "probe 127.0.0.1:1, own []", "probe /run/a, own []",
		"bind 127.0.0.1:1: 1", "bind 127.0.0.1:1: 2", "bind /run/a: 3", "listen on 1", "listen on 3")
	if err := s.ListenFor(y, 1); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "listen on 2")
	if fresh := s.Settle(); len(fresh) != 3 || len(s.Settle()) != 0 {
		t.Errorf("%d were fresh", len(fresh))
	}

	// More slots and another address: nothing that is there is bound anew, and what is our own is no obstacle.
	next := layout(t, 3, "127.0.0.1:1", "0.0.0.0:1")
	if err := s.Claim(next, 0); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "probe 0.0.0.0:1, own [1 2]", "bind 127.0.0.1:1: 4", "bind 0.0.0.0:1: 5", "bind 0.0.0.0:1: 6", "bind 0.0.0.0:1: 7")
	if err := s.Listen(next); err != nil {
		t.Fatal(err)
	}
	k.heard(t, "listen on 4", "listen on 5", "listen on 6", "listen on 7")
	s.All()[0].Stored = true
	s.Close(true, func(l *Listener) bool { return l.Address != "0.0.0.0:1" })
	k.heard(t, "unroute [1 2 4]", "forget listen/tcp/127.0.0.1:1/0", "close 1", "close 2", "unlink /run/a", "close 3", "close 4")
	if got := s.Own(tcp(t, "127.0.0.1:1")); !slices.Equal(got, []uint64{1, 2, 4, 5, 6, 7}) {
		t.Errorf("in the way are %d", got)
	}
	s.Abandon()
	k.heard(t, "close 5", "close 6", "close 7")
	if len(s.All()) != 0 {
		t.Errorf("%d are left", len(s.All()))
	}
}

// A group from which something stays is not turned away, nor is what the service manager has opened.
func TestSetUnroutesWholeGroups(t *testing.T) {
	k := &script{}
	s := k.set()
	for slot := range 2 {
		s.Add(Listener{Network: "tcp", Address: "127.0.0.1:1", Slot: slot, Queues: true, Socket: Socket{FD: 1 + slot}})
		s.Add(Listener{Network: "tcp", Address: "127.0.0.1:2", Slot: slot, Queues: true, Foreign: true, Socket: Socket{FD: 3 + slot}})
	}
	s.Close(true, func(l *Listener) bool { return l.FD == 1 })
	k.heard(t, "close 1")
	s.Close(false, func(l *Listener) bool { return l.FD == 2 })
	k.heard(t, "close 2")
	s.Close(true, func(*Listener) bool { return true })
	k.heard(t, "close 3", "close 4")
}

// Where the group of the service manager takes no more sockets, all workers accept from those that are there.
func TestSetSharesWhatItCannotJoin(t *testing.T) {
	k := &script{busy: "127.0.0.1:1"}
	s := k.set()
	s.Add(Listener{Network: "tcp", Address: "127.0.0.1:1", Slot: 0, Queues: true, Foreign: true, Socket: Socket{FD: 70}})
	y := layout(t, 2, "127.0.0.1:1")
	if err := s.Claim(y, 0); err != nil {
		t.Fatal(err)
	}
	if l := s.All()[0]; len(s.All()) != 1 || l.Slot != EverySlot || !s.Hears(y, y.Pools[0].Listen, 1) {
		t.Errorf("there are %+v", *l)
	}
}

// A copy takes the slot of the worker that has lent it, or one that is the same worker's.
func TestSetLent(t *testing.T) {
	k := &script{}
	s := k.set()
	tcp := link.Listener{Network: "tcp", Address: "127.0.0.1:1"}
	unix := link.Listener{Network: "unix", Address: "/run/a", Shared: true}
	for _, c := range []struct {
		what link.Listener
		slot int
		want string
	}{
		{tcp, 1, "listen/tcp/127.0.0.1:1/1"},
		{tcp, 1, "listen/tcp/127.0.0.1:1/3"},
		{tcp, 0, "listen/tcp/127.0.0.1:1/0"},
		{unix, 0, "listen/unix/run/a"},
		{link.Listener{Network: "unix", Address: "/run/a"}, 1, "listen/unix/run/a/1"}, // beside one for all slots no slot is free
	} {
		l := s.Lent(c.what, c.slot, 2, 7)
		if l.Name != strings.Replace(c.want, "unix/run", "unix//run", 1) || (l.Unlink != nil) != (c.what.Network == "unix") || l.Fresh || !l.Queues {
			t.Errorf("%+v of slot %d becomes %+v", c.what, c.slot, l)
		}
		s.Add(l)
	}
}

// Workers that an earlier master has left share the socket of the service manager: none is missing for any of them.
func TestSetSharesAgain(t *testing.T) {
	set := new(script).set()
	set.Add(Listener{Name: "pinion.socket", Network: "tcp", Address: "127.0.0.1:1", Foreign: true})
	set.Add(Listener{Name: Name("tcp", "127.0.0.1:2", 0), Network: "tcp", Address: "127.0.0.1:2"})
	for _, shared := range []bool{false, true} {
		set.ShareAgain([]link.Listener{{Network: "tcp", Address: "127.0.0.1:1", Shared: shared}, {Network: "tcp", Address: "127.0.0.1:2", Shared: shared}})
		if set.Taken("tcp", "127.0.0.1:1", 1) != shared || set.Taken("tcp", "127.0.0.1:2", 1) {
			t.Errorf("after shared is %v: %+v, %+v", shared, set.all[0], set.all[1])
		}
	}
}
