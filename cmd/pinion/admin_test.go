// The commands against a master that the test plays, with the answers that package master pins in its testdata.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/process"
)

// fakeMaster is an admin socket that answers as the test says.
type fakeMaster struct {
	path     string
	listener net.Listener
	server   http.Server

	mu    sync.Mutex // held while a request is answered
	heard []string   // requests, but for those that ask for the status
}

type fakeAnswer func(f *fakeMaster, w http.ResponseWriter, r *http.Request)

// playMaster answers one request at a time by what answer writes.
func playMaster(t *testing.T, answer fakeAnswer) *fakeMaster {
	t.Helper()
	f := &fakeMaster{path: adminPath(t)}
	var err error
	if f.listener, err = net.Listen("unix", f.path); err != nil {
		t.Fatal(err)
	}
	f.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if line := r.Method + " " + r.URL.RequestURI(); line != "GET /status" {
			f.heard = append(f.heard, line)
		}
		answer(f, w, r)
	})
	done := make(chan struct{})
	go func() { defer close(done); f.server.Serve(f.listener) }()
	t.Cleanup(func() { f.server.Close(); <-done })
	return f
}

// adminPath returns a path that is short enough for a socket.
func adminPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "c.sock")
}

// requests returns what was asked beside the status. After it the test may read what its answers have written.
func (f *fakeMaster) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.heard, "\n")
}

// pinned returns an answer of package master.
func pinned(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../master/admin/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// send returns what answers each request by a pinned answer, but those for the status by the pinned status.
func send(t *testing.T, code int, name string) fakeAnswer {
	status, text := pinned(t, "status"), pinned(t, name)
	return func(_ *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			w.Write(status)
			return
		}
		w.WriteHeader(code)
		w.Write(text)
	}
}

// invoke runs a command line.
func invoke(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(append([]string{"pinion"}, args...), &out, &err)
	return status, out.String(), err.String()
}

// local puts the time of the examples as this machine writes it.
func local(text string) string {
	example := time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)
	return strings.ReplaceAll(text, example.Format(statusTime), example.Local().Format(statusTime))
}

const statusText = `pinion 1.3.0 (pid 4711) is serving, generation 4, up 2 d 3 h
4 problems: 3 servers in 1 pool, 6,170 clients, 12 requests under way
  WARNING: worker 1 is waiting
  WARNING: sessions/redis1 answers some requests with an error: its memory is full (OOM)
  WARNING: sessions/redis2 is ejected
  WARNING: sessions/redis3 is down since 2026-11-22 13:02:18: connection refused
  started        2026-11-22 13:02:18
  configuration  /etc/pinion/pinion.yml
  control        /run/pinion/ctl.sock
  under way      reload

generation 4, serving, pinion 1.3.0: 2 workers, 6,170 clients
  WORKER   PID    CPU   STATE     AGE          CLIENTS   MEMORY               DESCRIPTORS
  0        4720   0     serving   1 min 15 s   6,170     1.2 MiB of 512 MiB   6,194 of 65,536
  1        -      -     waiting   -            0         -                    -

generation 3, retired, pinion 1.2.9: 1 worker, 5 clients
  WORKER   PID    CPU   STATE      AGE       CLIENTS   MEMORY   DESCRIPTORS
  0        4402   0     draining   2 d 2 h   5         -        -

pool sessions on 127.0.0.1:22121: 6,170 clients of at most 10,000
  SERVER   ADDRESS          STATE     CONNS   QUEUE   REQUESTS    EOF   ERRORS   TIMEOUTS   P50      P99      P99.9
  redis1   127.0.0.1:6379   live      4       12      1,234,567   1     2        3          144 µs   1.2 ms   24 ms
  redis2   127.0.0.1:6380   ejected   0       0       0           0     0        0          -        -        -
  redis3   127.0.0.1:6381   down      0       0       7           0     9        0          -        -        -
  redis1 answers some requests with an error: its memory is full (OOM)
  redis3 is down since 2026-11-22 13:02:18: connection refused, last tried at 2026-11-22 13:02:18

last upgrade: done, to generation 4 (pinion 1.3.0), at 2026-11-22 13:02:18
  12,340 clients moved, 5 stragglers, 1 closed; longest pause 9.3 ms; took 231 ms
`

