// Inline requests: a line as a person types it, made into the array that it stands for.

package resp

import "bytes"

// IsInline reports whether the request at the front of b, which is not empty, is an inline one.
func IsInline(b []byte) bool { return b[0] != '*' }

// ConsumeInline parses the line at the front of b by the quoting rules of Redis and appends the array that it stands
// for to dst. With n > 0 the line is complete and n bytes long with its end; an empty line appends nothing.
// With n == 0 and no error it is incomplete. An error is a *ProtocolError.
//
// Between double quotes \n \r \t \b \a and \xHH stand for bytes and \ before another character for that character;
// between single quotes only \' is special. A closing quote ends the argument (sdssplitargs in src/sds.c).
func ConsumeInline(b, dst []byte) (n int, out []byte, err error) {
	n, err = measureLine(b, 0)
	if err != nil || n == 0 {
		return 0, dst, err
	}
	line := bytes.TrimSuffix(b[:n-1], []byte{'\r'})
	count := 0
	for p := skipSpace(line, 0); p < len(line); p = skipSpace(line, p) {
		end, _, ok := unquote(dst, line, p)
		if !ok {
			return 0, dst, errUnbalanced
		}
		p = end
		count++
	}
	if count == 0 {
		return n, dst, nil
	}
	out = AppendArray(dst, count)
	for p := skipSpace(line, 0); p < len(line); p = skipSpace(line, p) {
		_, arg, _ := unquote(out, line, p)
		out = appendHeader(out, '$', len(arg)-len(out))
		p, out, _ = unquote(out, line, p)
		out = append(out, crlf...)
	}
	return n, out, nil
}

// measureLine returns the length of the line at the front of b, '\n' included, or 0 if it is incomplete. Its first
// from bytes are known to hold no '\n'.
func measureLine(b []byte, from int) (n int, err error) {
	head := b[:min(len(b), maxLineBytes+1)]
	from = min(from, len(head))
	if i := bytes.IndexByte(head[from:], '\n'); i >= 0 {
		return from + i + 1, nil
	}
	if len(head) > maxLineBytes {
		return 0, errBigInline
	}
	return 0, nil
}

// unquote appends the argument that begins at line[p] to dst, unquoted, and returns the offset behind it. It fails
// where a quote stays open or where something else than space follows its end.
func unquote(dst, line []byte, p int) (end int, out []byte, ok bool) {
	for ; p < len(line); p++ {
		switch c := line[p]; c {
		case ' ', '\t', '\r', '\n':
			return p, dst, true
		case '"', '\'':
			if c == '"' {
				p, dst = unquoteDouble(dst, line, p+1)
			} else {
				p, dst = unquoteSingle(dst, line, p+1)
			}
			if p == len(line) || p+1 < len(line) && !isSpace(line[p+1]) {
				return p, dst, false
			}
			return p + 1, dst, true
		default:
			dst = append(dst, c)
		}
	}
	return p, dst, true
}

// unquoteDouble appends what stands before the next double quote; end is the offset of that quote, or len(line).
func unquoteDouble(dst, line []byte, p int) (end int, out []byte) {
	for ; p < len(line) && line[p] != '"'; p++ {
		c := line[p]
		if c == '\\' && p+3 < len(line) && line[p+1] == 'x' && isHex(line[p+2]) && isHex(line[p+3]) {
			c = hexDigit(line[p+2])<<4 | hexDigit(line[p+3])
			p += 3
		} else if c == '\\' && p+1 < len(line) {
			p++
			c = unescape(line[p])
		}
		dst = append(dst, c)
	}
	return p, dst
}

// unquoteSingle appends what stands before the next single quote; end is the offset of that quote, or len(line).
func unquoteSingle(dst, line []byte, p int) (end int, out []byte) {
	for ; p < len(line) && line[p] != '\''; p++ {
		if line[p] == '\\' && p+1 < len(line) && line[p+1] == '\'' {
			p++
		}
		dst = append(dst, line[p])
	}
	return p, dst
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func skipSpace(line []byte, p int) int {
	for p < len(line) && isSpace(line[p]) {
		p++
	}
	return p
}

func isSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }

func hexDigit(c byte) byte {
	if c -= '0'; c < 10 {
		return c
	}
	return (c + '0') | 0x20 - 'a' + 10
}
