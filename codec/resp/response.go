// Replies, as servers send them: where one ends, whatever it is made of, and what the simple kinds say.

package resp

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	errReplyLine   = errors.New("reading reply: line not terminated by CRLF")
	errReplyLong   = errors.New("reading reply: line too long")
	errReplyLength = errors.New("reading reply: invalid length")
	errReplyEnd    = errors.New("reading reply: bulk not terminated by CRLF")
	errReplyValues = errors.New("reading reply: too many values")
)

// ConsumeReply looks for the end of the reply at the front of b, of any kind and nesting of RESP2 and RESP3, going on
// where the call that returned p left off. With n > 0 the reply is complete and n bytes long. With n == 0 and no error
// at least max(next.Pos, len(b)+1) bytes are needed before another call can say more. After an error nothing says
// where the next reply begins: the connection is of no more use.
//
// An attribute ('|') is part of the value that follows it. A push ('>') is measured like a reply; whether one was
// asked for is the caller's to know. Within another value it is none of its elements: Redis up to version 7.0 writes what a
// transaction publishes to its own client into the reply to EXEC, and does not count it. Streamed strings and aggregates ("$?", "*?") are errors, as no server sends them.
func ConsumeReply(b []byte, p Progress) (n int, next Progress, err error) {
	if p.Pos == 0 {
		p.Left = 1
	}
	for p.Pos <= len(b) {
		if p.Pos > 0 && (b[p.Pos-2] != '\r' || b[p.Pos-1] != '\n') {
			return 0, p, errReplyEnd
		}
		if p.Left == 0 {
			return p.Pos, p, nil
		}
		if _, next := frontBulk(b, p.Pos); next > 0 {
			p.Pos = next
			p.Left--
			continue
		}
		pos, more, err := consumeValue(b, p.Pos, p.Scan)
		if err != nil || pos == 0 {
			p.Scan = max(p.Pos, len(b)-1) // the last byte may be the first of the line's end
			return 0, p, err
		}
		if b[p.Pos] == '>' && p.Pos > 0 {
			more++
		}
		p.Pos, p.Scan = pos, 0
		if p.Left += more - 1; p.Left > maxReplyValues {
			return 0, p, errReplyValues
		}
	}
	return 0, p, nil
}

// consumeValue reads the head of the value at b[pos:]. The next value begins at next, which may lie beyond b and is 0
// if the head is incomplete; more values belong to this one. A line is known not to end before from.
func consumeValue(b []byte, pos, from int) (next, more int, err error) {
	if pos == len(b) {
		return 0, 0, nil
	}
	kind := b[pos]
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		next, err = replyLine(b, pos, from)
		return next, 0, err
	case '$', '*', '!', '=', '~', '>', '%', '|':
	default:
		return 0, 0, fmt.Errorf("reading reply: unknown kind %q", kind)
	}
	size, next, err := replyLength(b, pos)
	if err != nil || next == 0 || size < 0 {
		return next, 0, err
	}
	switch kind {
	case '$', '!', '=':
		return next + size + len(crlf), 0, nil
	case '%':
		return next, 2 * size, nil
	case '|':
		return next, 2*size + 1, nil
	}
	return next, size, nil
}

// replyLine returns the offset behind the line at b[pos:], 0 if it is incomplete. It does not end before from.
func replyLine(b []byte, pos, from int) (next int, err error) {
	rest := b[pos:min(len(b), pos+maxReplyLineBytes)]
	i := 1
	for i < min(len(rest), 8) && rest[i] != '\r' { // most are +OK and :1, over before IndexByte would have begun
		i++
	}
	if i == 8 {
		i = max(i, min(from-pos, len(rest)))
		if end := bytes.IndexByte(rest[i:], '\r'); end < 0 {
			i = len(rest)
		} else {
			i += end
		}
	}
	if i == maxReplyLineBytes {
		return 0, errReplyLong
	}
	if i+1 >= len(rest) {
		return 0, nil
	}
	if rest[i+1] != '\n' {
		return 0, errReplyLine
	}
	return pos + i + 2, nil
}

// replyLength reads the length in the head at b[pos:], -1 for a null, and returns the offset behind the line, 0 if it
// is incomplete.
func replyLength(b []byte, pos int) (size, next int, err error) {
	if len(b)-pos >= 4 {
		if v, ok := oneDigit(b[pos+1:]); ok {
			return v, pos + 4, nil
		}
		if size, next = shortLength(b, pos+1); next > 0 {
			return size, next, nil
		}
	}
	line, next, err := headerLine(b, pos, errReplyLength, errReplyLine)
	if err != nil || next == 0 {
		return 0, 0, err
	}
	v, ok := parseInt(line[1:])
	if !ok || v < lowestLength(line[0]) || v > highestLength(line[0]) {
		return 0, 0, errReplyLength
	}
	return int(v), next, nil
}

func lowestLength(kind byte) int64 {
	if kind == '$' || kind == '*' {
		return -1
	}
	return 0
}

func highestLength(kind byte) int64 {
	if kind == '$' || kind == '!' || kind == '=' {
		return maxReplyBulkBytes
	}
	return maxReplyValues
}

// afterAttributes returns the value that a whole reply has behind its attributes.
func afterAttributes(reply []byte) []byte {
	for len(reply) > 0 && reply[0] == '|' {
		pairs, off, err := replyLength(reply, 0)
		n := off
		if err == nil && pairs > 0 {
			n, _, err = ConsumeReply(reply, Progress{Pos: off, Left: 2 * pairs})
		}
		if err != nil || n == 0 {
			return nil
		}
		reply = reply[n:]
	}
	return reply
}

