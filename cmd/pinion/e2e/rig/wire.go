// A client that sees bytes: it sends what a test says and returns each reply exactly as it came.

package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Closed stands for the end of the connection where a reply was expected.
const Closed = "(closed)"

// Client is one connection. Its replies are read as the protocol's, by a reader that shares no code with the proxy's.
type Client struct {
	T    testing.TB
	Conn net.Conn
	In   *bufio.Reader
	Read func(*bufio.Reader) (string, error)
	sent string // last
}

func Dial(t testing.TB, network, address string, read func(*bufio.Reader) (string, error)) *Client {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Client{T: t, Conn: conn, In: bufio.NewReaderSize(conn, 64<<10), Read: read}
}

// Send writes bytes.
func (c *Client) Send(raw string) {
	c.T.Helper()
	c.sent = raw
	if _, err := io.WriteString(c.Conn, raw); err != nil {
		c.T.Fatalf("sending %.60q: %v", raw, err)
	}
}

// Reply returns the next reply, or closed.
func (c *Client) Reply() string {
	c.T.Helper()
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	reply, err := c.Read(c.In)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		c.T.Fatalf("no reply, but %.60q; last sent: %.60q", reply, c.sent)
	}
	if err != nil {
		return Closed
	}
	return reply
}

// Do sends one Redis request and returns its reply.
func (c *Client) Do(args ...string) string {
	c.T.Helper()
	c.Send(Request(args...))
	return c.Reply()
}

// Line sends one line of the memcached protocol and returns its reply.
func (c *Client) Line(text string) string {
	c.T.Helper()
	c.Send(text + "\r\n")
	return c.Reply()
}

// Want compares the next reply.
func (c *Client) Want(reply string) {
	c.T.Helper()
	if got := c.Reply(); got != reply {
		c.T.Errorf("got %.200q, want %.200q", got, reply)
	}
}

// WantDo compares the reply to one request.
func (c *Client) WantDo(reply string, args ...string) {
	c.T.Helper()
	if got := c.Do(args...); got != reply {
		c.T.Errorf("%.100q: got %.200q, want %.200q", args, got, reply)
	}
}

// Request returns a request as clients write it.
func Request(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		b.WriteString(Bulk(arg))
	}
	return b.String()
}

func Bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func Array(elements ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(elements), strings.Join(elements, ""))
}

// ReadRESP reads one reply of RESP2 or RESP3.
func ReadRESP(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return line, err
	}
	n, _ := strconv.Atoi(line[1 : len(line)-2])
	switch line[0] {
	case '$', '=', '!':
		if n < 0 {
			return line, nil
		}
		data := make([]byte, n+2)
		_, err := io.ReadFull(r, data)
		return line + string(data), err
	case '*', '~', '>', '%', '|':
		switch line[0] {
		case '%':
			n *= 2
		case '|': // and the value itself
			n = 2*n + 1
		}
		var b strings.Builder
		b.WriteString(line)
		for range max(n, 0) {
			element, err := ReadRESP(r)
			b.WriteString(element)
			if err != nil {
				return b.String(), err
			}
		}
		return b.String(), nil
	}
	return line, nil
}

// ReadMemcache reads one reply of memcached: a line, or lines up to END.
func ReadMemcache(r *bufio.Reader) (string, error) {
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

// Elements splits an array reply of one level, or a map, into its elements.
func Elements(t testing.TB, reply string) []string {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(reply))
	header, err := in.ReadString('\n')
	if err != nil || header[0] != '*' && header[0] != '%' {
		t.Fatalf("%.60q is no array", reply)
	}
	n, err := strconv.Atoi(header[1 : len(header)-2])
	if err != nil {
		t.Fatal(err)
	}
	if header[0] == '%' {
		n *= 2
	}
	all := make([]string, n)
	for i := range all {
		if all[i], err = ReadRESP(in); err != nil {
			t.Fatalf("element %d of %.60q: %v", i, reply, err)
		}
	}
	return all
}

// Text returns what a bulk or verbatim string holds.
func Text(t testing.TB, reply string) string {
	t.Helper()
	header, rest, ok := strings.Cut(reply, "\r\n")
	if !ok || header[0] != '$' && header[0] != '=' || !strings.HasSuffix(rest, "\r\n") {
		t.Fatalf("%.60q is no bulk string", reply)
	}
	if header[0] == '=' {
		rest = rest[len("txt:"):]
	}
	return rest[:len(rest)-2]
}

// All returns everything that comes until the end of the connection, which must be a good one.
func (c *Client) All() string {
	c.T.Helper()
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	text, err := io.ReadAll(c.In)
	if err != nil {
		c.T.Errorf("reading to the end: %v after %d bytes, the last of them %.200q", err, len(text), Tail(text))
	}
	return string(text)
}

// Stream sends a header, size bytes of pages and the end of a line, without having it all in memory.
func (c *Client) Stream(header string, size int) {
	c.T.Helper()
	c.Conn.SetWriteDeadline(time.Now().Add(2 * Patience))
	c.Send(header)
	for ; size > 0; size -= len(Page) {
		if _, err := c.Conn.Write(Page[:min(size, len(Page))]); err != nil {
			c.T.Fatalf("sending %.60q with %d bytes to go: %v", header, size, err)
		}
	}
	c.Send("\r\n")
	c.sent = header
}

// WantStream reads what stream sent.
func (c *Client) WantStream(header string, size int, end string) {
	c.T.Helper()
	c.Conn.SetReadDeadline(time.Now().Add(2 * Patience))
	read := func(n int) []byte {
		b := make([]byte, n)
		if got, err := io.ReadFull(c.In, b); err != nil {
			c.T.Fatalf("reading a reply: %v after %.100q", err, b[:got])
		}
		return b
	}
	if got := read(len(header)); string(got) != header {
		c.T.Fatalf("a reply begins with %q, want %q", got, header)
	}
	for ; size > 0; size -= len(Page) {
		if n := min(size, len(Page)); !bytes.Equal(read(n), Page[:n]) {
			c.T.Fatalf("%d bytes before its end a value is wrong", size)
		}
	}
	if got := read(len(end)); string(got) != end {
		c.T.Fatalf("a reply ends with %q, want %q", got, end)
	}
}

// Parts reads to the end of the stream, which must be no reset.
func (c *Client) Parts() {
	c.T.Helper()
	c.Conn.SetReadDeadline(time.Now().Add(Patience))
	if rest, err := io.ReadAll(c.In); err != nil || len(rest) > 0 {
		c.T.Errorf("the end of a client: %q, %v", rest, err)
	}
}

// Tail returns what is worth showing of the end of b.
func Tail(b []byte) []byte { return b[max(0, len(b)-200):] }

// Page is what large values repeat.
var Page = []byte(Filler(1 << 20))
