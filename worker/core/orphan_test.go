// Orphans and their next master.

package core

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// waiting returns the addresses at which this process, as any number of workers, waits for a master.
func waiting(t *testing.T) (names []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		for i := range maxOrphanNames {
			listens := fields[3] == "00010000" // the name of a connection is that of the listener
			if listens && fields[len(fields)-1] == link.OrphanName(os.Getuid(), "", os.Getpid()+i*orphanStride) {
				names = append(names, fields[len(fields)-1])
			}
		}
	}
	return names
}

// orphaned is a worker that has a client and waits for a master.
func orphaned(t *testing.T, orphans link.Orphans) (*rig, *loop, *peer, string) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	l.spec.Orphans = orphans
	l.succession.origins = r.origins()
	c := r.connect("c", 0, 0)
	r.pings(c, l)
	r.masters[0].hangUp()
	r.turn()
	r.pings(c, l)
	names := waiting(t)
	if len(names) != 1 {
		t.Fatalf("it waits at %q", names)
	}
	return r, l, c, names[0]
}

// origins are the memory files that an orphan shows.
func (r *rig) origins() [2]int {
	spec, err := sock.MemfdSealed("spec", []byte("what it was told"))
	r.must(err)
	shared, _, err := sock.MemfdShared("shared", 4096)
	r.must(err)
	r.t.Cleanup(func() { sock.CloseAll([]int{spec, shared}) })
	return [...]int{spec, shared}
}

// come connects a master and checks the worker's introduction, which it returns.
func (r *rig) come(name string) (body link.OrphanBody) {
	r.t.Helper()
	fd, err := sock.ConnectSeqpacket(name)
	r.must(err)
	master := &peer{name: "master", fd: fd, deaf: true}
	r.masters[0] = master
	r.turn()
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, 3)
	n, got, _, err := sock.RecvFDs(fd, buf, fds)
	r.must(err)
	defer sock.CloseAll(fds[:got])
	m, err := link.ParseMessage(buf[:n])
	if err != nil || m.Kind != link.Orphan || got != 2 {
		r.t.Fatalf("it says %d with %d descriptors, %v", m.Kind, got, err)
	}
	if text, err := sock.ReadAll(fds[0]); string(text) != "what it was told" || err != nil {
		r.t.Errorf("the specification is %q, %v", text, err)
	}
	if mem, err := sock.Map(fds[1], 4096); err != nil || sock.Unmap(mem) != nil {
		r.t.Errorf("mapping the counters: %v", err)
	}
	r.must(link.ParseBody(m, &body))
	master.deaf = false
	return body
}

// The next master has the worker as if there had been no other, and so has the one after that.
func TestOrphanMeetsMasters(t *testing.T) {
	r, l, c, name := orphaned(t, link.OrphansServe)
	for range 3 {
		r.come(name)
		r.pings(c, l)
		r.pings(r.connect("new", 0, 0), l)
		if _, err := sock.ConnectSeqpacket(name); !errors.Is(err, unix.ECONNREFUSED) || len(waiting(t)) > 0 {
			t.Errorf("a second master: %v; it waits at %q", err, waiting(t))
		}
		r.masters[0].hangUp()
		r.turn()
		if got := waiting(t); len(got) != 1 || got[0] != name || !l.succession.orphan {
			t.Fatalf("it waits at %q", got)
		}
	}
	r.come(name)
	r.tell(link.Message{Kind: link.Drain, Body: link.DrainBody(0)})
	if !c.ended || !l.ended {
		t.Errorf("it drains: %v; it has ended: %v", c.ended, l.ended)
	}
}

// What it has been left alone with it keeps: the next master's death does not make it give to those who are to follow.
func TestOrphanIsSettled(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	r.handOver(before, next)
	r.instruct(next, link.Settle, nil)
	r.instruct(before, link.Finish, nil)
	r.turn()
	r.masters[1].hangUp()
	r.turn()
	if !next.succession.orphan || !next.succession.settled || len(waiting(t)) != 1 {
		t.Errorf("orphan: %v, settled: %v, waits at %q", next.succession.orphan, next.succession.settled, waiting(t))
	}
	r.pings(c, next)
}

// Under a service manager an orphan drains if no master comes, and not if one does.
func TestOrphanWaits(t *testing.T) {
	for _, comes := range []bool{false, true} {
		t.Run(fmt.Sprintf("comes=%v", comes), func(t *testing.T) {
			r, l, c, name := orphaned(t, link.OrphansWait)
			r.advance(time.Duration(orphanWait) * 9 / 10)
			r.pings(c, l)
			if comes {
				r.come(name)
			}
			r.advance(time.Duration(orphanWait))
			if l.ended == comes || c.ended == comes {
				t.Errorf("ended: %v, client closed: %v", l.ended, c.ended)
			}
			if len(waiting(t)) > 0 {
				t.Errorf("it waits at %q", waiting(t))
			}
		})
	}
}

// One that is about to end waits, too, and says that it drains and for how long: whoever stops the service must know of it.
func TestDrainingOrphanMeetsMaster(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Minute} {
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%v %s it is an orphan", limit, when), func(t *testing.T) {
				r, l, c, name := orphaned(t, link.OrphansServe)
				c.send([]byte("*1\r\n$4\r\nPI"))
				r.turn()
				if when == "before" {
					r.come(name)
				}
				l.drain(limit)
				r.turn()
				if when == "before" {
					r.masters[0].hangUp()
					r.turn()
				}
				if len(waiting(t)) != 1 || l.ended {
					t.Fatalf("it waits at %q; it has ended: %v", waiting(t), l.ended)
				}
				if got, want := r.come(name), (link.OrphanBody{Draining: true, Left: limit}); got != want {
					t.Errorf("it says %+v, want %+v", got, want)
				}
				r.masters[0].send(link.AppendMessage(nil, link.Message{Kind: link.Resume})) // as to all that a master has found
				r.turn()
				c.send([]byte("NG\r\n"))
				r.turn()
				if !l.ended || len(waiting(t)) > 0 {
					t.Errorf("it has ended: %v; it waits at %q", l.ended, waiting(t))
				}
			})
		}
	}
}
