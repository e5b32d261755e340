// Replies, as servers send them: where one ends, whatever its form, whole or in pieces.

package memcache

import (
	"bytes"
	"fmt"
	"math"
)

// maxReplyLineBytes bounds a line of a reply; the longest are those of "stats settings", which name files.
const maxReplyLineBytes = 8192

// replyKind is what a line of a reply says of the lines around it.
type replyKind uint8

const (
	replyUnknown replyKind = iota // no line of memcached
	replyWhole                    // is a reply by itself
	replyFailure                  // the same, an error; memcached may also end a list with it
	replyEnd                      // ends a list, which may be empty
	replyValue                    // an element of a list of values; a data block follows
	replyStat                     // an element of any other list
	replyMeta                     // is a reply by itself once the data block that follows is there
)

// ConsumeReply looks for the end of the reply at the front of b, going on where the call that returned p left off. With
// n > 0 it is complete and n bytes long; with n == 0 and no error at least max(next.Pos, len(b)+1) bytes are needed
// before another call can say more. After an error nothing says where the next reply begins: the connection is lost.
func ConsumeReply(b []byte, p Progress) (n int, next Progress, err error) {
	for p.Pos <= len(b) {
		if p.Pos > 0 && (b[p.Pos-2] != '\r' || b[p.Pos-1] != '\n') {
			return 0, p, fmt.Errorf("value in a reply does not end with CRLF but with %q", b[p.Pos-2:p.Pos])
		}
		if p.Pos > 0 && metaCode(b) == "VA" {
			return p.Pos, p, nil
		}
		text, end, err := replyLine(b, p)
		if err != nil {
			return 0, p, err
		}
		if end == 0 {
			p.Scan = len(b)
			return 0, p, nil
		}
		kind, size := classify(text)
		switch {
		case kind == replyUnknown || p.Pos > 0 && !continues(b[0], kind):
			return 0, p, fmt.Errorf("no line of a reply: %.64q", text)
		case kind <= replyEnd:
			return end, p, nil
		case kind == replyValue, kind == replyMeta:
			end += size + len(crlf)
		}
		p = Progress{Pos: end}
	}
	return 0, p, nil
}

// KindBytes returns how many bytes at the front of an incomplete reply tell ConsumeReply of what kind it is, whatever follows them.
func KindBytes(b []byte) int {
	if metaCode(b) == "VA" {
		return len("VA ")
	}
	return 1
}

// replyLine returns the line at b[p.Pos:] without its end, and the offset behind that, 0 if it is incomplete.
func replyLine(b []byte, p Progress) (text []byte, end int, err error) {
	from := max(p.Pos, p.Scan)
	i := bytes.IndexByte(b[from:], '\n')
	length := len(b) - p.Pos
	if i >= 0 {
		end = from + i + 1
		length = end - p.Pos
	}
	if length > maxReplyLineBytes {
		return nil, 0, fmt.Errorf("too long a line in a reply: %.64q…", b[p.Pos:])
	}
	if end == 0 {
		return nil, 0, nil
	}
	if length < len(crlf) || b[end-2] != '\r' {
		return nil, 0, fmt.Errorf("line of a reply does not end with CRLF: %.64q", b[p.Pos:end])
	}
	return b[p.Pos : end-2], end, nil
}

// continues reports whether a line of this kind may stand in a list whose first byte is first.
func continues(first byte, kind replyKind) bool {
	switch kind {
	case replyFailure, replyEnd:
		return true
	case replyValue:
		return first == 'V'
	case replyStat:
		return first != 'V'
	}
	return false
}

// classify tells what a line of a reply is, and for a value the length of its data.
func classify(text []byte) (kind replyKind, size int) {
	if key, size := parseValue(text); key.Hi > 0 {
		return replyValue, size
	}
	switch metaCode(text) {
	case "":
	case "VA":
		return metaValue(text)
	default:
		return replyWhole, 0
	}
	switch string(text) {
	case "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "OK", "RESET":
		return replyWhole, 0
	case "END":
		return replyEnd, 0
	}
	switch {
	case bytes.HasPrefix(text, []byte("STAT ")),
		bytes.HasPrefix(text, []byte("ITEM ")),   // stats cachedump
		bytes.HasPrefix(text, []byte("PREFIX ")): // stats detail dump
		return replyStat, 0
	case bytes.HasPrefix(text, []byte("VERSION ")):
		return replyWhole, 0
	case IsError(text):
		return replyFailure, 0
	}
	// The result of incr or decr; some servers pad it to the length of the old value.
	if isUnsigned(bytes.TrimRight(text, " "), math.MaxUint64) {
		return replyWhole, 0
	}
	return replyUnknown, 0
}

// metaValue reads "VA <bytes> <flags>*".
func metaValue(text []byte) (kind replyKind, size int) {
	length := nextWord(text, len("VA"), len(text))
	v, negative, ok := parseNumber(length.Of(text))
	if !ok || negative || v > MaxValueBytes {
		return replyUnknown, 0
	}
	return replyMeta, int(v)
}

// parseValue reads "VALUE <key> <flags> <bytes>[ <cas unique>]"; key is zero if text is something else.
func parseValue(text []byte) (key Span, size int) {
	if !bytes.HasPrefix(text, []byte("VALUE ")) {
		return Span{}, 0
	}
	end := len(text)
	key = nextWord(text, len("VALUE "), end)
	flags := nextWord(text, int(key.Hi), end)
	length := nextWord(text, int(flags.Hi), end)
	unique := nextWord(text, int(length.Hi), end)
	rest := nextWord(text, int(unique.Hi), end)
	v, negative, ok := parseNumber(length.Of(text))
	if !ok || negative || v > MaxValueBytes || rest.Lo < rest.Hi {
		return Span{}, 0
	}
	return key, int(v)
}

// RefusesConnection reports whether a reply says that the server has as many connections as it may, and closes this one.
func RefusesConnection(reply []byte) bool {
	return bytes.HasPrefix(reply, []byte("ERROR Too many open connections"))
}

// IsError reports whether a reply is an error. A list of values that memcached breaks off with an error does not begin
// as one.
func IsError(reply []byte) bool {
	switch {
	case bytes.HasPrefix(reply, []byte("ERROR")):
		rest := reply[len("ERROR"):]
		return len(rest) == 0 || rest[0] == ' ' || rest[0] == '\r' || rest[0] == ':'
	case bytes.HasPrefix(reply, []byte("CLIENT_ERROR")), bytes.HasPrefix(reply, []byte("SERVER_ERROR")):
		return true
	}
	return false
}
