// The replies of several servers to one request, made into the one reply that the client expects.

package memcache

import "bytes"

// EndLine ends a list.
const EndLine = "END\r\n"

// MergeReplies appends the one reply to r that the replies to its fragments amount to; replies[i] is that of fragment
// i. If one is an error, all of it is that error: the first in the order of fragments. Each must be complete as
// ConsumeReply has it; the slices are advanced as they are used up, the bytes behind them stay.
//
// For keys, b and keys are those of AppendFragment and owner[i] is the fragment that keys[i] was in. The merge compares keys, so the caller keeps the line of a
// divided request until it is answered: a copy of its first n bytes will do, because a Span counts from the start of
// the request. For requests that go to every server b, keys and owner are not looked at.
func MergeReplies(dst, b []byte, r *Request, keys []Span, owner []int32, replies [][]byte) []byte {
	if failure := Failure(replies); failure != nil {
		return append(dst, failure...)
	}
	return r.Cmd.Merge.replies(dst, b, keys, owner, replies)
}

// Failure returns the error line that is the reply to a divided request whatever the other replies are; nil if there is none.
func Failure(replies [][]byte) []byte {
	for _, reply := range replies {
		if failure := failureOf(reply); failure != nil {
			return failure
		}
	}
	return nil
}

// failureOf returns the error line that a reply consists of or, being a list, ends with; nil if it does neither.
func failureOf(reply []byte) []byte {
	if IsError(reply) {
		return reply
	}
	if len(reply) < len(EndLine) || bytes.HasSuffix(reply, []byte("\r\n"+EndLine)) {
		return nil
	}
	last := reply[bytes.LastIndexByte(reply[:len(reply)-1], '\n')+1:]
	if IsError(last) {
		return last
	}
	return nil
}

// mergeValues walks the requested keys. A server answers in the order in which it was asked and leaves out what it does
// not have, so the next block of the key's owner is either for this key or for a later one. A key asked for twice is
// answered twice, and if only once, with one of two equal blocks.
func mergeValues(dst, b []byte, keys []Span, owner []int32, replies [][]byte) []byte {
	start := len(dst)
	for i, key := range keys {
		reply := replies[owner[i]]
		name, size := FrontValue(reply)
		if size > 0 && bytes.Equal(name, key.Of(b)) {
			dst = append(dst, reply[:size]...)
			replies[owner[i]] = reply[size:]
		}
	}
	for _, reply := range replies {
		if string(reply) != EndLine {
			return append(dst[:start], InvalidArgument...)
		}
	}
	return append(dst, EndLine...)
}

// FrontValue returns the key and the size, line and data, of the block at the front of reply; size is 0 if there is
// none.
func FrontValue(reply []byte) (key []byte, size int) {
	if len(reply) == 0 || reply[0] != 'V' {
		return nil, 0
	}
	eol := bytes.IndexByte(reply, '\n')
	if eol < 1 {
		return nil, 0
	}
	name, length := parseValue(reply[:eol-1])
	size = eol + 1 + length + len(crlf)
	if name.Hi == 0 || size > len(reply) {
		return nil, 0
	}
	return name.Of(reply), size
}

// mergeLists gives the lines of all servers, those of the first one first, or the line that all agree on.
func mergeLists(dst, b []byte, keys []Span, owner []int32, replies [][]byte) []byte {
	start := len(dst)
	for _, reply := range replies {
		lines, isList := bytes.CutSuffix(reply, []byte(EndLine))
		if !isList {
			return mergeStatus(dst[:start], b, keys, owner, replies)
		}
		dst = append(dst, lines...)
	}
	return append(dst, EndLine...)
}

// mergeStatus gives the line that all servers agree on.
func mergeStatus(dst, _ []byte, _ []Span, _ []int32, replies [][]byte) []byte {
	if len(replies) == 0 {
		return append(dst, InvalidArgument...)
	}
	for _, reply := range replies[1:] {
		if !bytes.Equal(reply, replies[0]) {
			return append(dst, InvalidArgument...)
		}
	}
	return append(dst, replies[0]...)
}
