// The meta commands: their lines, keys that come as base64, and what becomes of the flag q.
//
// A server that is asked quietly may send nothing, and nothing tells that from a reply which is still to come. So no server
// is: q is taken out of the line, and the replies that it hides are dropped (ReplyForm).

package memcache

import (
	"bytes"
	"encoding/base64"
	"math"
)

const (
	// maxMetaWords is how many words memcached takes in the line of a meta command.
	maxMetaWords = 19

	// NoOpReply is the reply to a request whose Route is NoOp.
	NoOpReply = "MN\r\n"

	// NeedsMeta is the reply to a request with Meta and HasData if its server does not know the meta commands.
	NeedsMeta = "CLIENT_ERROR the server needs to be memcached 1.6.10 or later\r\n"
)

// KnowsMeta reports whether a server that gives this reply to "version" knows the meta commands in the form that they have
// kept, that of memcached 1.6.10. One that does not may take the data of "ms" for commands.
func KnowsMeta(reply []byte) bool {
	version, found := bytes.CutPrefix(reply, []byte("VERSION "))
	if !found {
		return false
	}
	for _, least := range []uint64{1, 6, 10} {
		digits := 0
		for digits < len(version) && '0' <= version[digits] && version[digits] <= '9' {
			digits++
		}
		v, _, ok := parseNumber(version[:digits])
		if !ok || v != least {
			return ok && v > least
		}
		version = bytes.TrimPrefix(version[digits:], []byte("."))
	}
	return true
}

// meta reads the line of a meta command, <key> <flags>* or <key> <bytes> <flags>*.
func (l *line) meta(c *Command, name Span) *RequestError {
	flags := 2 // the word with which they begin
	if c.HasData {
		flags = 3
	}
	var length Span
	last, plain, count, doubled := name, name.Lo == 0, 1, false
	for {
		word := nextWord(l.b, int(last.Hi), l.end)
		if word.Lo == word.Hi {
			break
		}
		switch {
		case count == 1:
			l.key = word
		case count < flags:
			length = word
		case l.b[word.Lo] == 'q' && c.quiet != formAsSent:
			doubled = l.req.Quiet
			l.req.Quiet = true
		case l.b[word.Lo] == 'b' && (c.quiet != formAsSent || count == flags && word.Hi == word.Lo+1):
			l.req.EncodedKey = true
		}
		plain = plain && word.Lo == last.Hi+1
		last = word
		count++
	}
	l.skipData(length.Of(l.b))
	if fault := l.metaFault(c, count, length, doubled); fault != nil {
		return fault
	}
	l.req.plain = plain && !l.req.Quiet && int(last.Hi) == l.end && l.end+1 == l.eol
	return nil
}

// metaFault judges a meta command of so many words, of which doubled tells that q comes twice: a server would not get both.
func (l *line) metaFault(c *Command, count int, length Span, doubled bool) *RequestError {
	key := l.key.Of(l.b)
	switch {
	case count < 2 && c.quiet != formAsSent:
		return errCommand
	case count < int(c.min), len(key) > MaxKeyBytes, breaksLine(l.b[:l.end]):
		return errFormat
	case count > maxMetaWords:
		return c.tooMany
	case c.HasData && !isUnsigned(length.Of(l.b), math.MaxInt32-2):
		return errFormat
	case l.req.EncodedKey && !isEncoded(key):
		return c.undecodable
	case doubled:
		return c.doubled
	case l.req.size-l.eol-1 > MaxValueBytes+len(crlf):
		return errTooLarge
	}
	return nil
}

// keyEncoding is the one form of base64 that all versions of memcached read alike.
var keyEncoding = base64.StdEncoding.Strict()

// isEncoded reports whether a key is base64.
func isEncoded(key []byte) bool {
	var decoded [MaxKeyBytes]byte
	n, err := keyEncoding.Decode(decoded[:], key)
	return err == nil && n > 0
}

// AppendKey appends the key of a request as its server knows it: one with EncodedKey decoded. b is what it was parsed from.
func (r *Request) AppendKey(dst, b []byte, key Span) []byte {
	if !r.EncodedKey {
		return append(dst, key.Of(b)...)
	}
	dst, _ = keyEncoding.AppendDecode(dst, key.Of(b))
	return dst
}

// appendLoud appends the line of a quiet request without the flag q.
func appendLoud(dst, b []byte, r *Request) []byte {
	flags := 2
	if r.Cmd.HasData {
		flags = 3
	}
	word := nextWord(b, 0, int(r.lineEnd))
	dst = append(dst, word.Of(b)...)
	for i := 1; ; i++ {
		word = nextWord(b, int(word.Hi), int(r.lineEnd))
		if word.Lo == word.Hi {
			return dst
		}
		if i < flags || b[word.Lo] != 'q' {
			dst = append(dst, ' ')
			dst = append(dst, word.Of(b)...)
		}
	}
}

// metaCode returns the code with which a reply to a meta command begins, or its line without the end; empty if it is none.
func metaCode(text []byte) string {
	if len(text) < 2 || len(text) > 2 && text[2] != ' ' && string(text[2:min(4, len(text))]) != crlf {
		return ""
	}
	switch string(text[:2]) {
	case "HD":
		return "HD"
	case "VA":
		return "VA"
	case "EN":
		return "EN"
	case "NF":
		return "NF"
	case "NS":
		return "NS"
	case "EX":
		return "EX"
	case "MN":
		return "MN"
	case "ME":
		return "ME"
	}
	return ""
}
