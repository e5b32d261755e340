// Requests, as clients send them: one array of bulk strings from the front of a buffer, whole or in pieces.

package resp

import "bytes"

const (
	crlf     = "\r\n"
	nullBulk = "$-1\r\n" // the null of RESP2, a bulk string of length -1
)

// Span is a half-open range of the buffer handed to Consume: 0 ≤ Lo ≤ Hi ≤ len.
type Span struct{ Lo, Hi int32 }

// Of returns the bytes of s within b, the buffer it was found in.
func (s Span) Of(b []byte) []byte { return b[s.Lo:s.Hi] }

// Progress says how far a value that is still arriving has been looked through. The zero value means the start. It is
// kept with the incomplete bytes and is worth nothing without them.
type Progress struct {
	Pos  int // offset at which parsing goes on; beyond the bytes there are if a bulk is known to reach so far
	Left int // values that begin at Pos or later
	Scan int // of a reply: a line that begins at Pos is known not to end before this offset
}

// ConsumeRequest parses the request at the front of b, an array of bulk strings, and appends its arguments to
// args[:0]. With n > 0 the request is complete and n bytes long; if it has no arguments ("*0", "*-1") it is to be
// skipped without a reply. With n == 0 and no error it is incomplete. An error is a *ProtocolError: answer it and
// close.
func ConsumeRequest(b []byte, args []Span) (n int, out []Span, err error) {
	out = args[:0]
	count, pos, err := arrayHeader(b)
	if err != nil || pos == 0 {
		return 0, out, err
	}
	for ; count > 0; count-- {
		lo, next := frontBulk(b, pos)
		if lo == next {
			var size int
			if size, lo, err = bulkHeader(b, pos); err != nil || lo == 0 {
				return 0, out[:0], err
			}
			next = lo + size + len(crlf)
		}
		if pos = next; pos > len(b) {
			return 0, out[:0], checkSize(pos)
		}
		if b[pos-2] != '\r' || b[pos-1] != '\n' {
			return 0, out[:0], errBulkEnd
		}
		out = append(out, Span{int32(lo), int32(pos - len(crlf))})
	}
	return pos, out, checkSize(pos)
}

// MeasureRequest looks for the end of the request at the front of b, array or inline, going on where the call that
// returned p left off, so that a request which arrives in k pieces is looked through once and not k times. With n == 0
// and no error at least max(next.Pos, len(b)+1) bytes are needed before another call can say more. Errors are those of
// ConsumeRequest.
func MeasureRequest(b []byte, p Progress) (n int, next Progress, err error) {
	if len(b) == 0 {
		return 0, p, nil
	}
	if IsInline(b) {
		if n, err = measureLine(b, p.Pos); n == 0 {
			return 0, Progress{Pos: len(b)}, err
		}
		return n, Progress{Pos: n}, nil
	}
	if p.Pos == 0 {
		if p.Left, p.Pos, err = arrayHeader(b); err != nil || p.Pos == 0 {
			return 0, Progress{}, err
		}
	}
	for p.Pos <= len(b) {
		if b[p.Pos-2] != '\r' || b[p.Pos-1] != '\n' {
			return 0, p, errBulkEnd
		}
		if p.Left <= 0 {
			return p.Pos, p, checkSize(p.Pos)
		}
		size, lo, err := bulkHeader(b, p.Pos)
		if err != nil || lo == 0 {
			return 0, p, err
		}
		p.Pos = lo + size + len(crlf)
		p.Left--
	}
	return 0, p, checkSize(p.Pos)
}

// CheckUnauthenticated looks at the request at the front of b, as far as it is here, and tells whether it is more than a client may
// send before it is authenticated. What is malformed is left to ConsumeRequest. An error is a *ProtocolError.
func CheckUnauthenticated(b []byte) error {
	if len(b) == 0 || IsInline(b) {
		return nil
	}
	count, pos, err := arrayHeader(b)
	if err != nil || pos == 0 {
		return nil
	}
	if count > unauthenticatedArgs {
		return errUnauthenticatedCount
	}
	for ; count > 0 && pos <= len(b); count-- {
		size, lo, err := bulkHeader(b, pos)
		if err != nil || lo == 0 {
			return nil
		}
		if size > UnauthenticatedBytes {
			return errUnauthenticatedLength
		}
		pos = lo + size + len(crlf)
	}
	return nil
}

// RequestHead returns how many arguments the request at the front of b has, which MeasureRequest or ConsumeRequest found
// complete and no inline one, and appends the first of them, up to most, to args[:0].
func RequestHead(b []byte, args []Span, most int) (count int, out []Span) {
	out = args[:0]
	count, pos, _ := arrayHeader(b)
	for range min(count, most) {
		var arg Span
		arg, pos = NextArg(b, pos)
		out = append(out, arg)
	}
	return max(count, 0), out
}

