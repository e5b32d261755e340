// The asking side of the admin socket, see package admin for the other.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
)

const (
	statusTimeout  = 5 * time.Second       // a master that lives answers at once
	succession     = 10 * time.Second      // from the last answer of a master to the first of the next one, or to its end
	askPause       = 20 * time.Millisecond // between two looks at the same thing
	maxAnswerBytes = 16 << 20
)

// adminSocket is how a command reaches the master.
type adminSocket struct {
	path      string
	transport http.Transport

	statusTimeout time.Duration
	succession    time.Duration
}

// refusal is an answer that says no, for the reason that it gives.
type refusal struct {
	admin.Outcome
	code int
}

func (r *refusal) Error() string { return r.Outcome.Error }

// noConnection is a request that was not even sent.
type noConnection struct {
	path  string
	cause error
}

func (n *noConnection) Error() string {
	cause := n.cause
	if errno := syscall.Errno(0); errors.As(cause, &errno) {
		cause = errno
	}
	switch {
	case errors.Is(cause, syscall.ECONNREFUSED):
		return fmt.Sprintf("no Pinion listens at %q: %v; if its master was killed, start Pinion again as before: it takes over the "+
			"workers that serve on; else tell where with --control FILE or %s", n.path, cause, controlVariable)
	case n.nobody():
		return fmt.Sprintf("no Pinion listens at %q: %v; tell where with --control FILE or %s", n.path, cause, controlVariable)
	case errors.As(cause, new(*admin.OthersError)):
		return fmt.Sprintf("connecting to %q: %s", n.path, othersHint(cause))
	case errors.Is(cause, fs.ErrPermission):
		return fmt.Sprintf("connecting to %q: %v; %s", n.path, cause, permissionHint(n.path))
	}
	return fmt.Sprintf("connecting to %q: %v", n.path, cause)
}

// nobody reports whether there is no socket, or no process listens on it.
func (n *noConnection) nobody() bool {
	return errors.Is(n.cause, syscall.ECONNREFUSED) || errors.Is(n.cause, fs.ErrNotExist) || errors.Is(n.cause, syscall.ENOTDIR)
}

// noAnswer is a request that was sent: it may have been heard.
type noAnswer struct{ cause error }

func (n *noAnswer) Error() string {
	if errors.Is(n.cause, context.DeadlineExceeded) {
		return "the proxy does not answer: it hangs, or has been stopped; with the pid of its pid file or its log: kill -CONT PID, if it was " +
			"stopped; else kill -9 PID, and start Pinion again as before: its workers serve on meanwhile (but with orphans: drain), and the " +
			"new one takes them over"
	}
	return fmt.Sprintf("the proxy did not answer: %v; see pinion status", n.cause)
}

func (n *noAnswer) Unwrap() error { return n.cause }

// dialOrRead connects to the admin socket, or, where this user may not, to the one for reading: that one refuses commands by itself.
func dialOrRead(ctx context.Context, path string) (net.Conn, error) {
	c, err := admin.Dial(ctx, path)
	if errors.Is(err, fs.ErrPermission) && !admin.Abstract(path) {
		if reading, errReading := admin.Dial(ctx, admin.ReadingPath(path)); errReading == nil {
			return reading, nil
		}
	}
	return c, err
}

func newAdminSocket(path string) *adminSocket {
	m := &adminSocket{path: path, statusTimeout: statusTimeout, succession: succession}
	m.transport.DisableKeepAlives = true
	m.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := dialOrRead(ctx, path)
		if err != nil {
			return nil, &noConnection{path, err}
		}
		return c, nil
	}
	return m
}

// do sends one request and returns the text of the answer. An error is a *noConnection, a *noAnswer, a *refusal, or says
// that this is no Pinion.
func (m *adminSocket) do(ctx context.Context, method, path string, parameters url.Values) (text []byte, err error) {
	err = m.read(ctx, method, path, parameters, func(body io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(body, maxAnswerBytes))
		return err
	})
	return text, err
}

// read is do, and take reads the answer; an error of it means that the answer did not come to its end.
func (m *adminSocket) read(ctx context.Context, method, path string, parameters url.Values, take func(body io.Reader) error) error {
	target := url.URL{Scheme: "http", Host: "pinion", Path: path, RawQuery: parameters.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return err
	}
	response, err := m.transport.RoundTrip(request)
	if unsent := (*noConnection)(nil); errors.As(err, &unsent) {
		return unsent
	}
	if err != nil {
		return &noAnswer{err}
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if err := take(response.Body); err != nil {
			return &noAnswer{err}
		}
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return &noAnswer{err}
	}
	no := &refusal{code: response.StatusCode}
	if json.Unmarshal(text, &no.Outcome) != nil || no.Outcome.Error == "" {
		return m.stranger()
	}
	return no
}

// stranger is the error of an answer that no Pinion gives.
func (m *adminSocket) stranger() error {
	return fmt.Errorf("what listens at %q does not answer as a Pinion does", m.path)
}