func TestStatusCommand(t *testing.T) {
	f := playMaster(t, send(t, 200, "nothing"))
	want := local(statusText)
	if status, out, err := invoke("status", "--control", f.path); status != 0 || out != want || err != "" {
		t.Errorf("got %d, %q and\n%s\nwant\n%s", status, err, out, want)
	}
	if status, out, err := invoke("status", "--json", "--control="+f.path); status != 0 || out != string(pinned(t, "status")) || err != "" {
		t.Errorf("got %d, %q and %s", status, err, out)
	}
}

// The least that a master can say of itself, and a handoff that failed.
func TestShowStatus(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)
	s := admin.Status{Build: "dev", PID: 1, StartedAt: at, Phase: "starting", ConfigFile: "c"}
	const least = "pinion dev (pid 1) is starting, generation 0, up 0 s\n" +
		"1 problem: 0 servers in 0 pools, 0 clients, 0 requests under way\n  CRITICAL: it is starting, and serves nobody yet\n" +
		"  started        2026-11-22 13:02:18\n  configuration  c\n  control        \n"
	var out strings.Builder
	if err := showStatus(&out, s); err != nil || out.String() != local(least) {
		t.Errorf("got %v and\n%s\nwant\n%s", err, out.String(), local(least))
	}
	s.Last = &admin.HandoffStatus{Kind: "reload", Generation: 2, Build: "dev", At: at, Outcome: "failed", Stragglers: 1,
		Reason: "two\nlines", Took: 12 * time.Second}
	out.Reset()
	failed := strings.Replace(strings.Replace(least, "1 problem:", "2 problems:", 1), "yet\n", "yet\n  WARNING: the last reload has failed: two\n", 1) + "\nlast reload: failed, to generation 2 (pinion dev), at 2026-11-22 13:02:18\n" +
		"  two\n  lines\n  0 clients moved, 1 straggler, 0 closed; took 12 s\n"
	if err := showStatus(&out, s); err != nil || out.String() != local(failed) {
		t.Errorf("got %v and\n%s\nwant\n%s", err, out.String(), local(failed))
	}
	s.Last.Build = "" // of a binary that could not even say so
	out.Reset()
	if err := showStatus(&out, s); err != nil || out.String() != local(strings.Replace(failed, " (pinion dev), at", ", at", 1)) {
		t.Errorf("got %v and\n%s", err, out.String())
	}
}

