//go:build fault

// The kernel of worlds in which things break: what a worker's system calls come to, and what names stand for.

package core

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// shortage says what this host is short of for a while.
type shortage struct {
	descriptors bool
	buffers     bool // of the kernel
	memory      bool
	limit       bool // memory_limit is low at times
	limited     bool // now
	names       bool
}

func (w *faultyWorld) newShortage() shortage {
	return shortage{descriptors: w.one(3), buffers: w.one(3), memory: w.one(3), limit: w.one(3), names: w.one(3)}
}

const lowMemory = 512 << 10

func (w *faultyWorld) limitMemory() {
	for _, l := range w.workers {
		was := l.spec.MemoryLimit
		l.spec.MemoryLimit = 0
		if w.shortage.limited {
			l.spec.MemoryLimit = lowMemory
		} else if l.relief.scarce { // as if it had been set so high that nothing is scarce
			l.relief.scarce, l.relief.candidates = false, nil
			l.unmuteAll()
		}
		if was != l.spec.MemoryLimit {
			w.breaks("memory limit", "%d", l.spec.MemoryLimit)
		}
	}
}

// texts are what clients may be told of that although their servers are well.
func (s shortage) texts() (known []string) {
	for _, kind := range []struct {
		on    bool
		texts []string
	}{
		{s.descriptors, []string{"Too many open files", "Cannot assign requested address", "No space left on device"}},
		{s.descriptors || s.buffers, []string{"No buffer space available", "Cannot allocate memory"}},
		{s.memory, []string{errNoMemory.Error(), "Cannot allocate memory"}},
		{s.limit, []string{errMemory.Error(), errReplyMemory.Error()}},
	} {
		if kind.on {
			known = append(known, kind.texts...)
		}
	}
	return known
}

// makeStuck makes a socket that never becomes writable: what a connection looks like that nobody answers.
func (w *faultyWorld) makeStuck() {
	stuck, other, err := sock.StreamPair()
	w.must(err)
	w.stuck = [2]int{stuck, other}
	for err == nil {
		_, err = sock.Send(stuck, make([]byte, 1<<16))
	}
}

var nobody descriptorHolder

// unstick ends all attempts to connect that nobody answers, as the kernel does after minutes.
func (w *faultyWorld) unstick() { sock.CloseAll(w.stuck[:]) }

// interfere decides on a system call of a worker.
func (w *faultyWorld) interfere(call string, fd, size int) (most int, err error) {
	if !w.storm || !w.working || w.smooth {
		return size, nil
	}
	switch call {
	case "recv", "send":
		return w.interfereMoving(call, fd, size)
	case "accept":
		if w.shortage.descriptors && w.one(4) {
			return 0, w.fails(call, nobody, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EPROTO)
		}
	case "socket":
		if w.shortage.descriptors && w.one(3) {
			return 0, w.fails(call, nobody, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM)
		}
	case "watch":
		if w.shortage.descriptors && w.one(8) {
			return 0, w.fails(call, nobody, unix.ENOMEM, unix.ENOSPC)
		}
	case "map":
		if w.shortage.memory && w.one(3) {
			return 0, w.fails(call, nobody, unix.ENOMEM)
		}
	case "connect":
		return 0, w.interfereConnecting(fd)
	case "error":
		if h := w.holderOf(fd); h.server != nil && h.server.victim && w.one(4) {
			return 0, w.fails(call, h, unix.ECONNREFUSED, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ECONNRESET)
		}
	}
	return size, nil
}

// fails counts a system call that fails.
func (w *faultyWorld) fails(call string, on fmt.Stringer, errors ...unix.Errno) error {
	err := errors[w.random.IntN(len(errors))]
	w.breaks(call+" "+unix.ErrnoName(err), "%v", on)
	return err
}

func (w *faultyWorld) interfereConnecting(fd int) error {
	s := w.serverAt(sock.PeerAddress(fd))
	switch {
	case w.shortage.descriptors && w.one(6):
		return w.fails("connect", nobody, unix.EADDRNOTAVAIL, unix.ENOBUFS, unix.ENOMEM)
	case s != nil && s.victim && w.one(6):
		return w.fails("connect", nobody, unix.ECONNREFUSED, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ETIMEDOUT)
	case s != nil && s.victim && w.one(6):
		w.breaks("connect stuck", "%s", s.name)
		w.must(unix.Dup3(w.stuck[0], fd, unix.O_CLOEXEC))
		return unix.EINPROGRESS
	case w.one(2):
		return unix.EINPROGRESS
	}
	return nil
}

