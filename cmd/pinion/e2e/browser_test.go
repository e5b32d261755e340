//go:build page

// A browser for tests of the page: a real headless Chromium, told what to do over a pair of pipes.

package e2e_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a tab of a browser of its own.
type browser struct {
	t       *testing.T
	in      *os.File
	session string

	mu       sync.Mutex
	next     int
	waiting  map[int]chan json.RawMessage
	troubles []string // what the page has thrown, and what the browser has refused it
}

// said is what the browser says: the answer to a command, or an event.
type said struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// newBrowser starts a browser, which ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("this test needs Debian's package chromium: %v", err)
	}
	args := []string{"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir(), "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it has none for root
	}
	cmd := exec.Command(path, append(args, "about:blank")...)
	readIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, writeOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{readIn, writeOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	readIn.Close()
	writeOut.Close()
	b := &browser{t: t, in: in, waiting: map[int]chan json.RawMessage{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.hear(out)
	}()
	t.Cleanup(func() {
		b.send("", "Browser.close", nil)
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
		in.Close()
		out.Close()
		<-ended
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.do(domain+".enable", nil, nil)
	}
	return b
}

// hear takes what the browser says.
func (b *browser) hear(out *os.File) {
	r := bufio.NewReader(out)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var s said
		if json.Unmarshal(text[:len(text)-1], &s) != nil {
			continue
		}
		b.mu.Lock()
		switch {
		case s.ID != 0:
			if s.Error != nil {
				s.Result, _ = json.Marshal(map[string]string{"failed": s.Error.Message})
			}
			if c := b.waiting[s.ID]; c != nil {
				c <- s.Result
				delete(b.waiting, s.ID)
			}
		case s.Method == "Runtime.exceptionThrown", s.Method == "Log.entryAdded" && !strings.Contains(string(s.Params), `"source":"network"`):
			b.troubles = append(b.troubles, string(s.Params))
		}
		b.mu.Unlock()
	}
}

func (b *browser) send(session, method string, params any) <-chan json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	answer := make(chan json.RawMessage, 1)
	b.waiting[b.next] = answer
	command := map[string]any{"id": b.next, "method": method}
	if params != nil {
		command["params"] = params
	}
	if session != "" {
		command["sessionId"] = session
	}
	text, _ := json.Marshal(command)
	b.in.Write(append(text, 0))
	return answer
}

// do has the browser do something, and waits until it is done.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	select {
	case text := <-b.send(b.session, method, params):
		var failed struct {
			Failed string `json:"failed"`
		}
		if json.Unmarshal(text, &failed) == nil && failed.Failed != "" {
			b.t.Fatalf("%s: %s", method, failed.Failed)
		}
		if result != nil {
			if err := json.Unmarshal(text, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(30 * time.Second):
		b.t.Fatalf("%s: the browser does not answer", method)
	}
}

// screen sets how large the screen is, and whether its user likes it dark.
func (b *browser) screen(width, height int, dark bool) {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// open goes to a page.
func (b *browser) open(url string) { b.do("Page.navigate", map[string]any{"url": url}, nil) }

// eval returns what an expression of the page is, as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.do("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "returnByValue": true, "awaitPromise": true}, &r)
	if r.Exception != nil {
		b.t.Fatalf("%s: %s", expression, r.Exception.Text)
	}
	return fmt.Sprint(r.Result.Value)
}

// until waits until an expression of the page is what it should be.
func (b *browser) until(expression, want string) {
	b.t.Helper()
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got = b.eval(expression); got == want {
			return
		}
	}
	b.shoot("failed")
	b.t.Fatalf("%s is %q, want %q", expression, got, want)
}

// shoot takes a picture, if there is a folder for it (PAGE_SHOTS).
func (b *browser) shoot(name string) {
	folder := os.Getenv("PAGE_SHOTS")
	if folder == "" {
		return
	}
	var shot struct {
		Data string `json:"data"`
	}
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(folder+"/"+name+".png", png, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// quiet fails the test if anything has gone wrong in the page.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.troubles {
		b.t.Errorf("the page: %s", one)
	}
}
