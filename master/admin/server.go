// The server: asks come by HTTP and go to the loop, outcomes come back.

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	maxAsks           = 16               // answered at a time; more are refused
	maxAskConnections = 64               // open at a time; more are closed unanswered
	maxAskHeaderBytes = 4096             // of a request; the server adds as much again for its own comfort
	askTimeout        = 2 * time.Second  // for a client to send its request, and again to take the answer
	othersTimeout     = 10 * time.Second // for an answer of others to be made and taken
)

// Server is the serving side of the socket. Its goroutines own nothing but their connection: they hand asks to the loop
// and wait for outcomes.
type Server struct {
	server http.Server
	accept net.Listener
	asks   chan<- *Ask
	others *http.ServeMux

	commands string // of a server for reading: the path of the one that takes commands; empty: this one does

	done  <-chan struct{} // closed when the loop answers no more asks
	room  chan struct{}   // one element for each ask that is being answered
	open  atomic.Int32    // connections
	ended chan struct{}   // closed when nothing is accepted any more
}

// Serve answers on l, until Close: it hands what is asked to asks, unless done is closed, which means that the loop takes
// and answers no more.
// others answers what it has a pattern for.
func Serve(l net.Listener, asks chan<- *Ask, others *http.ServeMux, done <-chan struct{}) *Server {
	return serve(l, asks, others, done, "")
}

// ServeForReading is Serve for those who may ask how Pinion is, and command nothing; commands is the path of the socket for that.
func ServeForReading(l net.Listener, asks chan<- *Ask, others *http.ServeMux, done <-chan struct{}, commands string) *Server {
	return serve(l, asks, others, done, commands)
}

func serve(l net.Listener, asks chan<- *Ask, others *http.ServeMux, done <-chan struct{}, commands string) *Server {
	a := &Server{
		accept: l, asks: asks, others: others, commands: commands, done: done, room: make(chan struct{}, maxAsks), ended: make(chan struct{}),
	}
	a.server = http.Server{
		Handler:           http.HandlerFunc(a.answer),
		ConnState:         a.count,
		ConnContext:       withCaller,
		ReadHeaderTimeout: askTimeout, // the server's other timeouts would end an operation that takes long
		MaxHeaderBytes:    maxAskHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0), // a malformed request is answered with an error
	}
	a.server.SetKeepAlivesEnabled(false) // so that no connection stays behind with a master that has handed over
	go func() {
		defer close(a.ended)
		a.server.Serve(l)
	}()
	return a
}

// count closes connections beyond those that the master can afford.
func (a *Server) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if a.open.Add(1) > maxAskConnections {
			c.Close()
		}
	case http.StateClosed:
		a.open.Add(-1)
	}
}

// Leave stops accepting connections: another master does that.
func (a *Server) Leave() { a.accept.Close() }

// Close stops accepting, and returns when every answer under way is written, or when patience ends. Call it after done
// is closed: then the asks that were not answered get an answer here.
func (a *Server) Close(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
	<-a.ended
}

// answer handles one request.
func (a *Server) answer(w http.ResponseWriter, r *http.Request) {
	Discard(w, r)
	pids, branded := suspects(r)
	if branded {
		refuse(w, http.StatusForbidden, ErrWorkerAsks)
		return
	}
	if why := a.forbids(r); why != "" {
		refuse(w, http.StatusForbidden, "%s", why)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), askerKey{}, &Asker{pids}))
	i := slices.IndexFunc(endpoints, func(e endpoint) bool { return e.path == r.URL.Path })
	if _, pattern := a.others.Handler(r); i < 0 && pattern != "" {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(othersTimeout))
		a.others.ServeHTTP(w, r)
		return
	}
	if i < 0 {
		o := Outcome{Error: fmt.Sprintf("there is no %q here", r.URL.Path)}
		for i := range endpoints {
			o.Lines = append(o.Lines, endpoints[i].String())
		}
		write(w, http.StatusNotFound, o)
		return
	}
	e := &endpoints[i]
	if r.Method != e.method {
		w.Header().Set("Allow", e.method)
		refuse(w, http.StatusMethodNotAllowed, "%s does not take %s; write %s %s", e.path, r.Method, e.method, e.path)
		return
	}
	if r.ContentLength != 0 {
		refuse(w, http.StatusRequestEntityTooLarge, "%s takes no body; parameters stand behind a question mark", e.path)
		return
	}
	question, err := e.read(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	question.By = &Asker{pids}
	a.pass(w, r, question)
}

// pass answers a request with what the loop says, if there is room for one more that waits.
func (a *Server) pass(w http.ResponseWriter, r *http.Request, question *Ask) {
	select {
	case a.room <- struct{}{}:
		defer func() { <-a.room }()
	default:
		refuse(w, http.StatusTooManyRequests, "%d requests are being answered already; ask again later", maxAsks)
		return
	}
	o, answered := a.put(r.Context(), question)
	switch {
	case !answered:
		refuse(w, http.StatusServiceUnavailable, "the master has ended before it could answer")
	case o.Status != nil && o.Error == "":
		write(w, http.StatusOK, o.Status)
	default:
		write(w, o.code(), o)
	}
}

// put passes an ask to the loop and waits for its answer, unless the loop has ended or the client is gone.
func (a *Server) put(ctx context.Context, question *Ask) (o Outcome, answered bool) {
	reply := make(chan Outcome, 1)
	question.Reply = reply
	select {
	case a.asks <- question:
	case <-a.done:
		return o, false
	case <-ctx.Done():
		return o, false
	}
	select {
	case o = <-reply:
		return o, true
	case <-ctx.Done(): // what was asked for goes on
		return o, false
	case <-a.done:
	}
	select {
	case o = <-reply: // the last act of the loop
		return o, true
	default:
		return o, false
	}
}

// Refuse answers a request in the place of others.
func Refuse(w http.ResponseWriter, f Failure, text string) { refuse(w, failureCodes[f], "%s", text) }

// refuse answers a request that is not passed to the loop.
func refuse(w http.ResponseWriter, code int, format string, args ...any) {
	write(w, code, Outcome{Error: fmt.Sprintf(format, args...)})
}

func write(w http.ResponseWriter, code int, answer any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(answer); err != nil {
		panic("admin: " + err.Error()) // of types that always have a form
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(askTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(text.Bytes())
}
