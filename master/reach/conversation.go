// Words on a connection: requests, and answers of a bounded size.

package reach

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

const (
	mostBytes = 1 << 20 // of an answer: of a cluster's nodes each has a line
	mostItems = 1 << 10
	mostDepth = 4
)

type conversation struct {
	conn net.Conn
	in   *bufio.Reader
}

func newConversation(conn net.Conn) *conversation { return &conversation{conn, bufio.NewReader(conn)} }

// reply is an answer in the protocol of Redis.
type reply struct {
	kind  byte // of +-:$*
	text  string
	items []reply
}

// errForeign is an answer that is not of the protocol.
var errForeign = errors.New("it speaks another protocol")

// ask sends a command and returns its answer.
func (c *conversation) ask(words ...string) (reply, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return c.afterRefusal(err)
	}
	return c.read(0)
}

// afterRefusal reads what a server may have said before it closed the connection.
func (c *conversation) afterRefusal(err error) (reply, error) {
	if r, readErr := c.read(0); readErr == nil {
		return r, nil
	}
	return reply{}, err
}

func (c *conversation) read(depth int) (r reply, err error) {
	first, err := c.in.Peek(1)
	if err != nil {
		return r, err
	}
	if !strings.ContainsRune("+-:$*", rune(first[0])) || depth > mostDepth {
		return r, errForeign
	}
	line, err := c.line()
	if err != nil {
		return r, err
	}
	r = reply{kind: line[0], text: line[1:]}
	switch r.kind {
	case '$':
		r.text, err = c.bulk(r.text)
	case '*':
		r.items, err = c.array(r.text, depth)
	}
	return r, err
}

// line reads up to the end of a line.
func (c *conversation) line() (string, error) {
	text, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errForeign
	}
	return strings.TrimRight(string(text), "\r\n"), err
}

func (c *conversation) bulk(size string) (string, error) {
	n, err := strconv.Atoi(size)
	if err != nil || n > mostBytes {
		return "", errForeign
	}
	if n < 0 {
		return "", nil
	}
	text := make([]byte, n+len("\r\n"))
	_, err = io.ReadFull(c.in, text)
	return string(text[:n]), err
}

func (c *conversation) array(size string, depth int) (items []reply, err error) {
	n, err := strconv.Atoi(size)
	if err != nil || n > mostItems {
		return nil, errForeign
	}
	for range max(0, n) {
		r, err := c.read(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, r)
	}
	return items, nil
}
