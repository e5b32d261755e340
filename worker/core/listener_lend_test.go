// Lending, seen from the master's end.

package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// A master gets copies of all listeners, in as many messages as it takes and as fast as it reads.
func TestLend(t *testing.T) {
	const more = 2*link.MaxLent + 3
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy=%v", busy), func(t *testing.T) {
			r := newRig(t)
			r.redisPool("s1")
			r.start()
			l, master := r.workers[0], r.masters[0]
			want := []string{r.front(0, 0)}
			for i := range more {
				path := r.front(0, 100+i)
				fd, err := sock.ListenUnix(path, 0, 16)
				r.must(err)
				r.must(l.listen(fd, link.Listener{Network: "unix", Address: path, Shared: true}))
				want = append(want, path)
			}
			r.turn()
			master.take()
			master.deaf = true
			for busy && l.master.trySend(link.Log, make([]byte, 4000)) {
			}
			r.instruct(l, link.Lend, nil)
			var got []string
			for more := true; more; r.turn() {
				got, more = receiveLent(t, master.fd, got)
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("got %q, want %q", got, want)
			}
			r.pings(r.connect("c", 0, 100), l)
		})
	}
}

// receiveLent reads what has come, and tells whether something is still to come.
func receiveLent(t *testing.T, fd int, got []string) ([]string, bool) {
	buf, fds := make([]byte, link.MaxMessageBytes), make([]int, link.MaxLent)
	for {
		n, count, truncated, err := sock.RecvFDs(fd, buf, fds)
		if sock.Again(err) {
			return got, true
		}
		if err != nil || truncated {
			t.Fatalf("%d descriptors, truncated: %v, %v", count, truncated, err)
		}
		defer sock.CloseAll(append([]int(nil), fds[:count]...))
		m, err := link.ParseMessage(buf[:n])
		if err != nil || m.Kind == link.Log {
			continue
		}
		var body link.LentBody
		if err := link.ParseBody(m, &body); err != nil || m.Kind != link.Lent || len(body.Listeners) != count {
			t.Fatalf("message %d says %+v, %v, and brings %d descriptors", m.Kind, body, err, count)
		}
		for i, l := range body.Listeners {
			if sock.LocalAddress(fds[i]) != l.Address+":0" || !l.Shared {
				t.Errorf("%q comes as %+v", sock.LocalAddress(fds[i]), l)
			}
			got = append(got, l.Address)
		}
		if !body.More {
			return got, false
		}
	}
}

// A worker that has none says so at once.
func TestLendNothing(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l, master := r.workers[0], r.masters[0]
	c := r.connect("c", 0, 0)
	c.send([]byte("*1\r\n$4\r\nPI")) // so that the worker does not end
	r.turn()
	r.instruct(l, link.Finish, nil)
	r.turn()
	master.take()
	master.deaf = true
	r.instruct(l, link.Lend, nil)
	r.turn()
	if got, more := receiveLent(t, master.fd, nil); len(got) > 0 || more {
		t.Errorf("got %q, and more: %v", got, more)
	}
}
