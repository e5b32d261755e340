// Requests, as clients send them: one line and, for storage commands, one block of data, whole or in pieces.

package memcache

import "bytes"

const (
	// MaxKeyBytes is KEY_MAX_LENGTH of memcached.
	MaxKeyBytes = 250

	// MaxLineBytes bounds a line, '\r' included and '\n' not. It is what memcached waits for before it closes; it also
	// makes sure that a server never closes a shared connection over a line of ours that reached it in two pieces.
	MaxLineBytes = 2048

	// MaxKeysLineBytes bounds a line of get or gets instead, for which memcached has no limit.
	MaxKeysLineBytes = 1 << 20

	// MaxValueBytes is the largest item size that memcached can be configured for (-I). Smaller limits are the
	// caller's: the length of a complete request and Progress.Pos of an incomplete one say how long it is.
	MaxValueBytes = 1 << 30

	crlf = "\r\n"
)

// Request is what the line of a request says. It refers to the bytes it was parsed from.
type Request struct {
	Cmd     *Command // nil if the command is unknown
	NoReply bool     // the client gets no reply, not even an error
	Data    Span     // value of a storage command, without the "\r\n" that follows it

	Quiet      bool // of a meta command: some replies are not for the client, see Form
	EncodedKey bool // of a meta command: its key is base64, see AppendKey

	size    int   // bytes of the request, data included; after an error those to be skipped
	lineEnd int32 // b[:lineEnd] is the line without its end
	words   int32 // words of it that a server gets to see; 0 stands for all
	plain   bool  // b[:size] is what a server gets to see, byte for byte
}

// Progress says how far a request or a reply that is still arriving has been looked through. The zero value means the
// start. It is kept with the incomplete bytes and is worth nothing without them.
type Progress struct {
	Pos  int // b[:Pos] is known to belong to it; beyond the bytes there are if a data block is known to reach so far
	Scan int // no line ends in b[Pos:Scan]
}

// ConsumeRequest parses the request at the front of b and appends its keys to keys[:0]. With n > 0 and no error it is
// complete and n bytes long. With n == 0 and no error it is incomplete.
//
// An error is a *RequestError, and n then says how many bytes to skip, which may be more than there are yet: a bad line
// whose data block has a readable length takes the block with it. memcached takes such data for commands; we do not.
//
// What is accepted, memcached accepts too and answers with exactly one reply, once AppendForward has taken "noreply" and the
// flag q away; for wrong flags of a meta command the reply is an error. Where memcached 1.6.18 is more lenient this is an error: flags beyond 32 bits, exptime beyond 31 and lengths
// beyond 31 in storage commands, whose high bits it drops (and a build for 32-bit machines refuses, leaving the data to
// be taken for commands); NUL and '\r' in keys; white space other than ' ' beside a number; gat without a key; base64 that is not as RFC 4648 has it.
func ConsumeRequest(b []byte, keys []Span) (r Request, out []Span, n int, err error) {
	out = keys[:0]
	eol, fault := findLine(b, 0)
	if fault != nil {
		return r, out, len(b), fault
	}
	if eol < 0 {
		return r, out, 0, nil
	}
	r, out, fault = parseLine(b, eol, out)
	if fault != nil {
		return r, out[:0], r.size, fault
	}
	if r.size > len(b) {
		return r, out[:0], 0, nil
	}
	if r.Cmd.HasData && string(b[r.Data.Hi:r.size]) != crlf {
		return r, out[:0], r.size, errChunk.unless(r.NoReply)
	}
	return r, out, r.size, nil
}

// MeasureRequest looks for the end of the request at the front of b, going on where the call that returned p left off,
// so that a request which arrives in k pieces is looked through once and not k times. With n > 0 ConsumeRequest has all
// that it needs. With n == 0 and no error at least max(next.Pos, len(b)+1) bytes are needed before another call can say
// more. The errors are those of ConsumeRequest after which the connection is closed.
func MeasureRequest(b []byte, p Progress) (n int, next Progress, err error) {
	if p.Pos == 0 {
		eol, fault := findLine(b, p.Scan)
		if fault != nil {
			return 0, p, fault
		}
		if eol < 0 {
			return 0, Progress{Scan: len(b)}, nil
		}
		p.Pos = eol + 1
		first := nextWord(b, 0, eol)
		if c := Lookup(first.Of(b)); c != nil && c.HasData {
			l := line{b: b, eol: eol}
			if l.read() == nil {
				p.Pos = l.req.size
			}
		}
	}
	if p.Pos > len(b) {
		return 0, p, nil
	}
	return p.Pos, p, nil
}

// findLine returns the offset of the first '\n', of which there is none in b[:scanned], or -1 if it has not arrived
// yet. A line is judged by its front and by how long it is at least, so that it does not matter in which pieces it
// arrives.
func findLine(b []byte, scanned int) (eol int, fault *RequestError) {
	if len(b) > 0 && b[0] == BinaryMagic {
		return -1, errBinary
	}
	atLeast := len(b)
	if eol = bytes.IndexByte(b[scanned:], '\n'); eol >= 0 {
		eol += scanned
		atLeast = eol
	}
	if atLeast > MaxLineBytes && (atLeast > MaxKeysLineBytes || !hasManyKeys(b[:MaxLineBytes])) {
		return -1, errLineTooLong
	}
	return eol, nil
}

// hasManyKeys reports whether a line that begins with front may be longer than MaxLineBytes.
func hasManyKeys(front []byte) bool {
	name := nextWord(front, 0, len(front)).Of(front)
	return string(name) == "get" || string(name) == "gets"
}
