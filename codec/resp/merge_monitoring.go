// What monitors ask of all servers of a pool, CONFIG GET, SLOWLOG, LATENCY and reports in words, made into one.

package resp

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// elements returns the elements of a whole reply that is an array, a set, or a map, whose names and values take turns.
func elements(reply []byte) (list [][]byte, ok bool) {
	if len(reply) < 4 || reply[0] != '*' && reply[0] != '~' && reply[0] != '%' {
		return nil, false
	}
	count, off, err := replyLength(reply, 0)
	if err != nil || off == 0 {
		return nil, false
	}
	if reply[0] == '%' {
		count *= 2
	}
	for rest := reply[off:]; len(rest) > 0; {
		n, _, err := ConsumeReply(rest, Progress{})
		if err != nil || n == 0 {
			return nil, false
		}
		list, rest = append(list, rest[:n]), rest[n:]
	}
	return list, len(list) == max(count, 0)
}

// integers reads integers into values, of which there are as many, and tells whether they are.
func integers(list [][]byte, values ...*int64) (ok bool) {
	if len(list) < len(values) {
		return false
	}
	for i, v := range values {
		if *v, ok = Integer(list[i]); !ok {
			return false
		}
	}
	return true
}

// allElements returns the elements of all replies, each of which must have some of these fields.
func allElements(replies [][]byte, fields int) (all []fielded, ok bool) {
	for _, r := range replies {
		list, ok := elements(r)
		if !ok {
			return nil, false
		}
		for _, whole := range list {
			e := fielded{whole: whole}
			if e.fields, ok = elements(whole); !ok || len(e.fields) < fields {
				return nil, false
			}
			all = append(all, e)
		}
	}
	return all, true
}

// fielded is an element that is a list itself.
type fielded struct {
	whole  []byte
	fields [][]byte
	time   int64
}

const (
	ascending  = 1
	descending = -1
)

// mergeByTime merges arrays of entries whose field at that place is a time.
func mergeByTime(at, order int) func(dst []byte, a *Answers) (out []byte, ok bool) {
	return func(dst []byte, a *Answers) (out []byte, ok bool) {
		all, ok := allElements(a.Replies, at+1)
		if !ok {
			return dst, false
		}
		for i := range all {
			if !integers(all[i].fields[at:], &all[i].time) {
				return dst, false
			}
		}
		slices.SortStableFunc(all, func(x, y fielded) int { return order * cmp.Compare(x.time, y.time) })
		if a.Most > 0 {
			all = all[:min(len(all), a.Most)]
		}
		out = AppendArray(dst, len(all))
		for _, e := range all {
			out = append(out, e.whole...)
		}
		return out, true
	}
}

// latencyEvent is an entry of LATENCY LATEST: the name, as a bulk string, the time of the last one, and how many ms that and
// the longest took.
type latencyEvent struct {
	name                  []byte
	when, latest, longest int64
}

// mergeLatest makes one entry for each event: when it last happened anywhere and how long it took then, and the longest time that
// it took anywhere. What newer servers add to an entry is left out.
func mergeLatest(dst []byte, a *Answers) (out []byte, ok bool) {
	all, ok := allElements(a.Replies, 4)
	if !ok {
		return dst, false
	}
	var events []latencyEvent
	for _, e := range all {
		next := latencyEvent{name: e.fields[0]}
		if !integers(e.fields[1:], &next.when, &next.latest, &next.longest) {
			return dst, false
		}
		i := slices.IndexFunc(events, func(e latencyEvent) bool { return bytes.Equal(e.name, next.name) })
		if i < 0 {
			events = append(events, next)
			continue
		}
		if known := &events[i]; next.when > known.when {
			known.when, known.latest = next.when, next.latest
		}
		events[i].longest = max(events[i].longest, next.longest)
	}
	out = AppendArray(dst, len(events))
	for _, e := range events {
		out = append(AppendArray(out, 4), e.name...)
		out = AppendInt(AppendInt(AppendInt(out, e.when), e.latest), e.longest)
	}
	return out, true
}

// pairs calls do for each name and value of a reply that is a map, or a list in which they take turns. It stops where do says that
// they are not what they should be.
func pairs(reply []byte, do func(name string, value []byte) (ok bool)) (ok bool) {
	list, ok := elements(reply)
	if !ok || len(list)%2 != 0 {
		return false
	}
	for i := 0; i < len(list); i += 2 {
		name, ok := Bulk(list[i])
		if !ok || !do(string(name), list[i+1]) {
			return false
		}
	}
	return true
}

// appendPairs appends the head of so many names and values, as a map or as a list in which they take turns.
func appendPairs(dst []byte, kind byte, count int) []byte {
	if kind != '%' {
		return AppendArray(dst, 2*count)
	}
	return appendHeader(dst, '%', count)
}

// setting is what the servers of a pool have for one name.
type setting struct {
	first   string // the value of the first that has one
	differs bool
	each    string // the servers with their values
}

