// MEMORY STATS of all servers of a pool, made into one.

package resp

import (
	"bytes"
	"strconv"
)

// statistic is what servers have for one name of MEMORY STATS: numbers, or numbers by name.
type statistic struct {
	name  string
	sum   int64
	most  []byte      // of what is no integer, ratios and percentages: the greatest, as a server wrote it
	parts *statistics // nil: it is a number
}

// statistics are the names of one list, in the order of the first server that has them.
type statistics struct {
	kind byte
	all  []*statistic
}

func mergeNumbers(dst []byte, a *Answers) (out []byte, ok bool) {
	var s statistics
	for _, r := range a.Replies {
		if !s.add(r) {
			return dst, false
		}
	}
	if perKey, keys := s.named("keys.bytes-per-key"), s.number("keys.count"); perKey != nil && perKey.most == nil {
		perKey.sum = (s.number("total.allocated") - s.number("startup.allocated")) / max(keys, 1)
	}
	return s.append(dst), true
}

// add adds one server's list of names and values, and tells whether it is one.
func (s *statistics) add(reply []byte) (ok bool) {
	if len(reply) > 0 {
		s.kind = reply[0]
	}
	return pairs(reply, func(name string, value []byte) bool {
		known := s.named(name)
		if known == nil {
			known = &statistic{name: name}
			s.all = append(s.all, known)
		}
		return known.add(value)
	})
}

// add adds a value, and tells whether it is one.
func (s *statistic) add(value []byte) (ok bool) {
	if n, isInteger := Integer(value); isInteger {
		s.sum += n
		return s.parts == nil
	}
	if number, isNumber := decimal(value); isNumber {
		if before, _ := decimal(s.most); s.most == nil || number > before {
			s.most = value
		}
		return s.parts == nil
	}
	if s.parts == nil {
		s.parts = new(statistics)
	}
	return s.parts.add(value)
}

// decimal returns the number that a reply is: a double, or in RESP2 a bulk string.
func decimal(reply []byte) (n float64, ok bool) {
	text, isBulk := Bulk(reply)
	switch {
	case isBulk:
	case len(reply) > 0 && reply[0] == ',':
		text = bytes.TrimSuffix(reply[1:], []byte(crlf))
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(string(text), 64)
	return n, err == nil
}

// named returns the statistic of that name; nil: there is none.
func (s *statistics) named(name string) *statistic {
	for _, one := range s.all {
		if one.name == name {
			return one
		}
	}
	return nil
}

// number returns the sum of that name, 0 if there is none.
func (s *statistics) number(name string) int64 {
	if one := s.named(name); one != nil {
		return one.sum
	}
	return 0
}

func (s *statistics) append(dst []byte) []byte {
	dst = appendPairs(dst, s.kind, len(s.all))
	for _, one := range s.all {
		dst = AppendBulkString(dst, one.name)
		switch {
		case one.parts != nil:
			dst = one.parts.append(dst)
		case one.most != nil:
			dst = append(dst, one.most...)
		default:
			dst = AppendInt(dst, one.sum)
		}
	}
	return dst
}
