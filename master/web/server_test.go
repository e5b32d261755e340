package web

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// loop answers what is asked, until the test ends.
func loop(t *testing.T, state func() State) (string, *Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asks, done := make(chan *Ask), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case a := <-asks:
				a.Reply <- state()
			case <-done:
				return
			}
		}
	}()
	s := Serve(l, Pages(asks, done), func(text string) { t.Error(text) })
	t.Cleanup(func() {
		close(done)
		<-ended
		s.Close(time.Second)
	})
	return l.Addr().String(), s
}

func get(t *testing.T, address, path string) (code int, text string) {
	t.Helper()
	r, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestHealthAndReadiness(t *testing.T) {
	unready := make(chan string, 1)
	unready <- ""
	address, _ := loop(t, func() State {
		now := <-unready
		unready <- now
		return State{Unready: now}
	})
	check := func(path string, code int, part string) {
		t.Helper()
		if got, text := get(t, address, path); got != code || !strings.Contains(text, part) {
			t.Errorf("%s: got %d %q, want %d with %q", path, got, text, code, part)
		}
	}
	check("/healthz", 200, "ok")
	check("/readyz", 200, "ready")
	check("/", 200, "/readyz")
	check("/other", 404, "")
	<-unready
	unready <- "draining"
	check("/healthz", 200, "ok")
	check("/readyz", 503, "draining")
}

func TestNobodyAnswersForLoopThatHasEnded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	s := Serve(l, Pages(make(chan *Ask), done), nil)
	defer s.Close(time.Second)
	if code, text := get(t, l.Addr().String(), "/healthz"); code != 503 {
		t.Errorf("got %d %q", code, text)
	}
}

// Those who say nothing give way to those who come later, the oldest first.
func TestConnectionsAreBounded(t *testing.T) {
	address, server := loop(t, func() State { return State{} })
	var silent []net.Conn
	for i := range maxConnections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
		for server.Open() <= i { // in the order of the test
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 3 {
		if code, text := get(t, address, "/healthz"); code != 200 {
			t.Errorf("got %d %q", code, text)
		}
		if n, err := silent[i].Read(make([]byte, 1)); err == nil {
			t.Errorf("got %d bytes on the connection that has kept silent for longest", n)
		}
		for server.Open() >= maxConnections {
			time.Sleep(time.Millisecond)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for server.Open() < maxConnections {
			time.Sleep(time.Millisecond)
		}
	}
}

// A handler that panics is a fault of ours, and told.
func TestPanicIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	s := Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }), func(text string) { told <- text })
	defer s.Close(time.Second)
	if r, err := http.Get("http://" + l.Addr().String()); err == nil {
		t.Errorf("got %s", r.Status)
	}
	if text := <-told; !strings.Contains(text, "oops") {
		t.Errorf("told %q", text)
	}
}

// That nothing can be accepted is told once in a while, however often the server tries; what clients do wrong is not.
func TestAcceptErrorsAreTold(t *testing.T) {
	told := 0
	c := &complaints{tell: func(string) { told++ }}
	for range 5 {
		fmt.Fprintln(c, "http: Accept error: accept tcp 127.0.0.1:22223: accept4: too many open files; retrying in 5ms")
		fmt.Fprintln(c, "http: response.WriteHeader on hijacked connection")
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	c.said = c.said.Add(-saidEvery)
	fmt.Fprintln(c, "http: Accept error: accept tcp 127.0.0.1:22223: accept4: too many open files; retrying in 1s")
	if told != 2 {
		t.Errorf("told %d times after a while", told)
	}
}

// A scrape of a master that serves nothing yet, or whose loop has ended, says so.
func TestMetricsWithoutView(t *testing.T) {
	address, _ := loop(t, func() State { return State{} })
	if code, text := get(t, address, "/metrics"); code != 503 {
		t.Errorf("got %d %q", code, text)
	}
}

// On the statistics port everything but the pages is nutcracker's JSON.
func TestStatisticsPages(t *testing.T) {
	asks, done := make(chan *Ask), make(chan struct{})
	go func() {
		a := <-asks
		a.Reply <- State{Statistics: []byte("{}\n")}
		close(done)
	}()
	f := NewFunnel()
	s := Serve(f, StatisticsPages(asks, done), nil)
	defer s.Close(time.Second)
	here, there := net.Pipe()
	go f.Put(there)
	here.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(here, "GET /any HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(here)
	if err != nil || !strings.HasSuffix(string(text), "\r\n\r\n{}\n") || !strings.Contains(string(text), "application/json") {
		t.Errorf("got %q, %v", text, err)
	}
}
