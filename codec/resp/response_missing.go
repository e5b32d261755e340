// What a server says of a key that it does not have.

package resp

import "bytes"

// MayBeMissing reports whether a reply to a read is what a server says that has none of the keys, or of the keys of MGET not all: null,
// nothing, zero or a negative number, "none", an error about the key, or an array that begins so. A server that has the keys may say the
// same.
func MayBeMissing(reply []byte) bool {
	if len(reply) < 4 {
		return true
	}
	switch reply[0] {
	case '*', '~', '>', '%':
		if n := bytes.IndexByte(reply, '\n'); n > 0 {
			return reply[1] == '0' || reply[1] == '-' || MayBeMissing(reply[n+1:]) || bytes.Contains(reply[n:], []byte("\n$-1\r")) || bytes.Contains(reply[n:], []byte("\n_\r"))
		}
		return true
	case ':':
		return reply[1] == '0' || reply[1] == '-'
	case '$', '=':
		return reply[1] == '0' || reply[1] == '-'
	case '+':
		return bytes.HasPrefix(reply, []byte("+none"))
	case ',', '(':
		return reply[1] == '0' || reply[1] == '-'
	}
	return true // errors, null, booleans
}
