// The words of a request line and the numbers among them, read as memcached's tokenizer and strtol read them.

package memcache

import (
	"bytes"
	"math"
)

// Span is a half-open range of the buffer handed to Consume: 0 ≤ Lo ≤ Hi ≤ len.
type Span struct{ Lo, Hi int32 }

// Of returns the bytes of s within b, the buffer it was found in.
func (s Span) Of(b []byte) []byte { return b[s.Lo:s.Hi] }

// maxWords is one more than any command with a fixed number of words may have ("cas" with "noreply": 7).
const maxWords = 8

// words are the first words of a line; n == maxWords means that many or more.
type words struct {
	at [maxWords]Span
	n  int
}

// nextWord returns the first word in b[pos:end], empty if there is none. Only a space separates words.
func nextWord(b []byte, pos, end int) Span {
	for pos < end && b[pos] == ' ' {
		pos++
	}
	if i := bytes.IndexByte(b[pos:end], ' '); i >= 0 {
		end = pos + i
	}
	return Span{int32(pos), int32(end)}
}

// splitLine returns the words of b[:end], of which first is known already.
func splitLine(b []byte, end int, first Span) (w words) {
	w.at[0], w.n = first, 1
	for pos := int(first.Hi); w.n < maxWords; w.n++ {
		s := nextWord(b, pos, end)
		if s.Lo == s.Hi {
			return w
		}
		w.at[w.n] = s
		pos = int(s.Hi)
	}
	return w
}

// of returns word i, empty if the line is shorter.
func (w *words) of(b []byte, i int) []byte { return w.at[i].Of(b) }

// noreply reports whether the last word asks for silence. A line of more words than maxWords cannot.
func (w *words) noreply(b []byte) bool {
	return w.n < maxWords && string(w.of(b, w.n-1)) == "noreply"
}

// spaced reports whether the first n words fill b[:end] with single spaces between them and nothing else.
func (w *words) spaced(n, end int) bool {
	at := int32(0)
	for _, s := range w.at[:n] {
		if s.Lo != at {
			return false
		}
		at = s.Hi + 1
	}
	return int(at) == end+1
}

// validKey reports whether memcached takes key. Control characters pass, as they do there; but NUL ends the line for
// memcached and a carriage return may end it for others, so these two could smuggle words past us.
func validKey(key []byte) bool {
	return len(key) > 0 && len(key) <= MaxKeyBytes && !breaksLine(key)
}

// breaksLine reports whether text holds a NUL or a carriage return.
func breaksLine(text []byte) bool {
	return bytes.IndexByte(text, 0) >= 0 || bytes.IndexByte(text, '\r') >= 0
}

// parseNumber reads a decimal number with an optional sign; a magnitude above 2^64-1 is an error. Unlike strtol it
// takes no white space.
func parseNumber(s []byte) (magnitude uint64, negative, ok bool) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false, false
	}
	for _, c := range s {
		d := uint64(c - '0')
		if d > 9 || magnitude > math.MaxUint64/10 {
			return 0, false, false
		}
		if magnitude = magnitude*10 + d; magnitude < d {
			return 0, false, false
		}
	}
	return magnitude, negative && magnitude != 0, true
}

// isUnsigned reports whether s is a number from 0 to limit.
func isUnsigned(s []byte, limit uint64) bool {
	v, negative, ok := parseNumber(s)
	return ok && !negative && v <= limit
}

// isSigned reports whether s is a number of the given number of bits, two's complement.
func isSigned(s []byte, bits uint) bool {
	v, negative, ok := parseNumber(s)
	limit := uint64(1) << (bits - 1)
	return ok && (v < limit || negative && v == limit)
}
