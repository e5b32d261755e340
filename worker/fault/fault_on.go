//go:build fault

// What a test runs: the environment says where to break.

package fault

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	variable     = "PINION_FAULT"
	onceVariable = "PINION_FAULT_ONCE"
)

// rule is one point:action[:n].
type rule struct {
	text   string // as it was read
	point  string
	action string // a key of actions
	at     int64  // ≥ 1, the passing that counts
	passed atomic.Int64
}

// actions tells which error each action is; nil: it is done here, and does not return but for a signal that is met.
var actions = map[string]error{
	"kill": nil, "exit1": nil, "hang": nil, "term": nil,
	"garbage": ErrGarbage, "short-write": ErrShortWrite, "enomem": syscall.ENOMEM, "emfile": syscall.EMFILE,
	"eagain": syscall.EAGAIN,
}

// orders are the rules in force.
type orders struct {
	text  string
	given time.Time // when the file with them was written
	rules []*rule
}

// fixed is what the environment itself says. An environment that cannot be read ends the process: a test that breaks
// nothing would pass.
var fixed = func() []*rule {
	text := os.Getenv(variable)
	if strings.HasPrefix(text, "@") {
		return nil
	}
	return mustParse(text)
}()

var (
	mu     sync.Mutex
	latest orders // of a file; guarded by mu
)

// inForce returns the rules. Those of a file count the passings anew whenever it is written.
func inForce() []*rule {
	path, isFile := strings.CutPrefix(os.Getenv(variable), "@")
	if !isFile {
		return fixed
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	if latest.text != string(text) || !latest.given.Equal(info.ModTime()) {
		latest = orders{string(text), info.ModTime(), mustParse(strings.TrimSpace(string(text)))}
	}
	return latest.rules
}

func mustParse(text string) []*rule {
	rules, err := parse(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "reading $%s: %v\n", variable, err)
		os.Exit(2)
	}
	return rules
}

func parse(text string) (rules []*rule, err error) {
	if text == "" {
		return nil, nil
	}
	for field := range strings.SplitSeq(text, ",") {
		parts := strings.Split(field, ":")
		r := &rule{text: field, at: 1}
		switch len(parts) {
		case 3:
			r.at, err = strconv.ParseInt(parts[2], 10, 64)
			if err != nil || r.at < 1 {
				return nil, fmt.Errorf("%q: %q is no number from 1 on", field, parts[2])
			}
		case 2:
		default:
			return nil, fmt.Errorf("%q: want point:action[:n]", field)
		}
		r.point, r.action = parts[0], parts[1]
		if _, known := actions[r.action]; !known || r.point == "" {
			return nil, fmt.Errorf("%q: unknown action %q", field, r.action)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// At passes a point at which no operation can fail: only kill, exit1 and hang apply.
func At(point string) {
	pass(point, func(r *rule) bool { return actions[r.action] == nil })
}

// Error passes a point at which an operation can fail, and returns how.
func Error(point string) error {
	return pass(point, func(*rule) bool { return true })
}

func pass(point string, can func(*rule) bool) error {
	var due *rule
	for _, r := range inForce() {
		if r.point == point && can(r) && r.passed.Add(1) == r.at && due == nil {
			due = r
		}
	}
	if due == nil || !claim(due) {
		return nil
	}
	fmt.Fprintf(os.Stderr, "fault: %s: %s (pid %d)\n", point, due.action, os.Getpid())
	err := actions[due.action]
	if err == nil {
		end(due.action)
	}
	return err
}

// claim reports whether the action is this process's to take.
func claim(due *rule) bool {
	if path, isFile := strings.CutPrefix(os.Getenv(variable), "@"); isFile {
		return strike(path, due)
	}
	path := os.Getenv(onceVariable)
	if path == "" {
		return true
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteString(due.point)
	return err == nil
}

// strike removes a rule from the file, or the file with its last rule. Of several processes the one that renames the file
// succeeds.
func strike(path string, due *rule) bool {
	mine := fmt.Sprintf("%s.%d", path, os.Getpid())
	if os.Rename(path, mine) != nil {
		return false
	}
	defer os.Remove(mine)
	text, err := os.ReadFile(mine)
	if err != nil {
		return false
	}
	rest := strings.Split(strings.TrimSpace(string(text)), ",")
	i := slices.Index(rest, due.text)
	if i >= 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) == 0 {
		return true
	}
	if os.WriteFile(mine, []byte(strings.Join(rest, ",")), 0o600) != nil || os.Rename(mine, path) != nil {
		return false
	}
	return i >= 0 // else somebody else was faster
}

// termNoticed is how long the goroutine that catches SIGTERM may take. Without a pause the process could be past the point, and even
// past the handoff, when it learns of it: on a busy machine it was.
const termNoticed = 200 * time.Millisecond

// end does what there is no return from, or has the process meet a signal.
func end(action string) {
	switch action {
	case "term":
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(termNoticed)
		return
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit1":
		os.Exit(1)
	}
	for { // hangs; or has been killed, and must not go on until the kernel notices
		time.Sleep(time.Hour)
	}
}

// Built tells that this binary can be broken.
const Built = true

// Interfere and Divert decide on Call and Instead, where a test has set them before the first system call.
var (
	Interfere func(name string, fd, size int) (most int, err error)
	Divert    func(addr netip.AddrPort) (path string)
)

// Call returns how many of size bytes the system call may move on fd, or the error with which it is to fail. -1 stands
// for no descriptor.
func Call(name string, fd, size int) (most int, err error) {
	if Interfere == nil {
		return size, nil
	}
	return Interfere(name, fd, size)
}

// Instead returns the path of a unix socket to connect to in place of addr; nothing: addr it is.
func Instead(addr netip.AddrPort) (path string) {
	if Divert == nil {
		return ""
	}
	return Divert(addr)
}

// Variables returns the names of the environment variables that processes started by this one must inherit.
func Variables() []string {
	return []string{variable, onceVariable}
}
