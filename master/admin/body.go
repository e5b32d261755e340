// Bodies of requests. Nothing that is asked for here has one.

package admin

import (
	"io"
	"net/http"
	"time"
)

const (
	mostDiscarded = 64 << 20
	discardedIn   = 5 * time.Second
)

// Discard takes the body of a request, if there is one, and throws it away: a client that is still sending when the connection ends does
// not read the answer. One that asks first whether it may send is answered instead.
func Discard(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Header.Get("Expect") != "" {
		return
	}
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Now().Add(discardedIn))
	io.CopyN(io.Discard, r.Body, mostDiscarded)
	conn.SetReadDeadline(time.Time{}) // it would end the request's context
}