// A pool whose servers fail over: where they are, how that came, and what each sentinel says.
func TestShowSentinels(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)
	names := func(address string, epoch uint64, disagrees bool) []admin.NamedStatus {
		return []admin.NamedStatus{{Master: "users", Address: address, Epoch: epoch, Disagrees: disagrees}}
	}
	pool := admin.PoolStatus{
		Name: "store", Listen: "127.0.0.1:22121", Servers: []admin.ServerStatus{
			{Name: "s1", Address: "10.0.0.2:6379", State: "live", Followed: &admin.FollowedStatus{
				Master: "users", Epoch: 5, MovedAt: at, MovedFrom: "10.0.0.1:6379", SaidAt: at.Add(-20 * time.Millisecond), SwitchedAt: at.Add(5 * time.Millisecond),
			}},
			{Name: "s2", State: "unknown", Followed: &admin.FollowedStatus{Master: "carts", Stale: true}},
		},
		Sentinels: []admin.SentinelStatus{
			{
				Address: "10.0.0.7:26379", State: admin.SentinelAnswers, Configured: true, Counts: true,
				Masters: append([]admin.NamedStatus{{Master: "carts", Error: "ERR No such master with that name"}}, names("10.0.0.2:6379", 5, false)...),
			},
			{Address: "10.0.0.8:26379", State: admin.SentinelSilent, Configured: true, Counts: true, SilentSince: at, Error: "connection refused"},
			{Address: "10.0.0.9:26379", State: admin.SentinelDisagrees, Counts: true, Masters: names("10.0.0.1:6379", 4, true)},
			{Address: "6.6.6.6:26379", State: admin.SentinelAnswers, Masters: names("6.6.6.6:6379", 99, false)},
		},
	}
	const want = `
pool store on 127.0.0.1:22121: 0 clients
  SERVER   ADDRESS         STATE     CONNS   QUEUE   REQUESTS   EOF   ERRORS   TIMEOUTS   P50   P99   P99.9
  s1       10.0.0.2:6379   live      0       0       0          0     0        0          -     -     -
  s2       not known       unknown   0       0       0          0     0        0          -     -     -
  s1 is the master users of the sentinels: epoch 5, moved from 10.0.0.1:6379 at 2026-11-22 13:02:18, all workers 25 ms after the first sentinel said so
  s2 is the master carts of the sentinels: epoch 0; STALE, no sentinel answers
  SENTINEL         STATE                                                  MASTER   AT                                  EPOCH
  10.0.0.7:26379   answers                                                carts    ERR No such master with that name   -
  10.0.0.7:26379   answers                                                users    10.0.0.2:6379                       5
  10.0.0.8:26379   SILENT since 2026-11-22 13:02:18: connection refused   -        -                                   -
  10.0.0.9:26379   disagrees                                              users    10.0.0.1:6379                       4
  6.6.6.6:26379    does not count: few others know it                     users    6.6.6.6:6379                        99
`
	var out strings.Builder
	if showPool(&out, &pool); out.String() != local(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), local(want))
	}
}

func TestAge(t *testing.T) {
	for seconds, want := range map[int64]string{
		0: "0 s", 59: "59 s", 60: "1 min 0 s", 3599: "59 min 59 s", 3600: "1 h 0 min", 86399: "23 h 59 min", 86400: "1 d 0 h",
		10*86400 + 86399: "10 d 23 h",
	} {
		if got := age(seconds); got != want {
			t.Errorf("%d s: got %s, want %s", seconds, got, want)
		}
	}
}

