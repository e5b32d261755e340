package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/testkit"
)

var updateAdmin = flag.Bool("update-admin", false, "write the answers in testdata anew")

// operator is an admin socket without a master: the test is the loop.
type operator struct {
	t    *testing.T
	path string
	asks chan *Ask
	done chan struct{}
	*Server
}

// others has a page of its own.
func others() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /other", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "of others") })
	return mux
}

func TestOthers(t *testing.T) {
	c := operate(t).dial("GET /other HTTP/1.0\r\n\r\n")
	if text, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(text), "of others") {
		t.Errorf("got %q, %v", text, err)
	}
}

func operate(t *testing.T) *operator {
	t.Helper()
	o := &operator{t: t, path: socketPath(t), asks: make(chan *Ask), done: make(chan struct{})}
	l, err := net.Listen("unix", o.path)
	if err != nil {
		t.Fatal(err)
	}
	o.Server = Serve(l, o.asks, others(), o.done)
	t.Cleanup(func() { o.Server.Close(0) })
	return o
}

// socketPath returns a path that is short enough for a socket, whatever the name of the test is.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "ctl.sock")
}

// dial connects and writes text, if any, as it is.
func (o *operator) dial(text string) net.Conn {
	o.t.Helper()
	c, err := net.Dial("unix", o.path)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if text == "" {
		return c
	}
	if _, err := io.WriteString(c, text); err != nil {
		o.t.Fatal(err)
	}
	return c
}

// read takes all that there is: code, headers, body. A connection that ends without an answer has the code 0.
func (o *operator) read(c net.Conn) (code int, header http.Header, body string) {
	o.t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil, ""
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		o.t.Errorf("after the answer the connection gave %v, want its end", err)
	}
	return r.StatusCode, r.Header, string(text)
}

func request(line string) string { return line + " HTTP/1.1\r\nHost: pinion\r\n\r\n" }

// atRest waits until nothing is answered any more.
func (o *operator) atRest() {
	o.t.Helper()
	testkit.Eventually(o.t, "end of all requests", func() bool { return len(o.room) == 0 && o.open.Load() == 0 })
}

var (
	exampleTime    = time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)
	exampleHandoff = HandoffStatus{
		Kind: "upgrade", Generation: 4, Build: "1.3.0", At: exampleTime, Outcome: HandoffDone,
		Moved: 12340, Stragglers: 5, Closed: 1, Bytes: 1234567,
		LongestPause: 9300 * time.Microsecond, Took: 231 * time.Millisecond,
	}
	exampleStatus = Status{
		Build: "1.3.0", PID: 4711, StartedAt: exampleTime, UptimeSeconds: 183600, Phase: "serving", Generation: 4,
		ConfigFile: "/etc/pinion/pinion.yml", Control: "/run/pinion/ctl.sock",
		Generations: []GenerationStatus{
			{Number: 4, Build: "1.3.0", State: "serving", Workers: []WorkerStatus{
				{Slot: 0, PID: 4720, CPU: 0, State: "serving", AgeSeconds: 75, Connections: 6170,
					MemoryBytes: 1310720, MemoryLimit: 536870912, Descriptors: 6194, DescriptorLimit: 65536},
				{Slot: 1, PID: 0, CPU: -1, State: "waiting"},
			}},
			{Number: 3, Build: "1.2.9", State: "retired", Workers: []WorkerStatus{
				{Slot: 0, PID: 4402, CPU: 0, State: "draining", AgeSeconds: 183500, Connections: 5},
			}},
		},
		Pools: []PoolStatus{{
			Name: "sessions", Listen: "127.0.0.1:22121", Clients: 6170, Limit: 10000,
			Servers: []ServerStatus{
				{Name: "redis1", Address: "127.0.0.1:6379", State: "live",
					Connections: 4, Requests: 1234567, EOF: 1, Errors: 2, Timeouts: 3, Queue: 12, Refuses: &RefusesStatus{Why: "its memory is full (OOM)", LastAt: exampleHandoff.At}, P50US: 144, P99US: 1152, P999US: 24576},
				{Name: "redis2", Address: "127.0.0.1:6380", State: "ejected"},
				{Name: "redis3", Address: "127.0.0.1:6381", State: "down", Requests: 7, Errors: 9,
					Down: &DownStatus{Since: exampleHandoff.At, Why: "connection refused", LastAt: exampleHandoff.At}},
			},
		}},
		Last: &exampleHandoff,
		Busy: "reload",
	}
)

