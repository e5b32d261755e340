// What each shape of line must look like, and what memcached says if it does not.

package memcache

import "math"

// line is a request line while it is being read.
type line struct {
	b     []byte
	end   int // b[:end] is the line without its end
	eol   int // offset of its '\n'
	words words
	req   Request
	key   Span   // of a command that has one; empty otherwise
	keys  []Span // of a command that may have many
}

// parseLine reads the line b[:eol], appending its keys to keys. r.size is set even if the line is at fault.
func parseLine(b []byte, eol int, keys []Span) (r Request, out []Span, fault *RequestError) {
	l := line{b: b, eol: eol, keys: keys}
	fault = l.read()
	if l.key.Hi > 0 {
		l.keys = append(l.keys, l.key)
	}
	return l.req, l.keys, fault
}

// read finds the command and reads the rest of the line as its shape has it.
func (l *line) read() *RequestError {
	l.end = l.eol
	if l.eol > 0 && l.b[l.eol-1] == '\r' {
		l.end--
	}
	l.req.lineEnd = int32(l.end)
	l.req.size = l.eol + 1
	first := nextWord(l.b, 0, l.end)
	c := Lookup(first.Of(l.b))
	if c == nil {
		return errCommand
	}
	l.req.Cmd, l.req.words = c, int32(c.words)
	if c.shape == shapeKeys {
		return l.takeKeys(first, first.Lo == 0)
	}
	if c.shape >= shapeMeta {
		return l.meta(c, first)
	}
	l.words = splitLine(l.b, l.end, first)
	return l.check(c)
}

// check judges a line by its words. A wrong number of them is the one fault that "noreply" does not silence.
func (l *line) check(c *Command) *RequestError {
	if c.HasData {
		l.skipData(l.words.of(l.b, 4))
	}
	if c.Route == Refuse {
		return c.refusal.unless(l.words.noreply(l.b))
	}
	if l.words.n < int(c.min) || c.max != 0 && l.words.n > int(c.max) {
		return errCommand
	}
	fault := (*RequestError)(nil)
	switch c.shape {
	case shapeTouchKeys:
		return l.touchKeys()
	case shapeStats:
		fault = l.stats()
	case shapeFree:
	default:
		keyOnly := c.shape == shapeDelete && l.words.n == 2 // a key may be called noreply
		l.req.NoReply = !keyOnly && l.words.noreply(l.b)
		fault = l.fields(c.shape)
	}
	l.req.plain = l.plain()
	if fault != nil {
		return fault.unless(l.req.NoReply)
	}
	return nil
}

// skipData adds the data block that follows the line, if its length, the word of the line that says so, is readable, to the
// size of the request.
func (l *line) skipData(word []byte) {
	length, negative, ok := parseNumber(word)
	if !ok || negative || length > math.MaxInt64/2 {
		return
	}
	l.req.size += int(length) + len(crlf)
	if length <= MaxValueBytes {
		l.req.Data = Span{int32(l.eol + 1), int32(l.eol + 1 + int(length))}
	}
}

// fields judges the words after the name, all but a "noreply" at the end.
func (l *line) fields(s shape) *RequestError {
	if s == shapeFlush || s == shapeVerbosity {
		return l.broadcast(s)
	}
	if s == shapeDelete {
		if fault := l.deleteHold(); fault != nil {
			return fault
		}
	}
	if !validKey(l.words.of(l.b, 1)) {
		return errFormat
	}
	l.key = l.words.at[1]
	switch s {
	case shapeStorage:
		return l.storage()
	case shapeArith:
		if !isUnsigned(l.words.of(l.b, 2), math.MaxUint64) {
			return errDelta
		}
	case shapeTouch:
		if !isSigned(l.words.of(l.b, 2), 64) {
			return errExptime
		}
	}
	return nil
}

// storage judges <flags> <exptime> <bytes> [<cas unique>].
func (l *line) storage() *RequestError {
	flags, exptime, length := l.words.of(l.b, 2), l.words.of(l.b, 3), l.words.of(l.b, 4)
	if !isUnsigned(flags, math.MaxUint32) || !isSigned(exptime, 32) || !isUnsigned(length, math.MaxInt32-2) {
		return errFormat
	}
	if l.req.words == 6 && !isUnsigned(l.words.of(l.b, 5), math.MaxUint64) {
		return errFormat
	}
	if l.req.size-l.eol-1 > MaxValueBytes+len(crlf) {
		return errTooLarge
	}
	return nil
}

// deleteHold judges what follows the key of a delete: a "0" of times when a deletion could be put off, and "noreply".
func (l *line) deleteHold() *RequestError {
	rest := l.words.n - 2
	if l.req.NoReply {
		rest--
	}
	if rest == 0 || rest == 1 && string(l.words.of(l.b, 2)) == "0" {
		return nil
	}
	return errDelete
}

// broadcast judges the only number that flush_all may and verbosity must have.
func (l *line) broadcast(s shape) *RequestError {
	number := l.words.of(l.b, 1)
	if s == shapeVerbosity {
		if !isUnsigned(number, math.MaxUint64) {
			return errFormat
		}
		return nil
	}
	if l.words.n == 1 || l.words.n == 2 && l.req.NoReply {
		l.req.words = 1
		return nil
	}
	if !isSigned(number, 64) {
		return errExptime
	}
	return nil
}

// stats chooses the row of the table by the first argument.
func (l *line) stats() *RequestError {
	if l.words.n == 1 {
		return nil
	}
	l.req.Cmd = statsOther
	if string(l.words.of(l.b, 1)) == "reset" {
		l.req.Cmd = statsReset
	}
	l.req.words = int32(l.req.Cmd.words)
	if breaksLine(l.b[:l.end]) {
		return errCommand
	}
	return nil
}

// touchKeys reads <exptime> <key>+.
func (l *line) touchKeys() *RequestError {
	if !isSigned(l.words.of(l.b, 1), 64) {
		return errExptime
	}
	return l.takeKeys(l.words.at[1], l.words.spaced(2, int(l.words.at[1].Hi)))
}

// takeKeys reads <key>+ behind the word last; plain tells whether all up to there is as a server gets to see it.
func (l *line) takeKeys(last Span, plain bool) *RequestError {
	for {
		key := nextWord(l.b, int(last.Hi), l.end)
		if key.Lo == key.Hi {
			break
		}
		if !validKey(key.Of(l.b)) {
			return errFormat
		}
		plain = plain && key.Lo == last.Hi+1
		l.keys = append(l.keys, key)
		last = key
	}
	if len(l.keys) == 0 {
		return errCommand
	}
	l.req.plain = plain && int(last.Hi) == l.end && l.end+1 == l.eol
	return nil
}

// plain reports whether the line is what a server gets to see. Stats lines, which may be of any length, never are.
func (l *line) plain() bool {
	n := int(l.req.words)
	return n > 0 && n == l.words.n && l.end+1 == l.eol && l.words.spaced(n, l.end)
}