// mergeParameters makes one list of names and values. Where servers have different values for a name, all of them are told, in
// words that are no value: who needs one sees that there is none.
func mergeParameters(dst []byte, a *Answers) (out []byte, ok bool) {
	var names []string
	settings := map[string]*setting{}
	for i, r := range a.Replies {
		ok := pairs(r, func(name string, value []byte) bool {
			text, ok := Bulk(value)
			s := settings[name]
			if s == nil {
				s = &setting{first: string(text)}
				names, settings[name] = append(names, name), s
			}
			s.differs = s.differs || s.first != string(text)
			s.each += " " + strconv.Quote(a.Servers[i]) + "=" + string(text)
			return ok
		})
		if !ok {
			return dst, false
		}
	}
	out = appendPairs(dst, a.Replies[0][0], len(names))
	for _, name := range names {
		s := settings[name]
		value := s.first
		if s.differs {
			value = differing + s.each
		}
		out = AppendBulkString(AppendBulkString(out, name), value)
	}
	return out, true
}

// histogram is what LATENCY HISTOGRAM says of one command.
type histogram struct {
	calls int64
	more  map[int64]int64 // for times in µs: how many calls took that long, but longer than the time before
}

// add adds what one server says: its calls, and for each time how many of them were not longer.
func (h *histogram) add(reply []byte) (ok bool) {
	fields, ok := elements(reply)
	if !ok || len(fields) != 4 {
		return false
	}
	var calls int64
	times, ok := elements(fields[3])
	if !ok || len(times)%2 != 0 || !integers(fields[1:], &calls) {
		return false
	}
	h.calls += calls
	var time, upTo, before int64
	for ; len(times) > 0; times = times[2:] {
		if !integers(times, &time, &upTo) {
			return false
		}
		h.more[time] += upTo - before
		before = upTo
	}
	return true
}

// mergeHistograms adds up the histograms of each command.
func mergeHistograms(dst []byte, a *Answers) (out []byte, ok bool) {
	var names []string
	sums := map[string]*histogram{}
	for _, r := range a.Replies {
		ok := pairs(r, func(name string, value []byte) bool {
			if sums[name] == nil {
				names, sums[name] = append(names, name), &histogram{more: map[int64]int64{}}
			}
			return sums[name].add(value)
		})
		if !ok {
			return dst, false
		}
	}
	kind := a.Replies[0][0]
	out = appendPairs(dst, kind, len(names))
	for _, name := range names {
		h := sums[name]
		out = appendPairs(AppendBulkString(out, name), kind, 2)
		out = AppendInt(AppendBulkString(out, "calls"), h.calls)
		out = appendPairs(AppendBulkString(out, "histogram_usec"), kind, len(h.more))
		upTo := int64(0)
		for _, time := range slices.Sorted(maps.Keys(h.more)) {
			upTo += h.more[time]
			out = AppendInt(AppendInt(out, time), upTo)
		}
	}
	return out, true
}

func mergeReports(dst []byte, a *Answers) (out []byte, ok bool) {
	var text []byte
	for i, r := range a.Replies {
		report, ok := textOf(r)
		if !ok {
			return dst, false
		}
		text = append(text, "# Server "+strconv.Quote(a.Servers[i])+"\n"...)
		text = append(bytes.TrimRight(append(text, report...), "\r\n"), "\n\n"...)
	}
	v := RESP2
	if a.Replies[0][0] == '=' {
		v = RESP3
	}
	return v.AppendVerbatim(dst, bytes.TrimSuffix(text, []byte("\n"))), true
}

// textOf returns the content of a bulk string, or of a verbatim string without its format.
func textOf(reply []byte) (text []byte, ok bool) {
	if len(reply) == 0 || reply[0] != '=' {
		return Bulk(reply)
	}
	_, content, _ := bytes.Cut(reply, []byte(crlf))
	if len(content) < len("txt:\r\n") {
		return nil, false
	}
	return content[len("txt:") : len(content)-len(crlf)], true
}

// noSamples begins what a server says that has seen no such event.
const noSamples = "-ERR No samples available"

// mergeSampled is mergeReports without the servers that have seen nothing, if one has.
func mergeSampled(dst []byte, a *Answers) (out []byte, ok bool) {
	var some Answers
	failures := *a
	failures.Replies = slices.Clone(a.Replies)
	for i, r := range a.Replies {
		if bytes.HasPrefix(r, []byte(noSamples)) {
			failures.Replies[i] = nil
			continue
		}
		some.Servers, some.Replies = append(some.Servers, a.Servers[i]), append(some.Replies, r)
	}
	if len(some.Replies) == 0 {
		return append(dst, a.Replies[0]...), true
	}
	if out, failed := failures.appendFailure(dst); failed {
		return out, true
	}
	return mergeReports(dst, &some)
}
