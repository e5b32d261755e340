// Requests that are divided by key: the part for one server.

package resp

// AppendFragment appends the part of a request for one server to dst: the name of c and some of the keys, with their
// values where c.Step is 2. The request is args of b, routed Fragment; part has the numbers of those keys, from 0.
func AppendFragment(dst, b []byte, args []Span, c *Command, part []int32) []byte {
	dst = AppendFragmentHead(dst, c, len(part))
	for _, i := range part {
		first := c.First + int(i)*c.Step
		dst = append(dst, b[args[first-1].End():args[first+c.Step-1].End()]...)
	}
	return dst
}

// AppendFragmentHead appends what a fragment of c with so many keys begins with. The keys, with their values, follow as the
// bulk strings that they are in the request.
func AppendFragmentHead(dst []byte, c *Command, keys int) []byte {
	return AppendBulkString(AppendArray(dst, 1+keys*c.Step), c.Name)
}