// Each command asks what it should, says what came of it, and its exit status is true.
func TestControlCommands(t *testing.T) {
	const served = "generation 4 serves: 12,340 clients moved, 5 stragglers, 1 closed; longest pause 9.3 ms; took 231 ms\n"
	for _, c := range []struct {
		args   string
		code   int
		answer string
		heard  string
		status int
		out    string
		err    string
	}{
		{"reload", 200, "handoff", "POST /reload", 0, "a word\n" + served, ""},
		{"reload --strict", 200, "handoff", "POST /reload?strict=1", 0, "a word\n" + served, ""},
		{"reload", 500, "failed", "POST /reload", 1, "", "pinion: worker 1 cannot reach server \"redis1\"\n"},
		{"reload", 422, "config", "POST /reload", 1, "", "pinion.yml:2:3: pool \"alpha\": unknown key \"lisen\"; " +
			"did you mean \"listen\"?\npinion: pinion.yml is not fit to run\n"},
		{"reload", 200, "nothing", "POST /reload", 1, "",
			"pinion: the proxy does not say that the new generation serves; see pinion status\n"},
		{"reload", 200, "failed", "POST /reload", 1, "",
			"pinion: the proxy does not say that the new generation serves; see pinion status\n"},
		{"reload --dry-run", 200, "dry_run", "POST /reload?dry_run=1", 2,
			"pool alpha: timeout: 400 -> 500\npool beta: added\n", ""},
		{"reload --dry-run", 200, "remarks", "POST /reload?dry_run=1", 0, "nothing would change\nnew workers cannot reach server \"a\"\n", ""},
		{"reload --dry-run --strict", 200, "nothing", "POST /reload?dry_run=1&strict=1", 0, "nothing would change\n", ""},
		{"reload --dry-run", 422, "config", "POST /reload?dry_run=1", 1, "", "pinion.yml:2:3: pool \"alpha\": unknown key " +
			"\"lisen\"; did you mean \"listen\"?\npinion: pinion.yml is not fit to run\n"},
		{"upgrade", 200, "handoff", "POST /upgrade", 0, "a word\n" + served, ""},
		{"upgrade --strict --timeout 20s", 200, "handoff", "POST /upgrade?strict=1", 0, "a word\n" + served, ""},
		{"upgrade", 409, "busy", "POST /upgrade", 1, "", "pinion: a reload is under way\n"},
		{"drain", 200, "drain", "POST /drain", 0, "draining within 30s\n", ""},
		{"drain", 200, "nothing", "POST /drain", 0, "draining\n", ""},
		{"drain --after 30s", 200, "drain", "POST /drain?after=30s", 0, "draining within 30s\n", ""},
		{"drain --undo", 200, "nothing", "POST /drain?undo=1", 0, "done\n", ""},
		{"drain --undo", 200, "handoff", "POST /drain?undo=1", 0, "a word\n" + served, ""},
		{"drain --after 30", 200, "drain", "", 1, "", "pinion: option --after requires a duration such as 30s or 5m\n" +
			"Usage: pinion drain [--after DURATION | --undo] [--control FILE]\nSee pinion drain --help.\n"},
		{"drain --after 30s --undo", 200, "drain", "", 1, "", "pinion: options --after and --undo exclude each other\n" +
			"Usage: pinion drain [--after DURATION | --undo] [--control FILE]\nSee pinion drain --help.\n"},
		{"drain", 409, "busy", "POST /drain", 1, "", "pinion: a reload is under way\n"},
		{"stop", 409, "busy", "POST /stop", 1, "", "pinion: a reload is under way\n"},
		{"failover sessions redis1", 200, "dry_run", "POST /failover?pool=sessions&server=redis1", 0,
			"pool alpha: timeout: 400 -> 500\npool beta: added\n", ""},
		{"failover sessions redis1", 409, "busy", "POST /failover?pool=sessions&server=redis1", 1, "", "pinion: a reload is under way\n"},
		{"log reopen", 200, "nothing", "POST /log/reopen", 0, "reopened the log file\n", ""},
		{"log reopen", 500, "failed", "POST /log/reopen", 1, "", "pinion: worker 1 cannot reach server \"redis1\"\n"},
	} {
		f := playMaster(t, send(t, c.code, c.answer))
		status, out, err := invoke(append(strings.Fields(c.args), "--control", f.path)...)
		if status != c.status || out != c.out || err != c.err {
			t.Errorf("pinion %s, answered %d %s: got %d, stdout %q, stderr %q\nwant %d, %q, %q",
				c.args, c.code, c.answer, status, out, err, c.status, c.out, c.err)
		}
		if heard := f.requests(); heard != c.heard {
			t.Errorf("pinion %s asks for %q, want %q", c.args, heard, c.heard)
		}
	}
}

// Whoever answers must be a Pinion.
func TestStrangers(t *testing.T) {
	for _, text := range []string{"", "hello", "[]", `{"error": 1}`} {
		for _, code := range []int{200, 204, 301, 500} {
			f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://elsewhere/")
				w.WriteHeader(code)
				io.WriteString(w, text)
			})
			for _, command := range []string{"status", "reload", "stop"} {
				status, out, err := invoke(command, "--control", f.path)
				if want := fmt.Sprintf("pinion: what listens at %q does not answer as a Pinion does\n", f.path); status != 1 || out != "" ||
					err != want {
					t.Errorf("%s of one that says %d %q: got %d, %q, %q, want %q", command, code, text, status, out, err, want)
				}
			}
		}
	}
}

