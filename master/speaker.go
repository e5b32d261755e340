// The speaking end of an exchange: words wait here until the other master takes them, so that the loop never does.

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
	sayTimeout = 5 * time.Second       // for the other master to take a word
	sayPause   = 10 * time.Millisecond // before the kernel is asked again for what it has too little of
)

// unsaid is the error of a word that the other master has not got. No later one is said.
type unsaid struct {
	kind  wordKind
	cause error
}

func (u *unsaid) Error() string {
	if errors.Is(u.cause, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("the other master takes nothing: %q was not said within %s", u.kind, sayTimeout)
	}
	return fmt.Sprintf("saying %q to the other master: %v", u.kind, u.cause)
}

func (u *unsaid) Unwrap() error { return u.cause }

// gone tells whether there is nobody any more who could be told. Whoever listens to the other master learns of that, too.
func (u *unsaid) gone() bool {
	return errors.Is(u.cause, syscall.EPIPE) || errors.Is(u.cause, syscall.ECONNRESET)
}

// speaker sends words, one after the other, from a goroutine of its own.
type speaker struct {
	file *os.File
	wake chan struct{} // something waits, or is to end; has room for one
	done chan struct{} // closed when the file is

	patience time.Duration // for one word

	mu     sync.Mutex
	queue  []spoken
	ending bool        // the file is closed when the queue is empty
	failed *unsaid     // nothing is said any more
	report func(error) // told of failed; nil: nobody listens yet
}

// spoken is a word on its way. It owns its descriptors.
type spoken struct {
	kind wordKind
	text []byte
	fds  []int
}

func (s *spoken) drop() { drop(s.fds) }

// newSpeaker returns one that owns the file.
func newSpeaker(file *os.File, patience time.Duration) *speaker {
	s := &speaker{file: file, patience: patience, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// put has a word said after those that wait already, and takes over its descriptors. It does not wait.
func (s *speaker) put(w word) {
	text, err := appendWord(nil, w) // now: what w points to may be another a moment later
	one := spoken{w.Kind, text, w.fds}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending || s.failed != nil:
		one.drop()
	case err != nil:
		one.drop()
		s.fail(&unsaid{w.Kind, err})
	default:
		s.queue = append(s.queue, one)
		s.nudge()
	}
}

// tell has report hear, from another goroutine, why a word could not be said.
func (s *speaker) tell(report func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report = report
	if s.failed != nil {
		go report(s.failed)
	}
}

// end closes the file once everything is said, or cannot be.
func (s *speaker) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.nudge()
}

// flush ends, and waits for it. What waits is said within the patience, or never.
func (s *speaker) flush() {
	s.end()
	select {
	case <-s.done:
	case <-time.After(s.patience + time.Second):
	}
}

// nudge has the goroutine look. mu is held.
func (s *speaker) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// fail ends the speaking, for good. mu is held.
func (s *speaker) fail(u *unsaid) {
	for i := range s.queue {
		s.queue[i].drop()
	}
	s.queue, s.failed = nil, u
	if s.report != nil {
		go s.report(u)
	}
}

// next returns the word that is to be said now; false: there is none.
func (s *speaker) next() (one spoken, more, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return one, false, s.ending
	}
	one, s.queue = s.queue[0], s.queue[1:]
	return one, true, false
}

func (s *speaker) run() {
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
				s.fail(&unsaid{one.kind, err})
				s.mu.Unlock()
			}
		}
	}
}

// send sends a word in one message: its JSON, or nothing and a memory file with the JSON as the first descriptor. The
// kernel may have too little room for a moment: too many descriptors of this user are under way, or too little memory.
func (s *speaker) send(one *spoken) error {
	defer one.drop()
	if len(one.text) > maxWordBytes {
		memory, err := sock.MemfdSealed("pinion-word", one.text)
		if err != nil {
			return err
		}
		one.fds, one.text = append([]int{memory}, one.fds...), []byte{longWord}
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
		if err = cmp.Or(err, errSend); !crowded(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(sayPause)
	}
}