// NextArg returns the argument whose bulk string begins at b[pos:] in a complete request, and where the next one begins.
func NextArg(b []byte, pos int) (arg Span, next int) {
	size, lo, _ := bulkHeader(b, pos)
	return Span{int32(lo), int32(lo + size)}, lo + size + len(crlf)
}

// End returns where the argument behind s begins, its length and content as they are in the request.
func (s Span) End() int { return int(s.Hi) + len(crlf) }

// arrayHeader reads "*<count>\r\n" at the front of b; next == 0 if it is incomplete. A count may be negative.
func arrayHeader(b []byte) (count, next int, err error) {
	if len(b) >= 4 && b[0] == '*' {
		if v, ok := oneDigit(b[1:]); ok {
			return v, 4, nil
		}
	}
	line, next, err := headerLine(b, 0, errBigCount, errCount)
	if err != nil || next == 0 {
		return 0, 0, err
	}
	v, ok := parseInt(line[1:])
	if !ok || v > MaxArgs || line[0] != '*' {
		return 0, 0, errCount
	}
	return int(max(v, -1)), next, nil
}

// bulkHeader reads "$<length>\r\n" at b[pos:]; lo, where the data begins, is 0 if it is incomplete.
func bulkHeader(b []byte, pos int) (size, lo int, err error) {
	if len(b)-pos >= 4 && b[pos] == '$' {
		if v, ok := oneDigit(b[pos+1:]); ok {
			return v, pos + 4, nil
		}
		if size, lo = shortLength(b, pos+1); lo > 0 {
			return size, lo, nil
		}
	}
	line, next, err := headerLine(b, pos, errBigLength, errLength)
	if err != nil || next == 0 {
		return 0, 0, err
	}
	if len(line) == 0 || line[0] != '$' {
		return 0, 0, errExpectedBulk(b[pos])
	}
	v, ok := parseInt(line[1:])
	if !ok || v < 0 || v > MaxRequestBytes {
		return 0, 0, errLength
	}
	return int(v), next, nil
}

// oneDigit reads "<digit>\r\n" at the front of b, all there is of most counts and many lengths. It is small enough to
// be inlined, shortLength is not.
func oneDigit(b []byte) (v int, ok bool) {
	return int(b[0] - '0'), b[0]-'0' < 10 && b[1] == '\r' && b[2] == '\n'
}

// shortLength reads "<length>\r\n" at b[i:] if it has 2 to 8 digits, which makes it less than any limit on bytes. With
// next == 0 it is something else: incomplete, of another length or malformed.
func shortLength(b []byte, i int) (v, next int) {
	if len(b)-i >= 5 { // most have 2 or 3 digits, which need no loop
		s := b[i : i+5]
		if x, y, z := s[0]-'0', s[1]-'0', s[2]-'0'; x-1 < 9 && y < 10 {
			if s[2] == '\r' && s[3] == '\n' {
				return int(x)*10 + int(y), i + 4
			}
			if z < 10 && s[3] == '\r' && s[4] == '\n' {
				return int(x)*100 + int(y)*10 + int(z), i + 5
			}
		}
	}
	line := b[i:min(len(b)-1, i+9)]
	if len(line) < 3 || line[0] == '0' {
		return 0, 0
	}
	for k, c := range line {
		if c -= '0'; c < 10 {
			v = v*10 + int(c)
			continue
		}
		if line[k] == '\r' && b[i+k+1] == '\n' && k > 0 {
			return v, i + k + 2
		}
		break
	}
	return 0, 0
}

// headerLine returns the line at b[pos:] without its end, and the offset behind that, 0 if it is incomplete. A line
// that is too long is tooBig, one whose '\r' is not followed by '\n' is malformed.
func headerLine(b []byte, pos int, tooBig, malformed error) (line []byte, next int, err error) {
	rest := b[pos:min(len(b), pos+maxLineBytes+1)]
	i := bytes.IndexByte(rest, '\r')
	if i < 0 {
		if len(rest) > maxLineBytes {
			return nil, 0, tooBig
		}
		return nil, 0, nil
	}
	end := pos + i
	if end+1 >= len(b) {
		return nil, 0, nil
	}
	if b[end+1] != '\n' {
		return nil, 0, malformed
	}
	return b[pos:end], end + 2, nil
}

// parseInt reads s as Redis reads a length (string2ll): decimal, "-" only before 1 to 9, no "+", spaces or leading
// zeros.
func parseInt(s []byte) (v int64, ok bool) {
	digits := s
	if len(s) > 1 && s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(s) == 1
	}
	var u uint64 // 19 digits never overflow it
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		u = u*10 + uint64(c)
	}
	if len(digits) < len(s) {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u < 1<<63
}

func checkSize(n int) error {
	if n > MaxRequestBytes {
		return errBigRequest
	}
	return nil
}
