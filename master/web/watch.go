// Those who watch the page: each is told what is new, as server-sent events.

package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/query"
)

// maxWatchers may watch at a time. Whoever comes then is let in, and the one who has watched for longest goes: it may be gone without
// having said so, or read nothing, which shows only when all buffers between are full.
const maxWatchers = 16

// watcher is one who watches.
type watcher struct {
	pool string        // the one that it has chosen; empty: none
	full chan struct{} // is closed when it has to go
}

// answerEvents tells what is new until the client goes, is too slow, has to make room, or another master answers. Whoever takes long
// is not told what was new in between.
func (l *Live) answerEvents(w http.ResponseWriter, r *http.Request) {
	me := &watcher{full: make(chan struct{})}
	if !read(w, r, query.Parameters{"pool": query.Text(&me.pool)}) {
		return
	}
	l.enter(me)
	defer l.leave(me)
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Time{}) // of the request, which would end the client's context
	w.Header().Set("Content-Type", "text/event-stream")
	var told [numParts]uint64
	text := []byte("retry: 300\n\n")
	for {
		texts, changed, stopping := l.news(&told, me.pool)
		if !l.tell(w, appendEvents(text, &texts)) {
			return
		}
		text = text[:0]
		select {
		case <-changed:
		case <-me.full:
			l.tell(w, fmt.Appendf(nil, "retry: %d\nevent: full\ndata: %d\n\n", comesBack.Milliseconds(), maxWatchers))
			return
		case <-stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// comesBack is after how long one comes back who has made room: too many pages take turns.
const comesBack = 30 * time.Second

// tell reports whether a client has taken a text in time.
func (l *Live) tell(w http.ResponseWriter, text []byte) bool {
	conn := http.NewResponseController(w)
	conn.SetWriteDeadline(time.Now().Add(l.takes))
	_, err := w.Write(text)
	return err == nil && conn.Flush() == nil
}

func appendEvents(b []byte, texts *[numParts][]byte) []byte {
	for i, text := range texts {
		if text != nil {
			b = fmt.Appendf(b, "event: %s\ndata: %s\n\n", partNames[i], text)
		}
	}
	return b
}

// enter lets one in.
func (l *Live) enter(me *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) == maxWatchers {
		close(l.watchers[0].full)
		l.watchers = slices.Delete(l.watchers, 0, 1)
	}
	l.watchers = append(l.watchers, me)
}

func (l *Live) leave(me *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers = slices.DeleteFunc(l.watchers, func(other *watcher) bool { return other == me })
}
