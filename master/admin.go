// The control socket: what the operator asks of the master while it runs, as HTTP over a unix socket, so that the
// commands of this binary and curl are clients alike.

package master

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxAsks           = 16              // answered at a time; more are refused
	maxAskConnections = 64              // open at a time; more are closed unanswered
	maxAskHeaderBytes = 4096            // of a request; the server adds as much again for its own comfort
	askTimeout        = 2 * time.Second // for a client to send its request, and again to take the answer
)

// ask is one request on its way to the loop, which answers it exactly once, at the latest when the master ends.
type ask struct {
	intent intent
	dryRun bool           // of reload: only tell what would change
	strict bool           // of reload and upgrade: refuse if the new workers cannot reach each server
	by     *asker         // nil: the master itself
	reply  chan<- outcome // has room for one: the loop never waits
}

// outcome is the answer to an ask.
type outcome struct {
	Error   string         `json:"error,omitempty"`
	Lines   []string       `json:"lines,omitempty"` // for people: what would change, or what is wrong
	Handoff *HandoffStatus `json:"handoff,omitempty"`
	Status  *Status        `json:"status,omitempty"` // of reportStatus
	PID     int            `json:"pid,omitempty"`    // of drain and stop: the process that ends
	failure failure        // what kind of Error
}

// failure is what the asking side can do about an error.
type failure uint8

const (
	failureInside   failure = iota // it was tried and did not succeed
	failureBusy                    // ask again later: the phase, or what is under way, does not allow it
	failureConfig                  // mend the configuration
	failureReplaced                // ask again now: another master has taken over
	failureCaller                  // whoever asks may not
)

var failureCodes = [...]int{
	failureInside: http.StatusInternalServerError,
	failureBusy:   http.StatusConflict,
	failureConfig: http.StatusUnprocessableEntity,

	failureReplaced: http.StatusServiceUnavailable,
	failureCaller:   http.StatusForbidden,
}

func (o *outcome) code() int {
	if o.Error == "" {
		return http.StatusOK
	}
	return failureCodes[o.failure]
}

// endpoint is one thing that can be asked.
type endpoint struct {
	method string
	path   string
	intent intent
	now    intent   // asked instead with now=1
	params []string // that it takes; each is 0 or 1
}

// endpoints are all of them. A stop is a drain, after which the asking side waits for the end.
var endpoints = []endpoint{
	{method: "GET", path: "/status", intent: reportStatus},
	{method: "POST", path: "/reload", intent: reload, params: []string{"dry_run", "strict"}},
	{method: "POST", path: "/upgrade", intent: upgrade, params: []string{"strict"}},
	{method: "POST", path: "/drain", intent: drain},
	{method: "POST", path: "/stop", intent: drain, now: stop, params: []string{"now"}},
	{method: "POST", path: "/log/reopen", intent: reopenLog},
}

func (e *endpoint) String() string {
	text := e.method + " " + e.path
	for _, p := range e.params {
		text += " [" + p + "=1]"
	}
	return text
}

// read makes an ask of the parameters. One that is misspelt must not be ignored: it may be the one that says "only
// look".
func (e *endpoint) read(query string) (*ask, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("reading the parameters: %w", err)
	}
	a := &ask{intent: e.intent}
	for name, given := range values {
		if !slices.Contains(e.params, name) {
			return nil, fmt.Errorf("unknown parameter %q; what there is: %s", name, e)
		}
		if len(given) != 1 || given[0] != "0" && given[0] != "1" {
			return nil, fmt.Errorf("parameter %q is %q; write %s=1", name, strings.Join(given, ","), name)
		}
		on := given[0] == "1"
		switch name {
		case "dry_run":
			a.dryRun = on
		case "strict":
			a.strict = on
		case "now":
			if on {
				a.intent = e.now
			}
		}
	}
	return a, nil
}

// admin is the serving side of the socket. Its goroutines own nothing but their connection: they hand asks to the loop
// and wait for outcomes.
type admin struct {
	server http.Server
	accept net.Listener
	asks   chan<- *ask
	done   <-chan struct{} // the loop takes and answers no more asks
	room   chan struct{}   // one element for each ask that is being answered
	open   atomic.Int32    // connections
	ended  chan struct{}   // closed when nothing is accepted any more
}

// serveAdmin answers on l, until close.
func serveAdmin(l net.Listener, asks chan<- *ask, done <-chan struct{}) *admin {
	a := &admin{accept: l, asks: asks, done: done, room: make(chan struct{}, maxAsks), ended: make(chan struct{})}
	a.server = http.Server{
		Handler:           http.HandlerFunc(a.answer),
		ConnState:         a.count,
		ConnContext:       withCaller,
		ReadHeaderTimeout: askTimeout, // the server's other timeouts would end an operation that takes long
		MaxHeaderBytes:    maxAskHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0), // who asks wrongly is told so
	}
	a.server.SetKeepAlivesEnabled(false) // so that no connection stays behind with a master that has handed over
	go func() {
		defer close(a.ended)
		a.server.Serve(l)
	}()
	return a
}

// count closes connections beyond those that the master can afford.
func (a *admin) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if a.open.Add(1) > maxAskConnections {
			c.Close()
		}
	case http.StateClosed:
		a.open.Add(-1)
	}
}

// leave accepts nobody any more: another master does.
func (a *admin) leave() { a.accept.Close() }

// close stops accepting, and returns when every answer under way is written, or when patience ends. Call it after done
// is closed: then the asks that were not answered get an answer here.
func (a *admin) close(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
	<-a.ended
}

// answer handles one request.
func (a *admin) answer(w http.ResponseWriter, r *http.Request) {
	pids, branded := suspects(r)
	if branded {
		refuse(w, http.StatusForbidden, errWorkerAsks)
		return
	}
	i := slices.IndexFunc(endpoints, func(e endpoint) bool { return e.path == r.URL.Path })
	if i < 0 {
		o := outcome{Error: fmt.Sprintf("there is no %q here", r.URL.Path)}
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
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(askTimeout)) // the server throws the body away
		refuse(w, http.StatusRequestEntityTooLarge, "%s takes no body; parameters stand behind a question mark", e.path)
		return
	}
	question, err := e.read(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	question.by = &asker{pids}
	a.pass(w, r, question)
}

// pass answers a request with what the loop says, if there is room for one more that waits.
func (a *admin) pass(w http.ResponseWriter, r *http.Request, question *ask) {
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

// put asks the loop and waits for its answer, unless there is nobody any more to give it or to take it.
func (a *admin) put(ctx context.Context, question *ask) (o outcome, answered bool) {
	reply := make(chan outcome, 1)
	question.reply = reply
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

// refuse answers a request that the loop never sees.
func refuse(w http.ResponseWriter, code int, format string, args ...any) {
	write(w, code, outcome{Error: fmt.Sprintf(format, args...)})
}

func write(w http.ResponseWriter, code int, answer any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(answer); err != nil {
		panic("master: " + err.Error()) // of types that always have a form
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(askTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(text.Bytes())
}
