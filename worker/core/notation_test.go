// How transcripts write bytes: as Go strings, and requests of Redis as their words.

package core

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// splitWords splits a line at spaces. A word that is quoted, or quoted and multiplied (3*"ab"), may contain some.
func splitWords(t testing.TB, line string) (words []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		end := strings.IndexByte(line+" ", ' ')
		if quote := strings.IndexByte(line[:end], '"'); quote == 0 || quote > 0 && line[quote-1] == '*' {
			quoted, err := strconv.QuotedPrefix(line[quote:])
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			end = quote + len(quoted)
		}
		words = append(words, line[:end])
		line = line[end:]
	}
	return words
}

// readWord returns the bytes that a word stands for.
func readWord(t testing.TB, word string) []byte {
	count := 1
	if star := strings.Index(word, `*"`); star > 0 {
		n, err := strconv.Atoi(word[:star])
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		count, word = n, word[star+1:]
	}
	if !strings.HasPrefix(word, `"`) {
		return []byte(word)
	}
	text, err := strconv.Unquote(word)
	if err != nil {
		t.Fatalf("%s: %v", word, err)
	}
	return bytes.Repeat([]byte(text), count)
}

// readWords returns what the words stand for, one after the other.
func readWords(t testing.TB, words []string) (b []byte) {
	for _, word := range words {
		b = append(b, readWord(t, word)...)
	}
	return b
}

// redisRequestOf returns a request of these arguments as a Redis client would send it.
func redisRequestOf(args ...string) []byte {
	b := resp.AppendArray(nil, len(args))
	for _, arg := range args {
		b = resp.AppendBulkString(b, arg)
	}
	return b
}

// showBytes writes b as lines: a request as its words if it has the form in which clients send them, each reply by
// itself, and what is the same again only once.
func showBytes(b []byte, protocol link.Protocol, requests bool) (lines []string) {
	for len(b) > 0 {
		var n int
		var line string
		switch {
		case protocol == link.Memcache:
			n = bytes.IndexByte(b, '\n') + 1
		case requests:
			n, line = showRequest(b)
		default:
			n, _, _ = resp.ConsumeReply(b, resp.Progress{})
		}
		if n <= 0 {
			n = len(b)
		}
		if line == "" {
			line = quote(b[:n])
		}
		lines = append(lines, line)
		b = b[n:]
	}
	return foldRepeats(lines)
}

// showRequest returns the words of the request at the front of b, from which exactly its bytes can be made again; line
// is empty if there is no such request.
func showRequest(b []byte) (n int, line string) {
	n, args, err := resp.ConsumeRequest(b, nil)
	if err != nil || n == 0 {
		return 0, ""
	}
	var words, shown []string
	for _, arg := range args {
		word := string(arg.Of(b))
		words = append(words, word)
		if word == "" || strings.ContainsAny(word, "\"* ") || strconv.Quote(word) != `"`+word+`"` || len(word) > 64 {
			word = quote(arg.Of(b))
		}
		shown = append(shown, word)
	}
	if !bytes.Equal(redisRequestOf(words...), b[:n]) {
		return n, ""
	}
	return n, strings.Join(shown, " ")
}

// quote writes b as a Go string, a long one as its beginning and its checksum.
func quote(b []byte) string {
	const most = 240
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return fmt.Sprintf("%q… %d bytes, crc32 %08x", b[:32], len(b), crc32.ChecksumIEEE(b))
}

// foldRepeats writes lines that are the same as the one before only as their number.
func foldRepeats(lines []string) (folded []string) {
	for len(lines) > 0 {
		n := slices.IndexFunc(lines, func(line string) bool { return line != lines[0] })
		if n < 0 {
			n = len(lines)
		}
		line := lines[0]
		if n > 1 {
			line += fmt.Sprintf(" × %d", n)
		}
		folded = append(folded, line)
		lines = lines[n:]
	}
	return folded
}
