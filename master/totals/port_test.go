package totals

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// Only so many readers are answered at a time, and room is made when one leaves.
func TestScrapeLimit(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	p := NewPort(func(c net.Conn) { t.Errorf("%s speaks HTTP", c.RemoteAddr()) }, done)
	scrapes := p.Scrapes
	go func() {
		p.Accept(l)
		close(ended)
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	var open []*Scrape
	for range maxScrapes {
		dial()
		open = append(open, <-scrapes)
	}
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("reader %d was sent %d bytes, %v; want a closed connection", maxScrapes+1, n, err)
	}
	open[0].close()
	dial()
	open[0] = <-scrapes

	dial() // one that the loop never takes: room is full again, so it is closed
	open[1].close()
	dial() // one that waits for the loop when the loop is done
	close(done)
	l.Close()
	<-ended
	for _, s := range slices.Concat(open[:1], open[2:]) {
		s.close()
	}
}

// The text waits for one that has sent something, and gives up on one that never closes.
func TestScrapeWithRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := fmt.Fprint(client, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, 1)
	room <- struct{}{}
	sent := strings.Repeat("x", 100_000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Scrape{conn: conn, room: room}).Answer([]byte(sent))
	}()
	got, err := io.ReadAll(client)
	if err != nil || string(got) != sent {
		t.Errorf("read %d of %d bytes, %v", len(got), len(sent), err)
	}
	client.Close()
	<-ended
	if len(room) > 0 {
		t.Error("there is no room for another scrape")
	}
}

// Who begins a request of HTTP within a moment is handed over, with what he has said; everybody else is a scrape.
func TestWhoSpeaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	http, done, ended := make(chan net.Conn), make(chan struct{}), make(chan struct{})
	p := NewPort(func(c net.Conn) { http <- c }, done)
	go func() {
		p.Accept(l)
		close(ended)
	}()
	for _, said := range []string{"", "\n", "stats\r\n", "GET", "G", "GETTING", "GET / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, said); err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).CloseWrite() // nothing more is to be waited for
		speaks := strings.Contains(said, " ") || said == "GET" || said == "G"
		select {
		case s := <-p.Scrapes:
			if speaks {
				t.Errorf("%q is no HTTP", said)
			}
			s.close()
		case h := <-http:
			if !speaks {
				t.Errorf("%q is HTTP", said)
			}
			if got, err := io.ReadAll(h); err != nil || string(got) != said {
				t.Errorf("got %q, %v, want %q", got, err, said)
			}
			h.Close()
			h.Close() // as servers do
		}
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("after %q the connection is still open", said)
		}
		c.Close()
	}
	close(done)
	l.Close()
	<-ended
}

// However late the look is, what has arrived by then is seen.
func TestReadAtHand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	into := make([]byte, longestMethod)
	if n := readAtHand(c, into); n != 0 {
		t.Errorf("of nothing %d bytes were read", n)
	}
	if _, err := io.WriteString(client, "GET /"); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if n, err := c.Read(into); n > 0 || err == nil {
		t.Fatalf("a read whose time is over has read %d bytes, %v: readAtHand is not needed any more", n, err)
	}
	c.SetReadDeadline(time.Time{})
	if n := readAtHand(c, into); string(into[:n]) != "GET /" {
		t.Errorf("got %q", into[:n])
	}
}
