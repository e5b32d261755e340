// Patterns as Redis has them: * ? [a-z] [^a] and \ before what is meant as it is.

package acl

// match tells whether all of text matches a pattern. It goes back to the latest star only, so its time is at most the product of
// both lengths. As in Redis, no star stands for all of an empty text.
func match(pattern string, text []byte) bool {
	if len(text) == 0 {
		return pattern == ""
	}
	p, t := 0, 0
	star, from := -1, 0 // the latest star, and where what it stands for ends
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, t
			p++
			continue
		}
		if next, ok := matchOne(pattern, p, text[t]); ok {
			p = next
			t++
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, t = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p >= len(pattern)
}

// matchOne tells whether c matches what is at p, and where the pattern goes on.
func matchOne(pattern string, p int, c byte) (next int, ok bool) {
	if p >= len(pattern) {
		return p, false
	}
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass does so for the characters between brackets, of which p is the first. One that is not closed ends with the pattern, as in Redis.
func matchClass(pattern string, p int, c byte) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			low, high := min(pattern[p], pattern[p+2]), max(pattern[p], pattern[p+2])
			p += 2
			ok = ok || low <= c && c <= high
		default:
			ok = ok || pattern[p] == c
		}
	}
	return min(p+1, len(pattern)), ok != not
}
