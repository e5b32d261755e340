package metrics

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// stuck is a client that reads nothing, until its connection is given up.
type stuck struct {
	header http.Header
	begun  chan []byte // gets what is written
	ended  chan struct{}
	once   sync.Once
}

func newStuck() *stuck {
	return &stuck{header: http.Header{}, begun: make(chan []byte, 1), ended: make(chan struct{})}
}

func (s *stuck) Header() http.Header { return s.header }
func (s *stuck) WriteHeader(int)     {}
func (s *stuck) Write(b []byte) (int, error) {
	s.begun <- b
	<-s.ended
	return 0, http.ErrHandlerTimeout
}

func (s *stuck) SetWriteDeadline(time.Time) error {
	s.once.Do(func() { close(s.ended) })
	return nil
}

// Those who do not read keep only so many texts: of more, the oldest is given up.
func TestUnreadAnswersAreBounded(t *testing.T) {
	c := counted(t, 1, poolOf("a", "b"))
	var all sync.WaitGroup
	var clients []*stuck
	for range 3 * maxUnread {
		s := newStuck()
		clients = append(clients, s)
		all.Go(func() { Answer(s, viewOf(c)) })
		<-s.begun
		answers.mu.Lock()
		if n := len(answers.unread); n > maxUnread {
			t.Errorf("%d texts are kept", n)
		}
		answers.mu.Unlock()
	}
	for _, s := range clients[:2*maxUnread] {
		<-s.ended // it was given up
	}
	for _, s := range clients[2*maxUnread:] {
		select {
		case <-s.ended:
			t.Error("one of the latest was given up")
		default:
		}
		s.SetWriteDeadline(time.Now())
	}
	all.Wait()
	if len(answers.unread) > 0 {
		t.Errorf("%d texts are left", len(answers.unread))
	}
}

// Those who wait while one is made share the next; nobody gets what was made before it was asked for.
func TestAnswersAreShared(t *testing.T) {
	c := counted(t, 1, poolOf("a", "b"))
	var s shelf
	asked := time.Now()
	first := s.take(viewOf(c), &http.ResponseController{})
	waited := &http.ResponseController{}
	if s.madeSince(asked, waited) != first {
		t.Error("who has waited does not get what was made meanwhile")
	}
	if s.madeSince(time.Now(), waited) != nil {
		t.Error("who comes later gets what was made before")
	}
	s.release(first, waited)
	if len(s.unread) != 1 {
		t.Errorf("%d texts are kept while one is read", len(s.unread))
	}
	s.release(first, first.readers[0])
	if len(s.unread) != 0 || s.madeSince(asked, waited) != nil {
		t.Errorf("%d texts are kept that nobody reads", len(s.unread))
	}
}
