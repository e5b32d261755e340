// What can be asked, and the answers.

package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Command is what is asked for.
type Command uint8

const (
	ReportStatus Command = iota // nothing but an answer
	Reload                      // a new generation by the configuration file
	Upgrade                     // the same by the binary that is installed now
	Drain                       // finish what is owed, then end
	Stop                        // end at once
	ReopenLog                   // go on in the log file that is at its path now
	Failover                    // have sentinels make a replica the master
	ResetSlowLog                // forget slow requests
)

// Ask is one request on its way to the loop, which answers it exactly once, at the latest when the master ends.
type Ask struct {
	Command Command
	DryRun  bool           // of reload: only tell what would change
	Strict  bool           // of reload and upgrade: refuse if the new workers cannot reach each server
	Pool    string         // of failover; of resetting the slow log, empty: of all pools
	Server  string         // likewise: the name in the configuration
	By      *Asker         // nil: the master itself
	Reply   chan<- Outcome // has room for one: the loop never waits
}

// endpoint is one thing that can be asked.
type endpoint struct {
	method  string
	path    string
	command Command
	now     Command  // asked instead with now=1
	params  []string // that it takes; each is 0 or 1
	names   []string // that it needs
	may     []string // names that it takes
}

// endpoints are all of them. A stop is a drain, after which the asking side waits for the end.
var endpoints = []endpoint{
	{method: "GET", path: "/status", command: ReportStatus},
	{method: "POST", path: "/reload", command: Reload, params: []string{"dry_run", "strict"}},
	{method: "POST", path: "/upgrade", command: Upgrade, params: []string{"strict"}},
	{method: "POST", path: "/drain", command: Drain},
	{method: "POST", path: "/stop", command: Drain, now: Stop, params: []string{"now"}},
	{method: "POST", path: "/log/reopen", command: ReopenLog},
	{method: "POST", path: "/failover", command: Failover, names: []string{"pool", "server"}},
	{method: "POST", path: "/slowlog/reset", command: ResetSlowLog, may: []string{"pool"}},
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
		text += " [" + n + "=NAME]"
	}
	return text
}

// read makes an ask of the parameters. One that is misspelt must not be ignored: it may be the one that says "only
// look".
func (e *endpoint) read(query string) (*Ask, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("reading the parameters: %w", err)
	}
	a := &Ask{Command: e.command}
	for _, name := range e.names {
		if len(values[name]) != 1 || values[name][0] == "" {
			return nil, fmt.Errorf("parameter %q is needed once; what there is: %s", name, e)
		}
	}
	a.Pool, a.Server = values.Get("pool"), values.Get("server")
	for name, given := range values {
		if slices.Contains(e.names, name) || slices.Contains(e.may, name) && len(given) == 1 && given[0] != "" {
			continue
		}
		if !slices.Contains(e.params, name) {
			return nil, fmt.Errorf("unknown parameter %q; what there is: %s", name, e)
		}
		if len(given) != 1 || given[0] != "0" && given[0] != "1" {
			return nil, fmt.Errorf("parameter %q is %q; write %s=1", name, strings.Join(given, ","), name)
		}
		on := given[0] == "1"
		switch name {
		case "dry_run":
			a.DryRun = on
		case "strict":
			a.Strict = on
		case "now":
			if on {
				a.Command = e.now
			}
		}
	}
	return a, nil
}

// Outcome is the answer to an Ask.
type Outcome struct {
	Error   string         `json:"error,omitempty"`
	Lines   []string       `json:"lines,omitempty"` // for people: what would change, or what is wrong
	Handoff *HandoffStatus `json:"handoff,omitempty"`
	Status  *Status        `json:"status,omitempty"` // of ReportStatus
	PID     int            `json:"pid,omitempty"`    // of drain and stop: the process that ends
	Failure Failure        `json:"-"`                // what kind of Error
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