func (w *faultyWorld) interfereMoving(call string, fd, size int) (most int, err error) {
	h := w.holderOf(fd)
	victim := h.client != nil && h.client.victim || h.server != nil && h.server.victim
	switch {
	case h.l == nil:
	case victim && w.one(20):
		if h.client != nil {
			h.client.reset = true
		}
		errors := []unix.Errno{unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH}
		if call == "send" {
			errors = append(errors, unix.EPIPE)
		}
		return 0, w.fails(call, h, errors...)
	case call == "send" && w.shortage.buffers && w.one(10):
		return 0, w.fails(call, h, unix.ENOBUFS, unix.ENOMEM) // nothing will tell when there are some
	case call == "send" && h.greets: // a fresh socket takes what is so short
	case call == "recv" && w.arrived:
	case size > 1 && w.one(8):
		w.breaks("short "+call, "%v", h)
		w.nudges[h.l] = append(w.nudges[h.l], h.token)
		return 1 + w.random.IntN(min(size-1, 1<<w.random.IntN(20))), nil
	case w.one(16):
		w.nudges[h.l] = append(w.nudges[h.l], h.token)
		return 0, w.fails(call, h, unix.EAGAIN)
	}
	return size, nil
}

// descriptorHolder is who a worker's descriptor belongs to; l is nil if it is no client's and no server's.
type descriptorHolder struct {
	l      *loop
	token  poll.Token
	client *faultyClient // nil: one that has not been recognised
	server *faultyServer
	greets bool
}

func (h descriptorHolder) String() string {
	switch {
	case h.client != nil:
		return h.client.name
	case h.server != nil:
		return h.server.name
	}
	return ""
}

func (w *faultyWorld) holderOf(fd int) descriptorHolder {
	for _, l := range w.workers {
		for _, entry := range l.table {
			switch h := entry.h.(type) {
			case *client:
				if h.stream.FD() == fd && !h.stream.AwaitsTLS() {
					return descriptorHolder{l: l, token: h.token, client: w.clientOf(h)}
				}
			case *conn:
				if h.stream.FD() == fd {
					return descriptorHolder{l: l, token: h.token, server: w.serverOf(h), greets: h.state == connGreeting}
				}
			}
		}
	}
	return descriptorHolder{}
}

// serverAt returns the server whose socket is at path.
func (w *faultyWorld) serverAt(path string) *faultyServer {
	for _, s := range w.servers {
		if s.path+":0" == path {
			return s
		}
	}
	return nil
}

// divert leads a connection to an address of the network that is not there.
func (w *faultyWorld) divert(addr netip.AddrPort) (path string) {
	for _, s := range w.servers {
		if s.address(w) == addr.String() {
			return s.path
		}
	}
	return w.dir + "/nobody"
}

// answer is what a name server says; none: there is no such name.
type answer []netip.Addr

// pendingName is a look-up under way.
type pendingName struct {
	l *loop
	s *server
}

func nameOf(slot int, host string) string { return fmt.Sprint(slot, " ", host) }

// host looks up names for a worker; the test answers.
func (w *faultyWorld) host(slot int) func(context.Context, string) ([]netip.Addr, error) {
	for _, s := range w.servers {
		w.names[nameOf(slot, s.name+".test")] = make(chan answer)
	}
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		found := <-w.names[nameOf(slot, host)]
		if found == nil {
			return nil, errNoHost
		}
		return found, nil
	}
}

// noticeNames looks for look-ups that a worker has begun.
func (w *faultyWorld) noticeNames(l *loop) {
	for _, p := range l.pools {
		for _, s := range p.servers {
			if s.primary.where.lookup && !slices.Contains(w.pending, pendingName{l, s}) {
				w.pending = append(w.pending, pendingName{l, s})
			}
		}
	}
}

// answerNames answers look-ups, rightly, wrongly or not at all; well: all and rightly.
func (w *faultyWorld) answerNames(well bool) {
	for _, name := range slices.Clone(w.pending) {
		s := w.pools[name.s.pool.index].servers[name.s.index]
		found := answer{netip.MustParseAddrPort(s.address(w)).Addr()}
		switch {
		case well:
		case w.shortage.names && w.one(2):
			w.breaks("name silence", "%s", s.name)
			continue
		case w.shortage.names && w.one(2):
			w.breaks("name unknown", "%s", s.name)
			found = nil
		case s.victim && w.one(3):
			w.breaks("name wrong", "%s", s.name)
			found = answer{netip.MustParseAddr("192.0.2.250"), found[0]}
		}
		w.answerName(name, found)
	}
}

// answerName waits until the outcome is there for the loop to find.
func (w *faultyWorld) answerName(name pendingName, found answer) {
	host, _, _ := strings.Cut(name.s.spec.Address, ":")
	r := name.l.resolver
	w.happens("%s is %v", host, found)
	w.names[nameOf(name.l.spec.Slot, host)] <- found
	runtime.Gosched()
	fds := []unix.PollFd{{Fd: int32(r.FD()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(hostPatience/time.Millisecond))
	for err == unix.EINTR {
		n, err = unix.Poll(fds, int(hostPatience/time.Millisecond))
	}
	if n != 1 {
		w.t.Fatalf("a look-up does not end: %v", err)
	}
	w.pending = slices.DeleteFunc(w.pending, func(p pendingName) bool { return p == name })
	w.step(name.l)
}
