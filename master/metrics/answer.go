// A scrape's answer by HTTP.

package metrics

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Answer reads a view, releases it, and answers with what it says. How long the client takes to read concerns nobody else, but there is
// not room for everybody's text: of too many, those go whose text is oldest.
func Answer(w http.ResponseWriter, v *View) {
	conn := http.NewResponseController(w)
	page := answers.take(v, conn)
	defer answers.release(page, conn)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(page.b)
}

// answers are those that are being read.
var answers shelf

// maxUnread is how many texts there may be at a time, of some MB each where there are thousands of servers.
const maxUnread = 4

// shelf has the texts that are being read.
type shelf struct {
	making sync.Mutex // held by who makes one: ten scrapers at once take no more than one CPU, and the workers have the others

	mu     sync.Mutex
	unread []*answer // the oldest first
	spare  sync.Pool // of answers that nobody reads any more
}

// answer is a text and who reads it.
type answer struct {
	text
	begun   time.Time // when the counters were read, at the earliest
	readers []*http.ResponseController
}

// take returns an answer that says how it was when it was asked for, or later: one that was made while this one waited is as good.
func (s *shelf) take(v *View, reader *http.ResponseController) *answer {
	asked := time.Now()
	s.making.Lock()
	defer s.making.Unlock()
	if a := s.madeSince(asked, reader); a != nil {
		v.Release()
		return a
	}
	a, _ := s.spare.Get().(*answer)
	if a == nil {
		a = new(answer)
	}
	a.begun, a.readers, a.b = time.Now(), append(a.readers[:0], reader), a.b[:0]
	read(v).write(&a.text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = append(s.unread, a)
	return a
}

// madeSince returns the last answer, if that is late enough, and makes room for another one else.
func (s *shelf) madeSince(asked time.Time, reader *http.ResponseController) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.unread)
	if n > 0 && s.unread[n-1].begun.After(asked) {
		a := s.unread[n-1]
		a.readers = append(a.readers, reader)
		return a
	}
	if n == maxUnread {
		for _, slow := range s.unread[0].readers {
			slow.SetWriteDeadline(time.Now())
		}
		s.unread = slices.Delete(s.unread, 0, 1)
	}
	return nil
}

// release is called when one who reads has read, or has gone.
func (s *shelf) release(a *answer, reader *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.readers = slices.DeleteFunc(a.readers, func(other *http.ResponseController) bool { return other == reader })
	if len(a.readers) == 0 {
		s.unread = slices.DeleteFunc(s.unread, func(other *answer) bool { return other == a })
		s.spare.Put(a)
	}
}