func TestNobodyListens(t *testing.T) {
	dir := filepath.Dir(adminPath(t))
	left := filepath.Join(dir, "left")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, cause := range map[string]string{
		filepath.Join(dir, "none"):   "no such file or directory",
		filepath.Join(file, "below"): "not a directory",
		left:                         "connection refused",
		file:                         "connection refused",
	} {
		for _, command := range []string{"status", "reload", "upgrade", "drain", "stop", "log reopen"} {
			hint := "tell where with --control FILE or PINION_CONTROL"
			if cause == "connection refused" {
				hint = "if its master was killed, start Pinion again as before: it takes over the workers that serve on; else " + hint
			}
			want := fmt.Sprintf("pinion: no Pinion listens at %q: %s; %s\n", path, cause, hint)
			status, out, err := invoke(append(strings.Fields(command), "--control", path)...)
			if status != 1 || out != "" || err != want {
				t.Errorf("%s: got %d, %q, %q, want %q", command, status, out, err, want)
			}
		}
	}
	for cause, want := range map[error]string{
		syscall.EINVAL: `connecting to "p": invalid argument`,
	} {
		if got := (&noConnection{"p", &net.OpError{Op: "dial", Err: cause}}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A master that has no time for this question, or ends meanwhile, is asked again; one that never answers is not waited
// for.
func TestStatusAgain(t *testing.T) {
	text := pinned(t, "status")
	attempts := 0
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, _ *http.Request) {
		attempts++
		switch attempts {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(503)
			io.WriteString(w, `{"error": "the master has ended before it could answer"}`)
		case 3:
			w.WriteHeader(429)
			io.WriteString(w, `{"error": "16 requests are being answered already; ask again later"}`)
		default:
			w.Write(text)
		}
	})
	status, out, err := invoke("status", "--json", "--control", f.path)
	if heard := f.requests(); heard != "" || status != 0 || out != string(text) || attempts != 4 {
		t.Errorf("after %d attempts: %d, %q, %q; asked for %q", attempts, status, out, err, heard)
	}

	hanging := playMaster(t, func(_ *fakeMaster, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	m := newAdminSocket(hanging.path)
	m.statusTimeout = 300 * time.Millisecond
	_, _, failure := m.status(context.Background())
	want := "the proxy does not answer: it hangs, or has been stopped; with the pid of its pid file or its log: kill -CONT PID"
	if failure == nil || !strings.HasPrefix(failure.Error(), want) {
		t.Errorf("got %v", failure)
	}
}

// A master that has handed over meanwhile has done nothing; its successor does.
func TestAskAgain(t *testing.T) {
	for command, want := range map[string]string{
		"reload": "POST /reload\nPOST /reload", "upgrade": "POST /upgrade\nPOST /upgrade", "drain": "POST /drain\nPOST /drain",
	} {
		reply := send(t, 200, "handoff")
		f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/status" && len(f.heard) == 1 {
				w.WriteHeader(503)
				io.WriteString(w, `{"error": "the master has ended before it could answer"}`)
				return
			}
			reply(f, w, r)
		})
		if status, out, err := invoke(command, "--control", f.path); status != 0 {
			t.Errorf("%s: got %d, %q, %q", command, status, out, err)
		}
		if heard := f.requests(); heard != want {
			t.Errorf("%s: asked for %q, want %q", command, heard, want)
		}
	}
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(503)
		io.WriteString(w, `{"error": "the master has ended before it could answer"}`)
	})
	m := newAdminSocket(f.path)
	m.succession = 3 * askPause
	if _, err := m.ask(context.Background(), "/reload", nil); err == nil || err.Error() != "the master has ended before it could answer" {
		t.Errorf("a successor that ends as well: got %v", err)
	}
}

