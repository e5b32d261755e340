// What servers get to see: whatever clients send, only whole and well-formed requests. A server closes a connection
// over anything else, and with it loses what all the others have asked.

package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// examiner is a server that reads requests more strictly than any real one.
type examiner struct {
	*rig.Backend
	requests atomic.Int64
}

// newExaminer plays a server whose connections carry nothing but requests that serve takes; it answers them.
func newExaminer(t *testing.T, serve func(in *bufio.Reader) (reply string, err error)) *examiner {
	e := new(examiner)
	e.Backend = rig.FakeServer(t, "unix", "", func(c net.Conn) {
		in := bufio.NewReaderSize(c, 64<<10)
		for {
			if _, err := in.Peek(1); err != nil {
				return // between two requests
			}
			reply, err := serve(in)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("request %d: %v", e.requests.Load(), err)
				return
			}
			e.requests.Add(1)
			io.WriteString(c, reply)
		}
	})
	return e
}

// examineRESP reads an array of bulk strings in the one form that every version of Redis reads.
func examineRESP(in *bufio.Reader) (reply string, err error) {
	count, err := header(in, '*', 1, 1<<20)
	if err != nil {
		return "", err
	}
	var name string
	for i := range count {
		size, err := header(in, '$', 0, 512<<20)
		if err != nil {
			return "", err
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(in, data); err != nil {
			return "", fmt.Errorf("argument %d of %s: %w", i, name, err)
		}
		if !bytes.HasSuffix(data, []byte("\r\n")) {
			return "", fmt.Errorf("argument %d of %s ends with %q", i, name, data[size:])
		}
		if i == 0 {
			name = strings.ToUpper(string(data[:size]))
		}
	}
	switch name {
	case "GET":
		return rig.Bulk("ok"), nil
	case "MGET":
		return rig.Array(strings.Split(strings.Repeat(rig.Bulk("ok")+"|", count-2)+rig.Bulk("ok"), "|")...), nil
	case "SET", "MSET":
		return "+OK\r\n", nil
	}
	return ":1\r\n", nil
}

// header reads "<kind><number>\r\n", the number without any decoration.
func header(in *bufio.Reader, kind byte, least, most int) (n int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("a header breaks off after %.60q: %w", line, err)
	}
	n, _ = strconv.Atoi(strings.TrimSpace(string(line[1:])))
	if string(line) != fmt.Sprintf("%c%d\r\n", kind, n) || n < least || n > most {
		return 0, fmt.Errorf("%.60q is no header", line)
	}
	return n, nil
}

// examineMemcache reads a request of memcached as its documentation has it. The last word of none is noreply: a proxy
// that does not wait for a reply does not know when a request is over.
func examineMemcache(in *bufio.Reader) (reply string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a line breaks off after %.60q: %w", line, err)
	}
	words := strings.Split(strings.TrimSuffix(line, "\r\n"), " ")
	if !strings.HasSuffix(line, "\r\n") || strings.ContainsAny(line[:len(line)-2], "\r\x00") || len(words) < 2 {
		return "", fmt.Errorf("%.60q is no line of a request", line)
	}
	for _, key := range words[1:] {
		if len(key) < 1 || len(key) > 250 {
			return "", fmt.Errorf("%.60q has a word of %d bytes", line, len(key))
		}
	}
	switch words[0] {
	case "get", "gets":
		var b strings.Builder
		for _, key := range words[1:] {
			fmt.Fprintf(&b, "VALUE %s 0 2\r\nok\r\n", key)
		}
		return b.String() + "END\r\n", nil
	case "set", "add", "cas":
		size, err := strconv.Atoi(words[min(4, len(words)-1)])
		if want := map[bool]int{false: 5, true: 6}[words[0] == "cas"]; len(words) != want || err != nil || size < 0 {
			return "", fmt.Errorf("%.60q is no line of a storage command", line)
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(in, data); err != nil || !bytes.HasSuffix(data, []byte("\r\n")) {
			return "", fmt.Errorf("after %.60q: a value that ends with %q, %v", line, rig.Tail(data), err)
		}
		return "STORED\r\n", nil
	case "delete":
		return "DELETED\r\n", nil
	case "mg":
		return "EN\r\n", nil
	case "incr", "touch":
		if _, err := strconv.ParseUint(words[len(words)-1], 10, 64); err != nil || len(words) != 3 {
			return "", fmt.Errorf("%.60q has no number", line)
		}
		return "NOT_FOUND\r\n", nil
	}
	return "", fmt.Errorf("nobody has asked for %.60q", line)
}