// IsError reports whether a reply is an error, of RESP2 or a bulk error of RESP3.
func IsError(reply []byte) bool { return len(reply) > 0 && (reply[0] == '-' || reply[0] == '!') }

// ErrorText returns what an error reply says, without what says how long that is.
func ErrorText(reply []byte) []byte {
	if reply[0] == '!' {
		_, reply, _ = bytes.Cut(reply, []byte("\n"))
		return reply
	}
	return reply[1:]
}

// IsPush reports whether what looks like a reply is a message that belongs to no request. RESP3 lets servers send them at
// any time between replies.
func IsPush(reply []byte) bool { return len(reply) > 0 && reply[0] == '>' }

// Notice is what a server says on a connection that has subscribed to something.
type Notice uint8

const (
	NoNotice  Notice = iota // something else
	Published               // a message
	Confirmed               // the reply to SUBSCRIBE, UNSUBSCRIBE or one of their kin, for one channel
)

var notices = map[string]Notice{
	"message": Published, "pmessage": Published, "smessage": Published,
	"subscribe": Confirmed, "psubscribe": Confirmed, "ssubscribe": Confirmed,
	"unsubscribe": Confirmed, "punsubscribe": Confirmed, "sunsubscribe": Confirmed,
}

// NoticeOf tells which notice a reply is: an array in RESP2, a push in RESP3.
func NoticeOf(reply []byte) Notice {
	if len(reply) < 4 || reply[0] != '*' && reply[0] != '>' {
		return NoNotice
	}
	_, off, err := replyLength(reply, 0)
	if err != nil {
		return NoNotice
	}
	kind, _ := bulkAt(reply, off)
	return notices[string(kind)]
}

// EndedShardChannel returns the channel whose end a reply confirms: one that SUNSUBSCRIBE has named, or whose slot has left the node.
func EndedShardChannel(reply []byte) (name []byte, ok bool) {
	if NoticeOf(reply) != Confirmed {
		return nil, false
	}
	_, off, _ := replyLength(reply, 0)
	kind, off := bulkAt(reply, off)
	if string(kind) != "sunsubscribe" {
		return nil, false
	}
	name, _ = bulkAt(reply, off)
	return name, name != nil
}

// bulkAt returns the bulk string at b[off:], and where what follows begins; nil: there is none, or not the whole of it.
func bulkAt(b []byte, off int) (text []byte, next int) {
	if off >= len(b) || b[off] != '$' {
		return nil, off
	}
	size, first, err := replyLength(b, off)
	if err != nil || first == 0 || size < 0 || first+size+len("\r\n") > len(b) {
		return nil, off
	}
	return b[first : first+size], first + size + len("\r\n")
}

// IsOutOfService reports whether a reply says that the server cannot do its work for now, whoever asks: it loads its data,
// or as a replica has lost its master or takes no writes.
func IsOutOfService(reply []byte) bool {
	return len(reply) > 0 && reply[0] == '-' && (bytes.HasPrefix(reply, []byte("-LOADING ")) ||
		bytes.HasPrefix(reply, []byte("-MASTERDOWN ")) || bytes.HasPrefix(reply, []byte("-READONLY ")))
}

// IsBusy reports whether a reply says that the server has executed nothing of a request, since it is busy with a script.
func IsBusy(reply []byte) bool { return bytes.HasPrefix(reply, []byte("-BUSY ")) }

// RefusesConnection reports whether a reply says that the server serves nobody on this connection, and closes it: it has as many
// clients as it may, or takes none from this address.
func RefusesConnection(reply []byte) bool {
	return bytes.HasPrefix(reply, []byte("-ERR max number of clients ")) || bytes.HasPrefix(reply, []byte("-DENIED "))
}

// AsksNoPassword reports whether a reply to AUTH says that the server has no password to compare with: what Redis says up
// to version 5, and since.
func AsksNoPassword(reply []byte) bool {
	return IsError(reply) && (bytes.Contains(reply, []byte("but no password is set")) ||
		bytes.Contains(reply, []byte("called without any password configured")))
}

// RefusesVersion reports whether a reply to HELLO 3 says that the server does not speak RESP3, or may not with this password:
// Redis does from version 6 on.
func RefusesVersion(reply []byte) bool {
	return bytes.HasPrefix(reply, []byte("-NOPROTO")) || bytes.HasPrefix(reply, []byte("-NOPERM")) ||
		bytes.HasPrefix(reply, []byte("-ERR unknown command"))
}

// ArrayLen returns the number of elements of an array, -1 for a null one, and the offset of the first.
func ArrayLen(reply []byte) (count, off int, ok bool) {
	if len(reply) < 4 || reply[0] != '*' {
		return 0, 0, false
	}
	count, off, err := replyLength(reply, 0)
	return count, off, err == nil && off > 0
}

// Integer returns the value of an integer reply.
func Integer(reply []byte) (v int64, ok bool) {
	if len(reply) < 4 || reply[0] != ':' || !bytes.HasSuffix(reply, []byte(crlf)) {
		return 0, false
	}
	return parseInt(reply[1 : len(reply)-len(crlf)])
}

// Bulk returns the content of a bulk string: nil for a null one, not nil for an empty one.
func Bulk(reply []byte) (s []byte, ok bool) {
	if len(reply) < 5 || reply[0] != '$' {
		return nil, false
	}
	size, off, err := replyLength(reply, 0)
	if err != nil || off == 0 || size >= 0 && off+size+len(crlf) != len(reply) {
		return nil, false
	}
	if size < 0 {
		return nil, off == len(reply)
	}
	return reply[off : off+size], true
}
