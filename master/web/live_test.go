package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/history"
	"github.com/pinion-proxy/pinion/master/live"
	"github.com/pinion-proxy/pinion/master/totals"
)

// shown answers with a Live whose last read has found a state, and which reads nothing.
func shown(t *testing.T, s *live.State) (string, *Live) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	l := NewLive(make(chan *Ask), done, func(text string) { t.Error(text) })
	if s != nil {
		l.learn(s)
	}
	server := Serve(listener, l.Pages(), func(text string) { t.Error(text) })
	t.Cleanup(func() {
		close(done)
		server.Close(time.Second)
	})
	return listener.Addr().String(), l
}

// learn has a Live know a state, as a read does.
func (l *Live) learn(s *live.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(partState, s, s.Now)
	close(l.changed)
	l.changed = make(chan struct{})
}

// hostile is a name that would run if it were taken for HTML, or would end what it stands in.
const hostile = "</script><img src=x onerror=alert(1)>\"'\n\ndata: x"

func TestPageIsSmallAndItsOwn(t *testing.T) {
	address, _ := shown(t, nil)
	size := 0
	for _, path := range []string{"/", "/page.css", "/page.js", "/icon.svg"} {
		r, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || len(text) < 100 {
			t.Errorf("%s: got %s, %d bytes, %v", path, r.Status, len(text), err)
		}
		size += len(text)
		if policy := r.Header.Get("Content-Security-Policy"); policy != contentSecurity || strings.Contains(policy, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
		for _, never := range []string{"https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "<style", "style=\"", "onclick="} {
			if strings.Contains(string(text), never) {
				t.Errorf("%s has %q", path, never)
			}
		}
	}
	if size > 200<<10 {
		t.Errorf("the page has %d bytes", size)
	}
}

// Nobody changes anything by it.
func TestPageIsReadOnly(t *testing.T) {
	address, _ := shown(t, nil)
	for _, path := range []string{"/", "/state", "/history", "/events", "/page.js"} {
		r, err := http.Post("http://"+address+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %s", path, r.Status)
		}
	}
}

func TestStateAsJSON(t *testing.T) {
	address, l := shown(t, nil)
	if code, text := get(t, address, "/state"); code != 503 {
		t.Errorf("before the first read: %d %q", code, text)
	}
	l.learn(&live.State{Now: 1, Pools: []live.Pool{{Name: hostile, Servers: []live.Server{{Name: "one", State: "ejected"}}}}})
	code, text := get(t, address, "/state")
	var got live.State
	if err := json.Unmarshal([]byte(text), &got); code != 200 || err != nil || got.Pools[0].Name != hostile || got.Pools[0].Servers[0].State != "ejected" {
		t.Errorf("got %d %q, %v", code, text, err)
	}
	if strings.Contains(text, "<") {
		t.Errorf("a name is in the JSON as it is: %s", text)
	}
}

func TestHistoryAsJSON(t *testing.T) {
	address, l := shown(t, nil)
	now := time.Now()
	l.history.Record(&history.Interval{From: now.Add(-history.ShortStep), To: now, Pools: []history.Pool{{Name: hostile}}})
	for _, c := range []struct {
		query string
		code  int
		steps int
	}{
		{"", 200, history.ShortSteps}, {"?pool=", 400, 0}, {"?spam=day", 400, 0}, {"?span=10m", 200, history.ShortSteps}, {"?span=day", 200, history.LongSteps}, {"?span=year", 400, 0}, {"?pool=other", 404, 0},
	} {
		code, text := get(t, address, "/history"+c.query)
		var got history.Chart
		if code != c.code || code == 200 && (json.Unmarshal([]byte(text), &got) != nil || len(got.Values["rate"]) != c.steps) {
			t.Errorf("%s: got %d, %.80q", c.query, code, text)
		}
	}
}

// watch begins to listen to events.
func watch(t *testing.T, address string) (*http.Response, *bufio.Reader) {
	t.Helper()
	r, err := http.Get("http://" + address + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r, bufio.NewReader(r.Body)
}

// event returns the next event that has data.
func event(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if text, is := strings.CutPrefix(line, "event: "); is {
			name = strings.TrimSpace(text)
		}
		if text, is := strings.CutPrefix(line, "data: "); is {
			return name, strings.TrimSpace(text)
		}
	}
}

func TestEvents(t *testing.T) {
	address, l := shown(t, &live.State{Now: 1, Build: hostile})
	r, events := watch(t, address)
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" || r.Header.Get("Content-Security-Policy") != contentSecurity {
		t.Errorf("headers %v", r.Header)
	}
	for now := int64(1); now < 4; now++ {
		name, data := event(t, events)
		var s live.State
		if err := json.Unmarshal([]byte(data), &s); name != "state" || err != nil || s.Now != now {
			t.Fatalf("got %q, %q, %v", name, data, err)
		}
		if now == 1 && s.Build != hostile {
			t.Errorf("got %q", s.Build)
		}
		l.learn(&live.State{Now: now + 1})
	}
}

