// The writing side: replies of the proxy itself and the requests it makes.

package resp

import "strconv"

// AppendArray appends the header of an array of n values, which the caller appends after it.
func AppendArray(dst []byte, n int) []byte { return appendHeader(dst, '*', n) }

// AppendBulk appends a bulk string.
func AppendBulk(dst, s []byte) []byte {
	dst = appendHeader(dst, '$', len(s))
	dst = append(dst, s...)
	return append(dst, crlf...)
}

// AppendBulkString appends a bulk string.
func AppendBulkString(dst []byte, s string) []byte {
	dst = appendHeader(dst, '$', len(s))
	dst = append(dst, s...)
	return append(dst, crlf...)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, crlf...)
}

// AppendSimple appends a simple string (status), which must not contain a line end.
func AppendSimple(dst []byte, s string) []byte {
	dst = append(dst, '+')
	dst = append(dst, s...)
	return append(dst, crlf...)
}

// AppendError appends an error reply. The text begins with its code ("ERR …"); line ends in it become spaces.
func AppendError(dst []byte, text string) []byte {
	dst = append(dst, '-')
	start := len(dst)
	dst = append(dst, text...)
	blankLineEnds(dst[start:])
	return append(dst, crlf...)
}

// AppendNull appends the null of RESP2, a bulk string of length -1.
func AppendNull(dst []byte) []byte { return append(dst, nullBulk...) }

func appendHeader(dst []byte, kind byte, n int) []byte {
	if uint(n) < 10 {
		return append(dst, kind, '0'+byte(n), '\r', '\n')
	}
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, crlf...)
}

func blankLineEnds(b []byte) {
	for i, c := range b {
		if c == '\r' || c == '\n' {
			b[i] = ' '
		}
	}
}
