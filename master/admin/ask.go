// What can be asked, and the answers.

package admin

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/query"
)

// Command is what is asked for.
type Command uint8

const (
	ReportStatus Command = iota // nothing but an answer
	Reload                      // a new generation by the configuration file
	Upgrade                     // the same by the binary that is installed now
	Drain                       // serve on for a while, finish what is owed, then end
	UndoDrain                   // serve on
	End                         // drain, as soon as the configuration says
	Stop                        // end at once
	ReopenLog                   // go on in the log file that is at its path now
	Failover                    // have sentinels make a replica the master
	ResetSlowLog                // forget slow requests
	SetLogLevel                 // log more, or less
)

// Ask is one request on its way to the loop, which answers it exactly once, at the latest when the master ends.
type Ask struct {
	Command Command
	DryRun  bool           // of reload: only tell what would change
	Strict  bool           // of reload and upgrade: refuse if the new workers cannot reach each server
	Timed   bool           // of drain: After counts, otherwise what the configuration says
	After   time.Duration  // how long to serve on first
	Pool    string         // of failover; of resetting the slow log, empty: of all pools
	Server  string         // likewise: the name in the configuration
	Level   int            // of the log, 0 to 11
	LeaveTo int            // of stop: a process that has the sockets, too, so that they stay open; 0: none
	By      *Asker         // nil: the master itself
	Reply   chan<- Outcome // has room for one: the loop never waits
}

// endpoint is one thing that can be asked.
type endpoint struct {
	method  string
	path    string
	command Command
	now     Command  // asked instead with now=1
	undo    Command  // likewise with undo=1
	params  []string // that it takes; each is 0 or 1
	names   []string // that it needs
	may     []string // names that it takes
}

// endpoints are all of them. A stop is a drain, after which the asking side waits for the end.
var endpoints = []endpoint{
	{method: "GET", path: "/status", command: ReportStatus},
	{method: "POST", path: "/reload", command: Reload, params: []string{"dry_run", "strict"}},
	{method: "POST", path: "/upgrade", command: Upgrade, params: []string{"strict"}},
	{method: "POST", path: "/drain", command: Drain, undo: UndoDrain, params: []string{"undo"}, may: []string{"after"}},
	{method: "POST", path: "/stop", command: End, now: Stop, params: []string{"now"}, may: []string{"leave_to"}},
	{method: "POST", path: "/log/reopen", command: ReopenLog},
	{method: "POST", path: "/failover", command: Failover, names: []string{"pool", "server"}},
	{method: "POST", path: "/slowlog/reset", command: ResetSlowLog, may: []string{"pool"}},
	{method: "POST", path: "/log/level", command: SetLogLevel, names: []string{"level"}},
}

func (e *endpoint) String() string {
	text := e.method + " " + e.path
	for _, p := range e.params {
		text += " [" + p + "=1]"
	}
	for _, n := range e.names {
		text += " " + n + "=NAME"
	}
	for _, n := range e.may {
		text += " [" + n + "=" + wanted(n) + "]"
	}
	return text
}

// wanted says what a parameter is.
func wanted(name string) string {
	if name == "after" {
		return "DURATION"
	}
	return "NAME"
}

// read makes an ask of the parameters.
func (e *endpoint) read(parameters string) (*Ask, error) {
	a, now, undo := &Ask{Command: e.command}, false, false
	all := query.Parameters{
		"dry_run": query.Truth(&a.DryRun), "strict": query.Truth(&a.Strict), "now": query.Truth(&now), "pool": query.Text(&a.Pool), "server": query.Text(&a.Server),
		"level":    query.Number(&a.Level, 0, 11),
		"leave_to": query.Number(&a.LeaveTo, 1, math.MaxInt32),
		"undo":     query.Truth(&undo), "after": query.Value(a.readAfter),
	}
	there := query.Parameters{}
	for _, name := range slices.Concat(e.params, e.may) {
		there[name] = all[name]
	}
	for _, name := range e.names {
		there[name] = all[name].Once()
	}
	switch err := there.Read(parameters); {
	case err != nil:
		return nil, err
	case undo && a.Timed:
		return nil, errors.New("a drain is either asked for or undone: leave out after or undo")
	case now:
		a.Command = e.now
	case undo:
		a.Command = e.undo
	}
	return a, nil
}

// readAfter reads how long to serve on.
func (a *Ask) readAfter(text string) (err error) {
	a.Timed = true
	if a.After, err = time.ParseDuration(text); err != nil || a.After < 0 || a.After > maxAfter {
		return fmt.Errorf("it is a duration such as 30s or 5m, at most %s", maxAfter)
	}
	return nil
}

// maxAfter is how long a drain may wait: whoever wants longer wants something else.
const maxAfter = 7 * 24 * time.Hour

// Outcome is the answer to an Ask.
type Outcome struct {
	Error   string         `json:"error,omitempty"`
	Lines   []string       `json:"lines,omitempty"` // for people: what would change, or what is wrong
	Handoff *HandoffStatus `json:"handoff,omitempty"`
	Status  *Status        `json:"status,omitempty"` // of ReportStatus
	PID     int            `json:"pid,omitempty"`    // of drain and stop: the process that ends
	Failure Failure        `json:"-"`                // what kind of Error

	Unchanged bool `json:"unchanged,omitempty"` // of a dry run: Lines tell no change; masters of earlier versions then have no lines
}

// Failure is what the asking side can do about an error.
type Failure uint8

const (
	FailureInside    Failure = iota // it was tried and did not succeed
	FailureBusy                     // ask again later: the phase, or what is under way, does not allow it
	FailureConfig                   // mend the configuration
	FailureReplaced                 // ask again now: another master has taken over
	FailureCaller                   // whoever asks may not
	FailureUnknown                  // ask for something that there is
	FailureParameter                // ask in other words
)

var failureCodes = [...]int{
	FailureInside: http.StatusInternalServerError,
	FailureBusy:   http.StatusConflict,
	FailureConfig: http.StatusUnprocessableEntity,

	FailureReplaced: http.StatusServiceUnavailable,
	FailureCaller:   http.StatusForbidden,
	FailureUnknown:  http.StatusNotFound,

	FailureParameter: http.StatusBadRequest,
}

func (o *Outcome) code() int {
	if o.Error == "" {
		return http.StatusOK
	}
	return failureCodes[o.Failure]
}

// NoPool is the error about a pool that there is not, whose kind is FailureUnknown. there are the names of those that there are.
func NoPool(name string, there []string) string {
	return fmt.Sprintf("there is no pool %q; there are: %s", name, strings.Join(there, " "))
}