// Bad requests, whole, cut and spoilt, between good ones on the same server connection.
func TestE2EAbuseServersSeeRequestsOnly(t *testing.T) {
	t.Parallel()
	for _, protocol := range []struct {
		memcache bool
		serve    func(*bufio.Reader) (string, error)
		bad      []string
		good     []string
	}{
		{false, examineRESP, badRedis(), []string{
			rig.Request("SET", "key", "value"), rig.Request("MGET", "a", "b", "c"), rig.Request("DEL", "a", "k3"),
			"GET a\r\n", "SET 'a b' \"\\x00\\n\"\r\n", rig.Request("GET", ""),
			rig.Request("MSET", "a", "$9\r\n", "b", "*1\r\n", "k3", ""),
		}},
		{true, examineMemcache, badMemcache(), []string{
			"set key 0 0 5\r\nvalue\r\n", "get a b c k3\r\n", "set  key   0 0 5 noreply\r\nvalue\r\n", "gets a\r\n",
			"set a 0 0 9\r\nget a\r\n\r\n\r\n", "cas a 0 0 0 18446744073709551615\r\n\r\n", "incr a 1 noreply\r\n",
			"touch a 0\r\n", "delete a noreply\r\n",
		}},
	} {
		one := newExaminer(t, protocol.serve)
		two := newExaminer(t, protocol.serve)
		a := attack(t, siege{servers: []*rig.Backend{one.Backend, two.Backend}, memcache: protocol.memcache})
		random := rand.New(rand.NewPCG(3, 4))
		for range 20 {
			for _, bad := range append(protocol.bad, protocol.good...) {
				a.spoil(random, protocol.good, bad)
			}
		}
		if one.requests.Load() < 500 || two.requests.Load() < 200 {
			t.Errorf("the servers got %d and %d requests", one.requests.Load(), two.requests.Load())
		}
		a.connectionsHeld(2)
		a.unharmed(a.pss + 32*megabyte)
	}
}

// badRedis and badMemcache return requests that are wrong, or that only some server would take.
func badRedis() []string {
	all := []string{
		"*0\r\n", "*-1\r\n", "\r\n", "*1\r\n$0\r\n\r\n",
		rig.Request("GET"), rig.Request("SET", "key"), rig.Request("MSET", "a", "1", "b"), rig.Request("NOSUCH", "a"),
		rig.Request("EVAL", "return 1", "-1"), rig.Request("EVAL", "return 1", "99999999999999999999"),
		rig.Request("MULTI"), rig.Request("SUBSCRIBE", "a"), rig.Request("MONITOR"), rig.Request("BLPOP", "a", "0"),
		rig.Request("POST", "/"), "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		rig.Request("QUIT"), rig.Request("SHUTDOWN"), rig.Request("CLIENT", "REPLY", "OFF"), rig.Request("HELLO", "3"),
	}
	for _, m := range malformed {
		all = append(all, m.bytes)
	}
	return all
}

func badMemcache() []string {
	all := []string{"\r\n", "quit\r\n", "set a 0 0 1 noreply\r\nabc\r\n", "watch\r\n", "mn\r\n", "mg a v\r\n",
		"get a\rb\r\n", "get a\x00b\r\n", "gat 0\r\n", "incr a -1\r\n", "set a 0 0 2 x y z\r\nab\r\n", "get \r\n"}
	for _, m := range misspelt {
		all = append(all, m.bytes)
	}
	return all
}

// spoil sends good requests, then a bad one, cut somewhere or with a byte changed, and leaves in one way or another.
func (a *target) spoil(random *rand.Rand, good []string, bad string) {
	a.t.Helper()
	var b strings.Builder
	for range random.IntN(4) {
		b.WriteString(good[random.IntN(len(good))])
	}
	text := []byte(bad)
	if random.IntN(2) == 0 {
		text = text[:random.IntN(len(text))]
	} else if random.IntN(2) == 0 {
		text[random.IntN(len(text))] = byte(random.Uint32())
	}
	b.Write(text)
	c := a.connect()
	io.WriteString(c.Conn, b.String()) // it may be cut short by the proxy's refusal
	switch random.IntN(3) {
	case 0:
		reset(a.t, c)
	case 1:
		c.Conn.Close()
	case 2:
		c.Conn.(*net.TCPConn).CloseWrite()
		c.Conn.SetReadDeadline(time.Now().Add(rig.Patience))
		io.Copy(io.Discard, c.In)
		c.Conn.Close()
	}
}