// Another master answers those who watch: the one that leaves lets them go at once, whatever they wait for.
func TestEventsEndWhenOthersAnswer(t *testing.T) {
	address, l := shown(t, nil)
	l.Start("")
	_, events := watch(t, address)
	l.learn(&live.State{Now: 1})
	event(t, events)
	stopped := l.Stop()
	if _, err := io.ReadAll(events); err != nil {
		t.Error(err)
	}
	_ = stopped // the loop of this test never answers, so that the goroutine is still asking
}

// Whoever comes is let in. The one who has watched for longest goes, and is told to come back later.
func TestWatchersAreBounded(t *testing.T) {
	address, l := shown(t, &live.State{Now: 1})
	var all []*bufio.Reader
	for range maxWatchers + 1 {
		_, events := watch(t, address)
		event(t, events)
		all = append(all, events)
	}
	rest, err := io.ReadAll(all[0])
	if text := string(rest); err != nil || !strings.Contains(text, "retry: 30000\n") || !strings.Contains(text, "event: full\ndata: 16\n") {
		t.Errorf("the one who has made room is told %q, %v", text, err)
	}
	l.learn(&live.State{Now: 2})
	for _, events := range all[1:] {
		if _, data := event(t, events); !strings.Contains(data, `"now":2`) {
			t.Errorf("told %q", data)
		}
	}
}

// Those who read nothing keep nobody out, however many they are.
func TestSilentWatchersMakeRoom(t *testing.T) {
	address, l := shown(t, &live.State{Now: 1})
	for range 3 * maxWatchers {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil { // it is let in
			t.Fatal(err)
		}
	}
	_, events := watch(t, address)
	for now := int64(1); now < 4; now++ {
		if _, data := event(t, events); !strings.Contains(data, fmt.Sprintf(`"now":%d`, now)) {
			t.Errorf("told %q, want it of %d", data, now)
		}
		l.learn(&live.State{Now: now + 1})
	}
}

// Who does not read is dropped, and holds up nobody.
func TestSlowWatcher(t *testing.T) {
	address, l := shown(t, nil)
	l.takes = 50 * time.Millisecond
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for l.watching() != 1 {
		time.Sleep(time.Millisecond)
	}
	big := strings.Repeat("x", 1<<20)
	for now := int64(1); l.watching() > 0; now++ { // until no buffer takes any more
		l.learn(&live.State{Now: now, Build: big})
		time.Sleep(time.Millisecond)
	}
	_, events := watch(t, address)
	if name, _ := event(t, events); name != "state" {
		t.Errorf("told %q", name)
	}
}

func (l *Live) watching() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.watchers)
}