// alter returns the pinned status after a change.
func alter(t *testing.T, change func(*admin.Status)) []byte {
	t.Helper()
	var s admin.Status
	if err := json.Unmarshal(pinned(t, "status"), &s); err != nil {
		t.Fatal(err)
	}
	change(&s)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An old master whose last word is lost has a successor that knows; if it has none, there was no upgrade.
// A master that hangs is not waited for; one that says how it is is, however long it takes.
func TestAskOneThatHangs(t *testing.T) {
	for _, hangs := range []bool{true, false} {
		path := adminPath(t)
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		asked, over := 0, make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/status":
				<-over
				fmt.Fprint(w, `{"lines": ["done"]}`)
			case hangs:
				<-over
			default:
				if asked++; asked == 3 {
					close(over)
				}
				fmt.Fprint(w, `{"pid": 7}`)
			}
		})}
		t.Cleanup(func() { server.Close() })
		go server.Serve(listener)
		m := newAdminSocket(path)
		m.statusTimeout = 250 * time.Millisecond
		a, err := m.ask(context.Background(), "/reload", nil)
		switch {
		case hangs && (err == nil || !strings.Contains(err.Error(), "does not answer: it hangs")):
			t.Errorf("one that hangs: %+v, %v", a, err)
		case hangs:
			close(over)
		case err != nil || len(a.Lines) != 1:
			t.Errorf("one that takes its time: %+v, %v", a, err)
		}
	}
}

func TestUpgradeWithoutAnswer(t *testing.T) {
	old := pinned(t, "status")
	failed := *exampleLast(t)
	failed.Outcome = admin.HandoffFailed
	for _, c := range []struct {
		name   string
		then   [][]byte // the status after the request; the last one stays; nil: nobody listens any more
		status int
		want   string
	}{
		{"success", [][]byte{old, old, alter(t, func(s *admin.Status) { s.PID++ })}, 0, "generation 4 serves"},
		{"another failure", [][]byte{old, alter(t, func(s *admin.Status) { s.PID++; s.Last = &failed })}, 1, "does not say that"},
		{"no word", [][]byte{alter(t, func(s *admin.Status) { s.PID++; s.Last = nil })}, 1, "does not say that"},
		{"no upgrade", [][]byte{old, alter(t, func(s *admin.Status) { s.Busy = "" })}, 1, "the proxy did not answer: EOF; see pinion status"},
		{"nobody", nil, 1, "the proxy ended during the upgrade"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, then := false, c.then
			f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/upgrade":
					asked = true
					if c.then == nil {
						f.listener.Close()
					}
					panic(http.ErrAbortHandler)
				case !asked:
					w.Write(old)
				default:
					w.Write(then[0])
					if len(then) > 1 {
						then = then[1:]
					}
				}
			})
			status, out, err := invoke("upgrade", "--control", f.path)
			if status != c.status || !strings.Contains(out+err, c.want) {
				t.Errorf("got %d, %q, %q, want %d, %q", status, out, err, c.status, c.want)
			}
		})
	}
}

func exampleLast(t *testing.T) *admin.HandoffStatus {
	var a admin.Outcome
	if err := json.Unmarshal(pinned(t, "handoff"), &a); err != nil {
		t.Fatal(err)
	}
	return a.Handoff
}

// The wait for an upgrade ends; the upgrade does not.
func TestUpgradeTimeout(t *testing.T) {
	status := pinned(t, "status")
	f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			w.Write(status)
			return
		}
		<-r.Context().Done()
	})
	code, out, err := invoke("upgrade", "--timeout=300ms", "--control", f.path)
	if code != 1 || out != "" || err != "pinion: the upgrade is still under way after 300ms; see pinion status\n" {
		t.Errorf("got %d, %q, %q", code, out, err)
	}
}