// What is asked reaches the loop, and what the loop says reaches who asked. The answers are a contract with the commands,
// whose tests read the same files.
func TestAsks(t *testing.T) {
	failed := exampleHandoff
	failed.Kind, failed.Outcome, failed.Reason = "reload", HandoffFailed, `worker 1 cannot reach server "redis1"`
	failed.Moved, failed.Stragglers, failed.Closed, failed.Bytes, failed.LongestPause = 0, 0, 0, 0, 0
	for _, c := range []struct {
		line   string
		want   Ask
		say    Outcome
		code   int
		golden string
	}{
		{"GET /status", Ask{Command: ReportStatus}, Outcome{Status: &exampleStatus}, 200, "status"},
		{"POST /reload", Ask{Command: Reload}, Outcome{Handoff: &exampleHandoff, Lines: []string{"a word"}}, 200, "handoff"},
		{"POST /reload?strict=1", Ask{Command: Reload, Strict: true},
			Outcome{Error: failed.Reason, Handoff: &failed}, 500, "failed"},
		{"POST /reload?dry_run=1", Ask{Command: Reload, DryRun: true},
			Outcome{Lines: []string{"pool alpha: timeout: 400 -> 500", "pool beta: added"}}, 200, "dry_run"},
		{"POST /reload?dry_run=1", Ask{Command: Reload, DryRun: true},
			Outcome{Lines: []string{`new workers cannot reach server "a"`}, Unchanged: true}, 200, "remarks"},
		{"POST /reload?dry_run=1&strict=1", Ask{Command: Reload, DryRun: true, Strict: true}, Outcome{}, 200, "nothing"},
		{"POST /reload?dry_run=0&strict=0", Ask{Command: Reload}, Outcome{
			Error: `pinion.yml is not fit to run`,
			Lines: []string{`pinion.yml:2:3: pool "alpha": unknown key "lisen"; did you mean "listen"?`}, Failure: FailureConfig,
		}, 422, "config"},
		{"POST /upgrade", Ask{Command: Upgrade}, Outcome{Handoff: &exampleHandoff}, 200, ""},
		{"POST /upgrade?strict=1", Ask{Command: Upgrade, Strict: true},
			Outcome{Error: "a reload is under way", Failure: FailureBusy}, 409, "busy"},
		{"POST /drain", Ask{Command: Drain}, Outcome{Lines: []string{"draining within 30s"}}, 200, "drain"},
		{"POST /drain?after=30s", Ask{Command: Drain, Timed: true, After: 30 * time.Second}, Outcome{}, 200, ""},
		{"POST /drain?after=0s&undo=0", Ask{Command: Drain, Timed: true}, Outcome{}, 200, ""},
		{"POST /drain?undo=1", Ask{Command: UndoDrain}, Outcome{}, 200, ""},
		{"POST /stop", Ask{Command: End}, Outcome{}, 200, ""},
		{"POST /stop?now=0", Ask{Command: End}, Outcome{}, 200, ""},
		{"POST /stop?now=1", Ask{Command: Stop}, Outcome{}, 200, ""},
		{"POST /failover?pool=alpha&server=a%26b", Ask{Command: Failover, Pool: "alpha", Server: "a&b"}, Outcome{
			Error: `no server "a&b" in pool "alpha"; there are a`, Failure: FailureUnknown,
		}, 404, ""},
		{"POST /log/reopen", Ask{Command: ReopenLog}, Outcome{}, 200, ""},
	} {
		t.Run(strings.ReplaceAll(c.line, "/", "_"), func(t *testing.T) {
			o := operate(t)
			conn := o.dial(request(c.line))
			got := <-o.asks
			got.Reply <- c.say
			got.Reply = nil
			if got.By == nil || got.By.PIDs[0] != os.Getpid() {
				t.Errorf("the loop is asked by %v", got.By)
			}
			got.By = nil
			if *got != c.want {
				t.Errorf("the loop is asked %+v, want %+v", *got, c.want)
			}
			code, header, body := o.read(conn)
			if code != c.code || header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d %v, want %d and JSON", code, header, c.code)
			}
			if c.golden != "" {
				compare(t, c.golden, body)
			} else if !json.Valid([]byte(body)) {
				t.Errorf("got %q", body)
			}
			o.atRest()
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *updateAdmin {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// Whatever is not meant well does not get as far as the loop.
func TestWrongAsks(t *testing.T) {
	for _, c := range []struct {
		text string
		code int
		want string // a part of the error
	}{
		{request("GET /"), 404, `there is no "/" here`},
		{request("POST /status/"), 404, `there is no "/status/" here`},
		{request("GET /reload"), 405, "/reload does not take GET; write POST /reload"},
		{request("POST /status"), 405, "write GET /status"},
		{request("DELETE /log/reopen"), 405, "write POST /log/reopen"},
		{request("POST /reload?dry-run=1"), 400, `unknown parameter "dry-run"; what there is: dry_run strict`},
		{request("POST /reload?dry_run"), 400, `parameter "dry_run" is empty`},
		{request("POST /reload?dry_run=yes"), 400, `parameter "dry_run" is "yes"; it is 1 or 0`},
		{request("POST /reload?dry_run=1&dry_run=0"), 400, `parameter "dry_run" is there 2 times`},
		{request("POST /reload?strict=1;dry_run=1"), 400, "reading the parameters"},
		{request("POST /drain?now=1"), 400, `unknown parameter "now"; what there is: after undo`},
		{request("POST /drain?after=5"), 400, `parameter "after" is "5"; it is a duration such as 30s or 5m`},
		{request("POST /drain?after=-5s"), 400, `parameter "after" is "-5s"`},
		{request("POST /drain?after=1h&undo=1"), 400, `a drain is either asked for or undone`},
		{request("POST /failover?pool=alpha"), 400, `parameter "server" is needed; what there is: pool server`},
		{request("POST /failover?pool=&server=a"), 400, `parameter "pool" is empty`},
		{request("POST /failover?pool=alpha&server=a&server=b"), 400, `parameter "server" is there 2 times`},
		{request("POST /failover?pool=alpha&server=a&now=1"), 400, `unknown parameter "now"`},
		{request("GET /status?strict=1"), 400, `unknown parameter "strict"`},
		{"POST /stop HTTP/1.1\r\nHost: pinion\r\nContent-Length: 5\r\n\r\nnow=1", 413, "/stop takes no body"},
		{"POST /stop HTTP/1.1\r\nHost: pinion\r\nContent-Length: 999999\r\n\r\nnow=1", 413, "/stop takes no body"},
		{"POST /stop HTTP/1.1\r\nHost: pinion\r\nTransfer-Encoding: chunked\r\n\r\n", 413, "/stop takes no body"},
	} {
		t.Run("", func(t *testing.T) {
			o := operate(t)
			code, header, body := o.read(o.dial(c.text))
			var answer Outcome
			err := json.Unmarshal([]byte(body), &answer)
			if code != c.code || c.want != "" && (err != nil || !strings.Contains(answer.Error, c.want)) {
				t.Errorf("%q: got %d %s, want %d %s", c.text, code, body, c.code, c.want)
			}
			if all := strings.Join(answer.Lines, "\n"); (code == 404) != strings.Contains(all, "POST /stop [now=1]") {
				t.Errorf("%q: got the endpoints %q with the code %d", c.text, all, code)
			}
			if code == 405 && header.Get("Allow") == "" {
				t.Errorf("%q: got no header Allow", c.text)
			}
			o.atRest()
		})
	}
}

// Who sends too much, or too slowly, is turned away without the loop noticing.
func TestAskLimits(t *testing.T) {
	t.Run("headers", func(t *testing.T) {
		o := operate(t)
		long := "GET /status HTTP/1.1\r\nHost: pinion\r\nX: " + strings.Repeat("x", 3*maxAskHeaderBytes)
		if r, err := http.ReadResponse(bufio.NewReader(o.dial(long)), nil); err != nil || r.StatusCode != 431 {
			t.Errorf("got %v, %v", r, err)
		}
		o.atRest()
	})
	t.Run("slow request", func(t *testing.T) {
		o := operate(t)
		if code, _, _ := o.read(o.dial("GET /status HTTP/1.1\r\nHost: pin")); code != 0 {
			t.Errorf("got %d", code)
		}
		o.atRest()
	})
	t.Run("requests", func(t *testing.T) {
		o := operate(t)
		var waiting []net.Conn
		for range maxAsks {
			waiting = append(waiting, o.dial(request("GET /status")))
		}
		testkit.Eventually(t, "requests that wait", func() bool { return len(o.room) == maxAsks })
		code, _, body := o.read(o.dial(request("GET /status")))
		if code != 429 || !strings.Contains(body, "16 requests are being answered already") {
			t.Errorf("got %d %s", code, body)
		}
		for range waiting {
			(<-o.asks).Reply <- Outcome{}
		}
		for _, c := range waiting {
			if code, _, body := o.read(c); code != 200 {
				t.Errorf("got %d %s", code, body)
			}
		}
		o.atRest()
	})
	t.Run("connections", func(t *testing.T) {
		o := operate(t)
		for range maxAskConnections {
			o.dial("GET /st")
		}
		testkit.Eventually(t, "open connections", func() bool { return o.open.Load() == maxAskConnections })
		if code, _, _ := o.read(o.dial("")); code != 0 {
			t.Errorf("one connection more got %d", code)
		}
		o.Server.Close(0)
		o.atRest()
	})
}

// Who leaves makes room at once; what was asked for goes on.
func TestAskerLeaves(t *testing.T) {
	o := operate(t)
	before, after := o.dial(request("POST /reload")), o.dial(request("POST /reload"))
	taken := <-o.asks // one of the two
	testkit.Eventually(t, "both requests", func() bool { return len(o.room) == 2 })
	before.Close()
	after.Close()
	o.atRest()
	taken.Reply <- Outcome{} // there is room for it
}

// An answer that is given before the end is delivered, by a close that waits for it.
func TestLastAnswer(t *testing.T) {
	o := operate(t)
	conn := o.dial(request("POST /upgrade"))
	last := <-o.asks
	late := o.dial(request("GET /status"))
	testkit.Eventually(t, "both requests", func() bool { return len(o.room) == 2 })
	last.Reply <- Outcome{Handoff: &exampleHandoff}
	close(o.done)
	o.Server.Close(20 * time.Second)
	if code, _, body := o.read(conn); code != 200 || !strings.Contains(body, `"outcome": "done"`) {
		t.Errorf("the upgrade got %d %s", code, body)
	}
	if code, _, body := o.read(late); code != 503 || !strings.Contains(body, "the master has ended") {
		t.Errorf("the status got %d %s", code, body)
	}
	if _, err := net.Dial("unix", o.path); err == nil {
		t.Error("the socket still listens")
	}
}

// An ask that the loop has taken and not answered ends with the loop.
func TestForgottenAsk(t *testing.T) {
	o := operate(t)
	conn := o.dial(request("POST /reload"))
	<-o.asks
	close(o.done)
	if code, _, body := o.read(conn); code != 503 || !strings.Contains(body, "the master has ended") {
		t.Errorf("got %d %s", code, body)
	}
}

// A close does not wait for those who never end.
func TestCloseIsPatientOnlySoLong(t *testing.T) {
	o := operate(t)
	conn := o.dial(request("POST /reload"))
	<-o.asks
	o.Server.Close(time.Millisecond)
	if code, _, body := o.read(conn); code != 0 {
		t.Errorf("got %d %s", code, body)
	}
	o.atRest()
}

// What is written is what is read.
func TestStatusRoundTrip(t *testing.T) {
	text, err := json.Marshal(exampleStatus)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"longest_pause_us":9300,"took_us":231000`)) {
		t.Errorf("got %s", text)
	}
	var back Status
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(text) || *back.Last != exampleHandoff {
		t.Errorf("got %s, %v, want %s", again, err, text)
	}
	if err := json.Unmarshal([]byte(`{"moved": "many"}`), back.Last); err == nil || back.Last.Moved != exampleHandoff.Moved {
		t.Errorf("nonsense became %s, %v", fmt.Sprint(back.Last), err)
	}
}
