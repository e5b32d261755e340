// What nodes and sentinels say is bounded before the client library reads it: it makes room for what a length announces.

package discover

import (
	"errors"
	"net"
)

const (
	mostReplyBytes  = 16 << 20 // of a reply
	mostReplyValues = 1 << 18  // in a reply, those within others as well
	mostNumber      = 1 << 30  // as a length: more is too much of anything
)

var errTooLong = errors.New("sends a reply of more than 16 MiB, or of more than 262,144 values")

// bounded is a connection to a server from which replies come of RESP, none of them longer than may be: reading on fails then.
type bounded struct {
	net.Conn
	measure measure
}

func (c *bounded) Read(b []byte) (n int, err error) {
	n, err = c.Conn.Read(b)
	if !c.measure.take(b[:n]) {
		c.Conn.Close()
		return 0, errTooLong
	}
	return n, err
}

// measure follows replies as they come, in pieces. What is no reply it leaves to who reads it.
type measure struct {
	bytes, values int  // of the reply so far: those that have come, and those that have been announced
	left          int  // values that it lacks
	skip          int  // bytes of a bulk string that are still to come, with its end
	kind          byte // of the line at hand; 0: it has not begun
	number        int  // on it, after the kind
}

// take goes on with b, and tells whether the reply is still one that may be.
func (m *measure) take(b []byte) bool {
	for len(b) > 0 {
		if m.skip > 0 {
			n := min(m.skip, len(b))
			m.skip -= n
			m.bytes += n
			b = b[n:]
		} else {
			m.bytes++
			m.character(b[0])
			b = b[1:]
		}
		if m.bytes+m.skip > mostReplyBytes || m.values > mostReplyValues {
			return false
		}
		if m.skip == 0 && m.kind == 0 && m.left == 0 {
			m.bytes, m.values = 0, 0
		}
	}
	return true
}

// character takes one of a line.
func (m *measure) character(c byte) {
	switch {
	case m.kind == 0:
		m.kind, m.number = c, 0
		if m.left == 0 {
			m.left = 1
		}
	case c == '\n':
		m.line()
	case c >= '0' && c <= '9' && m.number < mostNumber:
		m.number = 10*m.number + int(c-'0')
	case c == '-': // null
		m.number = 0
		m.kind = '+'
	}
}

// line ends the line at hand.
func (m *measure) line() {
	more := 0
	switch m.kind {
	case '$', '!', '=':
		m.skip = m.number + len("\r\n")
	case '*', '~', '>':
		more = m.number
	case '%':
		more = 2 * m.number
	case '|':
		more = 2*m.number + 1
	}
	m.left += more - 1
	m.values += more
	m.kind = 0
}