// The stop waits for the process, not for the answer. How the answer gets lost makes no difference.
func TestStopWaits(t *testing.T) {
	for _, c := range []struct {
		args  string
		heard string
		lose  bool
	}{
		{"stop", "POST /stop", false},
		{"stop --now", "POST /stop?now=1", false},
		{"stop", "POST /stop", true},
	} {
		child := exec.Command("cat") // runs until its input ends
		input, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		serving := alter(t, func(s *admin.Status) { s.PID = child.Process.Pid })
		draining := alter(t, func(s *admin.Status) { s.PID = child.Process.Pid; s.Phase = "draining" })
		looks, stopped := 0, false
		f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/stop":
				stopped = true
				if c.lose {
					panic(http.ErrAbortHandler)
				}
				io.WriteString(w, "{}")
			case !stopped:
				w.Write(serving)
			default:
				w.Write(draining)
				if looks++; looks == 3 {
					f.listener.Close()
					input.Close()
				}
			}
		})
		status, out, stderr := invoke(append(strings.Fields(c.args), "--control", f.path)...)
		if status != 0 || out != fmt.Sprintf("stopped (pid %d)\n", child.Process.Pid) || stderr != "" {
			t.Errorf("got %d, %q, %q", status, out, stderr)
		}
		if heard := f.requests(); heard != c.heard {
			t.Errorf("asked for %q, want %q", heard, c.heard)
		}
		if birth(child.Process.Pid) != "" || looks < 3 {
			t.Errorf("the process still runs, after %d looks", looks)
		}
		input.Close()
		child.Wait()
	}
}

// A stop that was not heard is no stop; a process that stays without its socket is no end.
func TestStopFails(t *testing.T) {
	here := alter(t, func(s *admin.Status) { s.PID = os.Getpid() })
	f := playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop" {
			panic(http.ErrAbortHandler)
		}
		w.Write(here)
	})
	if status, out, err := invoke("stop", "--control", f.path); status != 1 || out != "" ||
		err != "pinion: the proxy did not answer: EOF; see pinion status\n" {
		t.Errorf("not heard: got %d, %q, %q", status, out, err)
	}

	const unseen = 1 << 30 // above every pid
	pid := unseen
	f = playMaster(t, func(_ *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop" {
			pid++
			panic(http.ErrAbortHandler)
		}
		w.Write(alter(t, func(s *admin.Status) { s.PID, s.StartedAt = pid, s.StartedAt.Add(time.Duration(pid-unseen)) }))
	})
	if status, out, err := invoke("stop", "--control", f.path); status != 1 || out != "" ||
		err != fmt.Sprintf("pinion: process %d has ended, but process %d serves now\n", unseen, unseen+1) {
		t.Errorf("started anew meanwhile: got %d, %q, %q", status, out, err)
	}

	f = playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop" {
			f.listener.Close()
			io.WriteString(w, "{}")
			return
		}
		w.Write(here)
	})
	m := newAdminSocket(f.path)
	m.succession = 5 * askPause
	_, err := m.stop(nil)
	if want := fmt.Sprintf("nobody listens at %q any more, but process %d still runs", f.path, os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("not gone: got %v, want %s", err, want)
	}
}

// A master that takes over while the old one is asked to end is asked, too: the service is to end.
func TestStopSucceeded(t *testing.T) {
	const unseen = 1 << 30 // above every pid
	pid, asked := unseen, 0
	f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop" {
			if asked++; asked == 2 {
				f.listener.Close()
			}
			pid++
			io.WriteString(w, "{}")
			return
		}
		w.Write(alter(t, func(s *admin.Status) { s.PID = pid }))
	})
	if status, out, err := invoke("stop", "--control", f.path); status != 0 || asked != 2 || out != fmt.Sprintf("stopped (pid %d)\n", unseen) {
		t.Errorf("asked %d times, got %d, %q, %q", asked, status, out, err)
	}
}

// A process that cannot be seen is gone when nobody listens, or somebody else.
func TestStopUnseen(t *testing.T) {
	const unseen = 1 << 30 // above every pid
	for _, successor := range []bool{false, true} {
		stopped := false
		f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
			pid := unseen
			switch {
			case r.URL.Path == "/stop":
				stopped = true
				if !successor {
					f.listener.Close()
				}
				io.WriteString(w, "{}")
				return
			case stopped:
				pid++
			}
			w.Write(alter(t, func(s *admin.Status) {
				s.PID = pid
				if stopped { // a service that was started anew
					s.StartedAt = s.StartedAt.Add(time.Hour)
				}
			}))
		})
		if status, out, err := invoke("stop", "--control", f.path); status != 0 || out != fmt.Sprintf("stopped (pid %d)\n", unseen) {
			t.Errorf("successor %v: got %d, %q, %q", successor, status, out, err)
		}
	}
}

