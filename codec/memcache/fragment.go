// Requests on their way to servers, whole or divided by the servers of their keys.

package memcache

// AppendForward appends r as its server is to get it: single spaces, "\r\n", and never "noreply", so that every request
// is answered by one reply whatever becomes of it; the reply to a request with NoReply set is to be swallowed. For the same reason
// the flag q of a meta command goes.
// (memcached does answer some requests in spite of "noreply".) b begins with the bytes that r was parsed from.
func AppendForward(dst, b []byte, r *Request) []byte {
	if r.plain {
		return append(dst, b[:r.size]...)
	}
	if r.Quiet {
		dst = appendLoud(dst, b, r)
	} else {
		dst = appendWords(dst, b, r)
	}
	dst = append(dst, crlf...)
	if r.Cmd.HasData {
		dst = append(dst, b[r.Data.Lo:r.size]...)
	}
	return dst
}

// appendWords appends the words of the line that a server gets to see.
func appendWords(dst, b []byte, r *Request) []byte {
	end := int(r.lineEnd)
	w := nextWord(b, 0, end)
	dst = append(dst, w.Of(b)...)
	for left := int(r.words) - 1; left != 0; left-- {
		w = nextWord(b, int(w.Hi), end)
		if w.Lo == w.Hi {
			break
		}
		dst = append(dst, ' ')
		dst = append(dst, w.Of(b)...)
	}
	return dst
}

// AppendFragment appends the part of r for one server: keys[i] for each i of part, in that order, which is the keys' own.
// b begins with the line that r and keys were parsed from.
func AppendFragment(dst, b []byte, r *Request, keys []Span, part []int32) []byte {
	dst = append(dst, r.Cmd.Name...)
	if r.Cmd.shape == shapeTouchKeys {
		name := nextWord(b, 0, int(r.lineEnd))
		exptime := nextWord(b, int(name.Hi), int(r.lineEnd))
		dst = append(dst, ' ')
		dst = append(dst, exptime.Of(b)...)
	}
	for _, i := range part {
		dst = append(dst, ' ')
		dst = append(dst, keys[i].Of(b)...)
	}
	return append(dst, crlf...)
}

// NextKey returns the first key of a line of get or gets, or the one behind the key last, which is empty to begin with.
func (r *Request) NextKey(b []byte, last Span) Span {
	if last.Hi == 0 {
		last = nextWord(b, 0, int(r.lineEnd))
	}
	return nextWord(b, int(last.Hi), int(r.lineEnd))
}

// Plain reports whether the server is to get r as it is, byte for byte: AppendForward would but copy it.
func (r *Request) Plain() bool { return r.plain }
