// The two versions of the protocol, and the values that they write differently.

package resp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Version is the version of the protocol in which a client is answered: RESP2 until it says HELLO 3.
type Version uint8

const (
	RESP2 Version = 2
	RESP3 Version = 3
)

// AppendNull appends a single value that is not there: "$-1" or "_".
func (v Version) AppendNull(dst []byte) []byte {
	if v == RESP3 {
		return append(dst, "_\r\n"...)
	}
	return append(dst, nullBulk...)
}

// AppendNullArray appends an array that is not there: "*-1" or "_".
func (v Version) AppendNullArray(dst []byte) []byte {
	if v == RESP3 {
		return append(dst, "_\r\n"...)
	}
	return append(dst, "*-1\r\n"...)
}

// AppendMap appends the header of a map of n pairs; the caller appends key and value of each after it. RESP2 has an array of
// 2 n values in its place.
func (v Version) AppendMap(dst []byte, n int) []byte {
	if v == RESP3 {
		return appendHeader(dst, '%', n)
	}
	return appendHeader(dst, '*', 2*n)
}

// AppendSet appends the header of a set of n values, an array in RESP2.
func (v Version) AppendSet(dst []byte, n int) []byte { return v.appendKind(dst, '~', n) }

// AppendPush appends the header of a push of n values, an array in RESP2.
func (v Version) AppendPush(dst []byte, n int) []byte { return v.appendKind(dst, '>', n) }

func (v Version) appendKind(dst []byte, kind byte, n int) []byte {
	if v != RESP3 {
		kind = '*'
	}
	return appendHeader(dst, kind, n)
}

// AppendVerbatim appends text for people to read, such as that of INFO: a verbatim string of the format "txt", a bulk string in
// RESP2.
func (v Version) AppendVerbatim(dst, text []byte) []byte {
	const format = "txt:"
	if v != RESP3 {
		return AppendBulk(dst, text)
	}
	dst = appendHeader(dst, '=', len(format)+len(text))
	dst = append(dst, format...)
	dst = append(dst, text...)
	return append(dst, crlf...)
}

// UsualServerVersion is the version that clients are told where no server has told its own: one whose commands are all in the table.
// Clients ask for less than a server can do rather than for more.
const UsualServerVersion = "7.0.0"

// HelloVersion returns the version of the server that has given this reply to HELLO; false: it does not tell.
func HelloVersion(reply []byte) (version string, ok bool) {
	eachPair(reply, func(key, value []byte) bool {
		name, _ := textOf(key)
		if text, isText := textOf(value); isText && string(name) == "version" {
			version, ok = string(text), true
		}
		return !ok
	})
	return version, ok
}

// OldestVersion returns the lowest of some versions of servers: what that can do, all can.
func OldestVersion(versions []string) string {
	return slices.MinFunc(versions, func(a, b string) int {
		return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			return cmp.Compare(x, y)
		})
	})
}