// A process of a container is not the one that has its number outside.
func TestStopContainer(t *testing.T) {
	f := playMaster(t, func(f *fakeMaster, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stop" {
			f.listener.Close()
			io.WriteString(w, "{}")
			return
		}
		w.Write(alter(t, func(s *admin.Status) {
			s.PID, s.Keeper, s.PIDNamespace = os.Getpid(), os.Getppid(), process.PIDNamespace()+1
		}))
	})
	if status, out, err := invoke("stop", "--control", f.path); status != 0 || out != fmt.Sprintf("stopped (pid %d)\n", os.Getpid()) {
		t.Errorf("got %d, %q, %q", status, out, err)
	}
}

// Where a command looks, and where the proxy listens.
func TestControlPath(t *testing.T) {
	for _, c := range []struct {
		args      string
		variable  string // "-": not set
		directory string
		client    string
		proxy     string
	}{
		{"", "-", "", findAnswering, admin.OwnName},
		{"", "-", "/run/p", "/run/p/ctl.sock", "/run/p/ctl.sock"},
		{"", "-", "/run/p:/run/q", "/run/p/ctl.sock", "/run/p/ctl.sock"},
		{"", "/tmp/v", "/run/p", "/tmp/v", "/tmp/v"},
		{"--control f", "/tmp/v", "/run/p", "f", "f"},
		{"--control=", "-", "/run/p", "", ""},
		{"", "", "/run/p", "", ""},
	} {
		t.Setenv(controlVariable, c.variable)
		if c.variable == "-" {
			os.Unsetenv(controlVariable)
		}
		t.Setenv("RUNTIME_DIRECTORY", c.directory)
		var client, proxy string
		app := newApp(io.Discard, io.Discard)
		app.Action = func(c *cli.Context) error {
			o, err := readOptions(c)
			proxy = o.Control
			return err
		}
		command(app, "status").Action = func(c *cli.Context) error {
			client = controlPath(c, findAnswering)
			return nil
		}
		for _, line := range []string{"pinion " + c.args, "pinion status " + c.args} {
			if err := app.Run(strings.Fields(line)); err != nil {
				t.Fatal(err)
			}
		}
		if client != c.client || proxy != c.proxy {
			t.Errorf("%+v: the client looks at %q, the proxy listens at %q", c, client, proxy)
		}
	}
}

// Who looks at a take-over sees that it goes on.
func TestShowSharedWith(t *testing.T) {
	var out strings.Builder
	showStatus(&out, admin.Status{Phase: "serving", SharedWith: []admin.ProgramStatus{{PID: 7, Name: "nutcracker"}, {PID: 8}}})
	for _, want := range []string{"all is well", "nutcracker (pid 7) accepts from the same sockets\n", "a program (pid 8) accepts from the same sockets\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}

// The CPUs are those of the generation that serves, and what a reload would find if that differs.
func TestShowCPUs(t *testing.T) {
	s := admin.Status{Generations: []admin.GenerationStatus{{Workers: make([]admin.WorkerStatus, 2)}}}
	for _, step := range []struct {
		seen, now *admin.CPUStatus
		want      string
	}{
		{nil, nil, ""},
		{&admin.CPUStatus{Count: 64, Quota: 1.5}, nil, "2 workers: quota 1.5 of 64 CPUs"},
		{&admin.CPUStatus{Count: 2}, &admin.CPUStatus{Count: 1}, "2 workers: 2 CPUs; by now 1 CPU: pinion reload follows"},
		{&admin.CPUStatus{}, nil, "2 workers: unknown CPUs"},
	} {
		s.Generations[0].CPUs, s.CPUsNow = step.seen, step.now
		if got := cpuFacts(&s); got != step.want {
			t.Errorf("%v, %v: %q, want %q", step.seen, step.now, got, step.want)
		}
	}
	if got := cpuFacts(&admin.Status{}); got != "" {
		t.Errorf("without a generation: %q", got)
	}
}
