// Replies to the parts of a divided request, made into one.

package resp

// MergeReplies appends the one reply to a divided request: owner[i] is the fragment that the i-th key was in,
// replies[f] the whole reply to fragment f. An error reply to one fragment becomes the reply to the request, except
// that with perKeyErrors an array has that error in place of each key of the fragment. The elements of replies are
// consumed.
func MergeReplies(dst []byte, c *Command, owner []int32, replies [][]byte, perKeyErrors bool) []byte {
	dropAttributes(replies)
	if r := firstError(c, replies, perKeyErrors); r != nil {
		return append(dst, r...)
	}
	out, ok := c.Merge.replies(dst, owner, replies)
	if !ok {
		return appendUnexpected(out[:len(dst)], c)
	}
	return out
}

// dropAttributes takes off what servers tell about their replies: it is not about the one reply.
func dropAttributes(replies [][]byte) {
	for f, r := range replies {
		if len(r) > 0 && r[0] == '|' {
			replies[f] = afterAttributes(r)
		}
	}
}

// firstError returns the reply that stands for all of them.
func firstError(c *Command, replies [][]byte, perKeyErrors bool) []byte {
	if perKeyErrors && c.Merge.PerKey {
		return nil
	}
	for _, r := range replies {
		if IsError(r) {
			return r
		}
	}
	return nil
}

// FailedFragment is the count of a fragment whose reply is an error, which stands for each of its keys.
const FailedFragment = -1

// OpenArrays prepares a merge of arrays that its caller does itself, element by element with FrontElement: it advances
// replies to their first elements, of which fragment f has counts[f]. One that is an error stays as it is, for each key of
// its fragment, and its count becomes FailedFragment. A failure is the reply to the whole request instead.
func OpenArrays(c *Command, counts []int32, replies [][]byte, perKeyErrors bool) (failure []byte) {
	dropAttributes(replies)
	if r := firstError(c, replies, perKeyErrors); r != nil {
		return r
	}
	for f, r := range replies {
		if IsError(r) {
			counts[f] = FailedFragment
			continue
		}
		count, off, ok := ArrayLen(r)
		if !ok || count != int(counts[f]) {
			return appendUnexpected(nil, c)
		}
		replies[f] = r[off:]
	}
	return nil
}

// FrontElement returns the size of the element at the front of an array's rest, 0 if there is none that can be the value of
// a key.
func FrontElement(rest []byte) (size int) {
	if _, n := frontBulk(rest, 0); n > 0 && n <= len(rest) {
		return n
	}
	n, _, err := ConsumeReply(rest, Progress{})
	if err != nil || IsError(rest) {
		return 0
	}
	return n
}

// mergeArrays takes the elements of the arrays in the order of the keys. Each array is cut to what is left of it. No
// element may be an error, so an error at the front is a whole reply and stands for each key of its fragment.
func mergeArrays(dst []byte, owner []int32, replies [][]byte) (out []byte, ok bool) {
	for f, r := range replies {
		if IsError(r) {
			continue
		}
		_, off, ok := ArrayLen(r)
		if replies[f] = r[off:]; !ok || IsError(replies[f]) {
			return dst, false
		}
	}
	dst = AppendArray(dst, len(owner))
	for _, f := range owner {
		r := replies[f]
		_, n := frontBulk(r, 0)
		if n == 0 || n > len(r) {
			var err error
			if n, _, err = ConsumeReply(r, Progress{}); err != nil || n == 0 {
				return dst, false
			}
		}
		dst = append(dst, r[:n]...)
		if IsError(r) {
			continue
		}
		if replies[f] = r[n:]; IsError(replies[f]) {
			return dst, false
		}
	}
	for _, r := range replies {
		if len(r) > 0 && !IsError(r) {
			return dst, false
		}
	}
	return dst, true
}

func mergeSums(dst []byte, _ []int32, replies [][]byte) (out []byte, ok bool) {
	sum := int64(0)
	for _, r := range replies {
		v, ok := Integer(r)
		if !ok {
			return dst, false
		}
		sum += v
	}
	return AppendInt(dst, sum), true
}

func mergeStatus(dst []byte, _ []int32, replies [][]byte) (out []byte, ok bool) {
	for _, r := range replies {
		if string(r) != "+OK\r\n" {
			return dst, false
		}
	}
	return AppendSimple(dst, "OK"), true
}
