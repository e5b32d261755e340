// The sending end of a master link: messages are queued here for a goroutine that sends them, so that the loop never blocks.

package master

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	sendTimeout = 5 * time.Second       // for the other master to take a message
	sendPause   = 10 * time.Millisecond // before a send is tried again that failed for want of kernel memory or descriptors in flight
)

// unsent is the error of a message that could not be sent to the other master. No later one is sent.
type unsent struct {
	kind  messageKind
	cause error
}

func (u *unsent) Error() string {
	if errors.Is(u.cause, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("the other master takes nothing: %q was not said within %s", u.kind, sendTimeout)
	}
	return fmt.Sprintf("saying %q to the other master: %v", u.kind, u.cause)
}

func (u *unsent) Unwrap() error { return u.cause }

// peerClosed reports whether the other master has closed its end. The receiving end reports that, too.
func (u *unsent) peerClosed() bool {
	return errors.Is(u.cause, syscall.EPIPE) || errors.Is(u.cause, syscall.ECONNRESET)
}

// sender sends messages, one after the other, from a goroutine of its own.
type sender struct {
	file *os.File
	wake chan struct{} // something waits, or is to end; has room for one
	done chan struct{} // closed when the file is

	patience time.Duration // for one message

	mu     sync.Mutex
	queue  []outgoing
	ending bool        // the file is closed when the queue is empty
	failed *unsent     // nothing is sent any more
	report func(error) // told of failed; nil: nobody listens yet
}

// outgoing is a message on its way. It owns its descriptors.
type outgoing struct {
	kind messageKind
	text []byte
	fds  []int
}

func (s *outgoing) drop() { closeFDs(s.fds) }

// newSender returns a sender that owns the file.
func newSender(file *os.File, patience time.Duration) *sender {
	s := &sender{file: file, patience: patience, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// put queues a message and takes over its descriptors. It does not block.
func (s *sender) put(msg message) {
	text, err := appendMessage(nil, msg) // now: the loop may change what msg points to
	one := outgoing{msg.Kind, text, msg.fds}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending || s.failed != nil:
		one.drop()
	case err != nil:
		one.drop()
		s.fail(&unsent{msg.Kind, err})
	default:
		s.queue = append(s.queue, one)
		s.nudge()
	}
}

// tell sets the function that is called, from another goroutine, with the reason why a message could not be sent.
func (s *sender) tell(report func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = report
	if s.failed != nil {
		go report(s.failed)
	}
}

// closeWhenSent closes the file once everything is sent, or cannot be.
func (s *sender) closeWhenSent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.nudge()
}

// flush closes when everything is sent, and waits for that. What is not sent within the patience is dropped.
func (s *sender) flush() {
	s.closeWhenSent()
	select {
	case <-s.done:
	case <-time.After(s.patience + time.Second):
	}
}

// nudge wakes the goroutine. mu is held.
func (s *sender) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// fail drops the queue and every later message. mu is held.
func (s *sender) fail(u *unsent) {
	for i := range s.queue {
		s.queue[i].drop()
	}
	s.queue, s.failed = nil, u
	if s.report != nil {
		go s.report(u)
	}
}

// next returns the message that is to be sent now; false: there is none.
func (s *sender) next() (one outgoing, more, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return one, false, s.ending
	}
	one, s.queue = s.queue[0], s.queue[1:]
	return one, true, false
}

func (s *sender) run() {
	defer close(s.done)
	defer s.file.Close()
	for {
		one, more, ending := s.next()
		switch {
		case ending:
			return
		case !more:
			<-s.wake
		default:
			if err := s.send(&one); err != nil {
				s.mu.Lock()
				s.fail(&unsent{one.kind, err})
				s.mu.Unlock()
			}
		}
	}
}

// send sends one packet: the JSON, or longMessage with a memory file that has the JSON as the first descriptor. While the
// kernel has no room, because too many descriptors of this user are in flight or memory is short, it tries again.
func (s *sender) send(one *outgoing) error {
	defer one.drop()
	if len(one.text) > maxLinkBytes {
		memory, err := sock.MemfdSealed("pinion-word", one.text)
		if err != nil {
			return err
		}
		one.fds, one.text = append([]int{memory}, one.fds...), []byte{longMessage}
	}
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(s.patience)
	s.file.SetWriteDeadline(deadline)
	for {
		var errSend error
		err := raw.Write(func(fd uintptr) bool {
			errSend = sock.SendFDs(int(fd), one.text, one.fds)
			return !sock.Again(errSend)
		})
		if err = cmp.Or(err, errSend); !sock.Crowded(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(sendPause)
	}
}
