// The way to systemd: messages are sent one after the other by a goroutine of its own, so that a service manager that does
// not read keeps nobody waiting.

package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	notifyTimeout = time.Second // until systemd has room for a message
	notifyPause   = time.Second // until the next attempt

	// maxWaiting bounds the messages that wait, descriptors to be forgotten for the most part.
	maxWaiting = 4096
)

// ErrStuck means that messages wait to be read.
var ErrStuck = errors.New("the service manager reads no messages")

// notice is one message that waits to be sent.
type notice struct {
	text string
	kind noticeKind
	name string       // of what is to be stored or forgotten
	fd   int          // a copy, closed when the notice is done with; -1: none
	sent chan<- error // buffered, for the outcome; nil: not waited for
}

// noticeKind says what a notice replaces that has not been sent yet, see notifier.add.
type noticeKind uint8

const (
	noticePing      noticeKind = iota // goes first, since nothing else tells that the master lives
	noticeState                       // how the service is; the last one counts
	noticeReloading                   // likewise, but a reload that has ended must have begun
	noticeStatus                      // a line that each of the two before has, too
	noticeTimeout                     // the last one counts
	noticeMainPID                     // the last one counts
	noticeBarrier                     // each is waited for
	noticeStore                       // only the latest of a name counts
	noticeUnstore                     // likewise, and what was to be stored before it is not
)

// notifier has a queue that stays short: what a later message makes pointless goes, and when systemd does not read,
// descriptors do not wait. Any goroutine may call.
type notifier struct {
	timeout, pause time.Duration

	mu      sync.Mutex
	heard   func(error) // called without the lock, by other goroutines; nil: not called
	waiting []notice
	deaf    bool          // the last attempt has failed
	idle    chan struct{} // closed when nothing waits any more; nil: nothing does
}

// Present reports whether there is a service manager that listens.
func (n *notifier) Present() bool { return os.Getenv(EnvNotifySocket) != "" }

// Report has heard called, by another goroutine, with what keeps messages from being sent, and with nil when they are sent
// again: then what was to be stored meanwhile is not.
func (n *notifier) Report(heard func(error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = heard
}

// say sends a message of several assignments, sooner or later.
func (n *notifier) say(kind noticeKind, assignments ...string) {
	n.add(notice{text: strings.Join(assignments, "\n"), kind: kind, fd: -1})
}

// add puts a notice into the queue.
func (n *notifier) add(next notice) {
	if !n.Present() {
		next.done(nil)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = slices.DeleteFunc(n.waiting, func(w notice) bool {
		if !next.replaces(w) {
			return false
		}
		w.done(nil)
		return true
	})
	if len(n.waiting) >= maxWaiting {
		n.drop(func(w notice) bool { return w.kind == noticeUnstore }, ErrStuck)
	}
	if next.kind == noticePing {
		n.waiting = slices.Insert(n.waiting, 0, next)
	} else {
		n.waiting = append(n.waiting, next)
	}
	if n.idle == nil {
		n.idle = make(chan struct{})
		go n.run()
	}
}

// replaces reports whether an earlier notice need not be sent any more.
func (next *notice) replaces(w notice) bool {
	switch next.kind {
	case noticeBarrier:
		return false
	case noticeReloading:
		return w.kind == noticeReloading || w.kind == noticeState || w.kind == noticeStatus
	case noticeState:
		return w.kind == noticeState || w.kind == noticeStatus
	case noticeStore:
		return w.kind == noticeStore && w.name == next.name
	case noticeUnstore:
		return (w.kind == noticeStore || w.kind == noticeUnstore) && w.name == next.name
	}
	return w.kind == next.kind
}

// done follows once, when a notice is sent or will not be.
func (w *notice) done(err error) {
	if w.fd >= 0 {
		sock.Close(w.fd)
	}
	if w.sent != nil {
		w.sent <- err
	}
}

// drop gives up some of what waits. The caller has the lock.
func (n *notifier) drop(chosen func(notice) bool, err error) {
	n.waiting = slices.DeleteFunc(n.waiting, func(w notice) bool {
		if !chosen(w) {
			return false
		}
		w.done(err)
		return true
	})
}

// run sends what waits, and ends when nothing does.
func (n *notifier) run() {
	for {
		next, more := n.next()
		if !more {
			return
		}
		err := n.send(next.text, next.fd)
		if err == nil {
			n.sent(next)
			continue
		}
		n.failed(next, err)
		time.Sleep(n.pause)
	}
}

func (n *notifier) next() (next notice, more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) == 0 {
		close(n.idle)
		n.idle = nil
		return next, false
	}
	next = n.waiting[0]
	n.waiting = n.waiting[1:]
	return next, true
}

func (n *notifier) sent(w notice) {
	w.done(nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf {
		n.deaf = false
		n.tell(nil)
	}
}

// failed keeps a notice that could not be sent for the next attempt, unless a later one says the same anew. Descriptors to store
// are not sent again, and those who wait for a barrier are told that it has failed.
func (n *notifier) failed(w notice, err error) {
	first, _, _ := strings.Cut(w.text, "\n")
	err = fmt.Errorf("sending %s: %w", first, err)
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.ContainsFunc(n.waiting, func(later notice) bool { return later.replaces(w) }) {
		w.done(nil)
	} else {
		n.waiting = slices.Insert(n.waiting, n.afterPing(), w)
	}
	n.drop(func(w notice) bool { return w.kind == noticeStore || w.kind == noticeBarrier }, err)
	if !n.deaf {
		n.deaf = true
		n.tell(err)
	}
}

// afterPing returns the first place in the queue that is not a ping's. The caller has the lock.
func (n *notifier) afterPing() int {
	if len(n.waiting) > 0 && n.waiting[0].kind == noticePing {
		return 1
	}
	return 0
}

// tell reports how it goes. The caller has the lock.
func (n *notifier) tell(err error) {
	if n.heard != nil {
		go n.heard(err)
	}
}

// Flush returns when everything is sent, or after a timeout. It is for a process that is about to end.
func (n *notifier) Flush() {
	n.mu.Lock()
	idle := n.idle
	n.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-time.After(n.timeout):
	}
}

// send sends one message, with a descriptor unless that is -1.
func (n *notifier) send(text string, fd int) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv(EnvNotifySocket), Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn() // WriteMsgUnix refuses datagrams of a connected socket
	if err != nil {
		return err
	}
	var rights []byte
	if fd >= 0 {
		rights = syscall.UnixRights(fd)
	}
	conn.SetWriteDeadline(time.Now().Add(n.timeout))
	var errSend error
	err = raw.Write(func(conn uintptr) bool {
		errSend = syscall.Sendmsg(int(conn), []byte(text), rights, nil, syscall.MSG_NOSIGNAL)
		return errSend != syscall.EAGAIN
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStuck
	}
	return errors.Join(err, errSend)
}
