// A client that sees bytes: it sends what a test says and returns each reply exactly as it came.

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// closed stands for the end of the connection where a reply was expected.
const closed = "(closed)"

// client is one connection. Its replies are read as the protocol's, by a reader that shares no code with the proxy's.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	read func(*bufio.Reader) (string, error)
	sent string // last
}

func dial(t testing.TB, network, address string, read func(*bufio.Reader) (string, error)) *client {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), read: read}
}

// send writes bytes.
func (c *client) send(raw string) {
	c.t.Helper()
	c.sent = raw
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("sending %.60q: %v", raw, err)
	}
}

// reply returns the next reply, or closed.
func (c *client) reply() string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	reply, err := c.read(c.in)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		c.t.Fatalf("no reply, but %.60q; last sent: %.60q", reply, c.sent)
	}
	if err != nil {
		return closed
	}
	return reply
}

// do sends one Redis request and returns its reply.
func (c *client) do(args ...string) string {
	c.t.Helper()
	c.send(request(args...))
	return c.reply()
}

// line sends one line of the memcached protocol and returns its reply.
func (c *client) line(text string) string {
	c.t.Helper()
	c.send(text + "\r\n")
	return c.reply()
}

// want compares the next reply.
func (c *client) want(reply string) {
	c.t.Helper()
	if got := c.reply(); got != reply {
		c.t.Errorf("got %.200q, want %.200q", got, reply)
	}
}

// wantDo compares the reply to one request.
func (c *client) wantDo(reply string, args ...string) {
	c.t.Helper()
	if got := c.do(args...); got != reply {
		c.t.Errorf("%.100q: got %.200q, want %.200q", args, got, reply)
	}
}

// request returns a request as clients write it.
func request(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		b.WriteString(bulk(arg))
	}
	return b.String()
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func array(elements ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(elements), strings.Join(elements, ""))
}

// readRESP reads one reply of RESP2.
func readRESP(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return line, err
	}
	n, _ := strconv.Atoi(line[1 : len(line)-2])
	switch line[0] {
	case '$':
		if n < 0 {
			return line, nil
		}
		data := make([]byte, n+2)
		_, err := io.ReadFull(r, data)
		return line + string(data), err
	case '*':
		var b strings.Builder
		b.WriteString(line)
		for range max(n, 0) {
			element, err := readRESP(r)
			b.WriteString(element)
			if err != nil {
				return b.String(), err
			}
		}
		return b.String(), nil
	}
	return line, nil
}

// readMemcache reads one reply of memcached: a line, or lines up to END.
func readMemcache(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
		switch {
		case strings.HasPrefix(line, "VALUE "):
			n, err := strconv.Atoi(strings.Fields(line)[3])
			if err != nil {
				return b.String(), err
			}
			data := make([]byte, n+2)
			_, err = io.ReadFull(r, data)
			b.Write(data)
			if err != nil {
				return b.String(), err
			}
		case !strings.HasPrefix(line, "STAT "):
			return b.String(), nil
		}
	}
}

// elements splits an array reply of one level into its elements.
func elements(t testing.TB, reply string) []string {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(reply))
	header, err := in.ReadString('\n')
	if err != nil || header[0] != '*' {
		t.Fatalf("%.60q is no array", reply)
	}
	n, err := strconv.Atoi(header[1 : len(header)-2])
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, n)
	for i := range all {
		if all[i], err = readRESP(in); err != nil {
			t.Fatalf("element %d of %.60q: %v", i, reply, err)
		}
	}
	return all
}

// text returns what a bulk string holds.
func text(t testing.TB, reply string) string {
	t.Helper()
	header, rest, ok := strings.Cut(reply, "\r\n")
	if !ok || header[0] != '$' || !strings.HasSuffix(rest, "\r\n") {
		t.Fatalf("%.60q is no bulk string", reply)
	}
	return rest[:len(rest)-2]
}