// Of many servers one is told what the page shows then: those of the pool that is chosen.
func TestEventsOfChosenPool(t *testing.T) {
	s := &live.State{Now: 1}
	for i := range 10 {
		p := live.Pool{Name: fmt.Sprintf("pool%d", i)}
		for k := range 50 {
			p.Servers = append(p.Servers, live.Server{Name: fmt.Sprintf("server%d", k), State: "live"})
		}
		s.Pools = append(s.Pools, p)
	}
	address, _ := shown(t, s)
	for query, chosen := range map[string]int{"": -1, "?pool=pool3": 3, "?pool=other": -1} {
		r, err := http.Get("http://" + address + "/events" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		_, data := event(t, bufio.NewReader(r.Body))
		var got live.State
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			t.Fatal(err)
		}
		for i, p := range got.Pools {
			if want := map[bool]int{true: 50, false: 0}[i == chosen]; len(p.Servers) != want {
				t.Errorf("%q: %d servers of pool %d, want %d", query, len(p.Servers), i, want)
			}
		}
	}
}

// saved returns a file that has the history of one interval.
func saved(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history")
	h := history.New()
	h.Record(&history.Interval{From: time.Unix(1_800_000_000, 0), To: time.Unix(1_800_000_002, 0), Pools: []history.Pool{{Name: "alpha"}}})
	f := historyFile{path: path, complain: func(text string) { t.Error(text) }}
	f.write(f.text(h))
	return path
}

func TestHistoryFile(t *testing.T) {
	path := saved(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if rest, _ := filepath.Glob(path + ".*"); len(rest) > 0 {
		t.Errorf("left %v", rest)
	}
	next := historyFile{path: path, complain: func(text string) { t.Error(text) }}
	if h := next.read(); h == nil || h.Pools["alpha"] == nil {
		t.Fatal("nothing was read")
	}
	if h := next.read(); h != nil {
		t.Error("the same file was read again")
	}
	none := historyFile{path: path + "-none", complain: func(text string) { t.Error(text) }}
	if h := none.read(); h != nil {
		t.Error("read a file that there is not")
	}
}

// What a master left that was killed while it wrote goes; what another one is writing, and what is none of this, stays.
func TestUnfinishedHistoryFiles(t *testing.T) {
	path := saved(t)
	old := time.Now().Add(-2 * unfinishedFor)
	for name, gone := range map[string]bool{".123": true, ".124": false, ".old": false, "x.125": false} {
		if err := os.WriteFile(path+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != ".124" {
			if err := os.Chtimes(path+name, old, old); err != nil {
				t.Fatal(err)
			}
		}
		f := historyFile{path: path, complain: func(text string) { t.Error(text) }}
		f.write(f.text(history.New()))
		if _, err := os.Stat(path + name); os.IsNotExist(err) != gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is of no use is told once, and the history begins anew.
func TestHistoryFileOfOtherFormat(t *testing.T) {
	folder := t.TempDir()
	link, path := filepath.Join(folder, "link"), filepath.Join(folder, "other")
	if err := os.WriteFile(path, []byte("pinion history 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(saved(t), link); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{path: "another format", link: "not a file", folder: "not a file"} {
		var told atomic.Int32
		f := historyFile{path: at, complain: func(text string) {
			told.Add(1)
			if !strings.Contains(text, want) {
				t.Errorf("told %q, want %q", text, want)
			}
		}}
		for range 3 {
			if f.read() != nil {
				t.Errorf("%s: got a history", at)
			}
			f.known = time.Time{} // as if the file had been written again
		}
		if told.Load() != 1 {
			t.Errorf("%s: told %d times", at, told.Load())
		}
	}
	var told atomic.Int32
	f := historyFile{path: filepath.Join(folder, "no", "such"), complain: func(string) { told.Add(1) }}
	for range 3 {
		f.write(f.text(history.New()))
	}
	if told.Load() != 1 {
		t.Errorf("told %d times that it cannot be written", told.Load())
	}
}

func TestSlowRequestsWithoutValues(t *testing.T) {
	for _, test := range []struct {
		command string
		args    []string
		want    int
	}{{"set", []string{"key", "value"}, 1}, {"get", []string{"key"}, 1}, {"eval", []string{"return 'secret'", "0"}, 0}, {"publish", []string{"channel", "message"}, 1}, {"exec", nil, 0}} {
		if got := withoutValues(&totals.SlowRequest{Command: test.command, Args: test.args}); got == nil && test.args != nil || len(got) != test.want {
			t.Errorf("%s: %q", test.command, got)
		}
	}
}