// ask has the master do something and waits until it is done. A master that has handed over to another meanwhile, which
// may be long after it was asked, has done nothing, so the other is asked.
func (m *adminSocket) ask(ctx context.Context, path string, parameters url.Values) (a admin.Outcome, err error) {
	for refused := (time.Time{}); ; {
		asked := time.Now()
		text, err := m.doPatiently(ctx, path, parameters)
		if err == nil && json.Unmarshal(text, &a) != nil {
			err = m.stranger()
		}
		if !refusedWith(err, http.StatusServiceUnavailable) {
			return a, err
		}
		if refused.IsZero() || time.Since(asked) > askPause { // by one that lives, which was asked in vain
			refused = time.Now()
		}
		if time.Since(refused) > m.succession || !pause(ctx) {
			return a, err
		}
	}
}

// doPatiently is do for what may take its time, as long as the master lives: it says how it is meanwhile.
func (m *adminSocket) doPatiently(ctx context.Context, path string, parameters url.Values) ([]byte, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		for {
			select {
			case <-time.After(m.statusTimeout):
			case <-ctx.Done():
				return
			}
			_, _, err := m.status(ctx)
			if ctx.Err() == nil && unheard(err) && errors.Is(errors.Unwrap(err), context.DeadlineExceeded) {
				giveUp(err)
			}
		}
	}()
	text, err := m.do(ctx, http.MethodPost, path, parameters)
	if hangs := context.Cause(ctx); unheard(err) && unheard(hangs) {
		err = hangs
	}
	return text, err
}

// status returns the status as it came, and what it says. A master that ends, or is busy with others, does not answer;
// its successor or a second attempt may.
func (m *adminSocket) status(ctx context.Context) (text []byte, s admin.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.statusTimeout)
	defer cancel()
	for {
		text, err = m.do(ctx, http.MethodGet, "/status", nil)
		if err == nil {
			if json.Unmarshal(text, &s) != nil || s.PID == 0 {
				err = m.stranger()
			}
			return text, s, err
		}
		again := unheard(err) || refusedWith(err, http.StatusServiceUnavailable) || refusedWith(err, http.StatusTooManyRequests)
		if !again || !pause(ctx) {
			return nil, s, err
		}
	}
}

func refusedWith(err error, code int) bool {
	var no *refusal
	return errors.As(err, &no) && no.code == code
}

// unheard reports whether the outcome of the request is unknown.
func unheard(err error) bool { return errors.As(err, new(*noAnswer)) }

func nobody(err error) bool {
	var unsent *noConnection
	return errors.As(err, &unsent) && unsent.nobody()
}

// pause waits a moment; false: there is no time left.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(askPause):
		return true
	case <-ctx.Done():
		return false
	}
}

// upgrade waits for the outcome for at most timeout; 0: as long as it takes.
func (m *adminSocket) upgrade(timeout time.Duration, parameters url.Values) (admin.Outcome, error) {
	ctx := context.Background()
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	_, before, err := m.status(context.Background())
	if err != nil {
		return admin.Outcome{}, err
	}
	a, err := m.ask(ctx, "/upgrade", parameters)
	if !unheard(err) {
		return a, err
	}
	a, err = m.askSuccessor(ctx, before.PID, err)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("the upgrade is still under way after %s; see pinion status", timeout)
	}
	return a, err
}

// askSuccessor finds out how an upgrade went whose old master ended before its last word got here. It returns unheard if
// there was no upgrade.
func (m *adminSocket) askSuccessor(ctx context.Context, oldPID int, unheard error) (admin.Outcome, error) {
	for silent := time.Duration(0); silent < m.succession; silent += askPause {
		_, now, err := m.status(ctx)
		switch {
		case ctx.Err() != nil:
			return admin.Outcome{}, unheard
		case nobody(err):
			return admin.Outcome{}, errors.New("the proxy ended during the upgrade")
		case err == nil && now.PID != oldPID:
			return admin.Outcome{Handoff: now.Last}, nil
		case err == nil && now.Busy == "":
			return admin.Outcome{}, unheard
		case err == nil:
			silent = 0 // the upgrade is under way
		}
		pause(ctx)
	}
	return admin.Outcome{}, unheard
}

// awaitEnd returns when the master is gone, or with the error unheard if it goes on as if nothing had been said.
func (m *adminSocket) awaitEnd(ctx context.Context, before admin.Status, born string, unheard error) error {
	for silent := time.Duration(0); ; silent += askPause {
		_, now, err := m.status(ctx)
		same := err == nil && now.PID == before.PID
		runs := born != "" && birth(before.PID) == born
		switch {
		case same && unheard != nil && now.Phase == before.Phase:
			return unheard
		case err == nil && !same && unheard != nil:
			return fmt.Errorf("process %d has ended, but process %d serves now", before.PID, now.PID)
		case !same && !runs && (born != "" || err == nil || nobody(err)):
			return nil
		case silent > m.succession:
			return fmt.Errorf("nobody listens at %q any more, but process %d still runs", m.path, before.PID)
		case !nobody(err):
			silent = 0
		}
		pause(ctx)
	}
}

// birth tells processes with the same pid apart, see proc(5). One that does not run, or that this process cannot see, has
// none.
func birth(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const state, startTime = 0, 19 // indexes of the fields after the name
	if len(fields) <= startTime || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return fields[startTime]
}
