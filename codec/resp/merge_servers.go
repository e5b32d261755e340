// Replies of all servers of a pool to one request, made into one.

package resp

import (
	"bytes"
	"slices"
	"strconv"
)

// Answers are the replies of servers to a request that each of them got as a whole.
type Answers struct {
	Command *Command
	Servers []string // the names of those that were asked
	Replies [][]byte // whole ones: Replies[i] is that of Servers[i]
	Most    int      // how many elements the one reply may have; 0: any number
	Turn    uint     // whose turn it is where one of them is as good as another
	Scan    ScanStep // of SCAN
}

// The ways in which all servers' replies become one. Where nothing else is said, an error of one server is the error of all:
// what is known of a part of the pool only is not told as if it were the whole.
var (
	mergeTotal    = &Merge{answers: mergeTotals}                 // integers, added up
	mergeOldest   = &Merge{answers: mergeOldestTime}             // the least integer
	mergeAgreed   = &Merge{answers: mergeAlike}                  // what all say alike
	mergeFirst    = &Merge{answers: mergeFirstAnswer}            // what the first says, where the others need not say the same
	mergeAny      = &Merge{answers: mergeSuccess}                // that of one that succeeded, if any did
	mergeTurn     = &Merge{answers: mergeNotNull}                // one that is not null: each server's in turn
	mergeLeast    = &Merge{answers: mergeElementwise}            // an array of the least integers at each place
	mergeJoined   = &Merge{answers: mergeJoin, join: joinArrays} // the elements of all arrays
	mergeScan     = &Merge{answers: mergeJoin, join: joinScan}   // of one server, whose cursor becomes the pool's
	mergeNewest   = &Merge{answers: mergeByTime(1, descending)}  // entries that begin with a number and a time, the newest first
	mergeHistory  = &Merge{answers: mergeByTime(0, ascending)}   // entries that begin with a time, the oldest first
	mergeEvents   = &Merge{answers: mergeLatest}                 // entries of LATENCY LATEST: for each event one
	mergeSettings = &Merge{answers: mergeParameters}             // names and values: CONFIG GET
	mergeTexts    = &Merge{answers: mergeReports}                // texts for people, each under the name of its server
)

// notBusy begins the error of a server on which nothing runs that could be killed.
const notBusy = "-NOTBUSY "

// differing begins what stands in the place of a setting's value that is not the same on all servers.
const differing = "differs between servers:"

// MergeAnswers appends the one reply. What the slices in a.Replies say is used up.
func MergeAnswers(dst []byte, a *Answers) []byte {
	out, ok := a.Command.Merge.answers(dst, a)
	if !ok {
		return AppendError(out[:len(dst)], "ERR unexpected reply of a server to '"+a.Command.Name+"'")
	}
	return out
}

// IsJoined reports whether the reply is what the servers' replies consist of, one behind the other, so that it can be made
// without copying them: see Join.
func (m *Merge) IsJoined() bool { return m.join != nil }

// Join appends what the one reply begins with. It cuts off the beginning of each of a.Replies: what is left of them follows, in this
// order. If !ok, what is appended is all of the reply, an error.
func Join(dst []byte, a *Answers) (head []byte, ok bool) {
	out, failed := a.appendFailure(dst)
	if failed {
		return out, false
	}
	if out, ok = a.Command.Merge.join(dst, a); !ok {
		return AppendError(out[:len(dst)], "ERR unexpected reply of a server to '"+a.Command.Name+"'"), false
	}
	return out, true
}

// appendFailure appends the error that is the reply, if one of the answers is one: as it is where all servers say the same
// (the request is wrong), else with the name of the first server that has failed, and how many have.
func (a *Answers) appendFailure(dst []byte) (out []byte, failed bool) {
	count, first, alike := 0, -1, true
	for i, r := range a.Replies {
		if !IsError(r) {
			continue
		}
		if count++; first < 0 {
			first = i
		}
		alike = alike && bytes.Equal(r, a.Replies[first])
	}
	switch {
	case count == 0:
		return dst, false
	case count == len(a.Replies) && alike:
		return append(dst, a.Replies[first]...), true
	}
	code, text := errorParts(a.Replies[first])
	which := " servers, "
	if count > 1 {
		which = " servers, the first of them "
	}
	return AppendError(dst, code+" '"+a.Command.Name+"' failed on "+strconv.Itoa(count)+" of "+strconv.Itoa(len(a.Replies))+
		which+strconv.Quote(a.Servers[first])+": "+text), true
}

// errorParts returns the code of an error reply, in capitals, and what follows it.
func errorParts(reply []byte) (code, text string) {
	line := bytes.TrimSuffix(reply[1:], []byte(crlf))
	if reply[0] == '!' {
		_, line, _ = bytes.Cut(line, []byte(crlf))
	}
	word, rest, found := bytes.Cut(line, []byte(" "))
	if !found || !bytes.Equal(word, bytes.ToUpper(word)) {
		return "ERR", string(line)
	}
	return string(word), string(rest)
}

func mergeTotals(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	return mergeSums(dst, nil, a.Replies)
}

func mergeOldestTime(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	oldest, ok := Integer(a.Replies[0])
	for _, r := range a.Replies {
		v, isInt := Integer(r)
		oldest, ok = min(oldest, v), ok && isInt
	}
	return AppendInt(dst, oldest), ok
}

func mergeAlike(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	for i, r := range a.Replies {
		if !bytes.Equal(r, a.Replies[0]) {
			return AppendError(dst, "ERR servers "+strconv.Quote(a.Servers[0])+" and "+strconv.Quote(a.Servers[i])+
				" answer '"+a.Command.Name+"' differently"), true
		}
	}
	return append(dst, a.Replies[0]...), true
}

func mergeFirstAnswer(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	return append(dst, a.Replies[0]...), true
}

func mergeSuccess(dst []byte, a *Answers) (out []byte, ok bool) {
	for _, r := range a.Replies {
		if !IsError(r) {
			return append(dst, r...), true
		}
	}
	for _, r := range a.Replies {
		if !bytes.HasPrefix(r, []byte(notBusy)) {
			return append(dst, r...), true
		}
	}
	return append(dst, a.Replies[0]...), true
}

// mergeNotNull takes that of the server whose turn it is among those that have something. A server that has failed matters only
// if no other has anything.
func mergeNotNull(dst []byte, a *Answers) (out []byte, ok bool) {
	full := slices.DeleteFunc(slices.Clone(a.Replies), func(r []byte) bool { return IsError(r) || isNull(r) })
	if len(full) > 0 {
		return append(dst, full[a.Turn%uint(len(full))]...), true
	}
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	return append(dst, a.Replies[0]...), true
}

func mergeElementwise(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	var least []int64
	for i, r := range a.Replies {
		list, ok := elements(r)
		if !ok || i > 0 && len(list) != len(least) {
			return dst, false
		}
		for k, element := range list {
			v, ok := Integer(element)
			if !ok {
				return dst, false
			}
			if i == 0 {
				least = append(least, v)
			}
			least[k] = min(least[k], v)
		}
	}
	out = AppendArray(dst, len(least))
	for _, v := range least {
		out = AppendInt(out, v)
	}
	return out, true
}

// mergeJoin is Join for replies that are short.
func mergeJoin(dst []byte, a *Answers) (out []byte, ok bool) {
	out, ok = Join(dst, a)
	if !ok {
		return out, true
	}
	for _, r := range a.Replies {
		out = append(out, r...)
	}
	return out, true
}

func joinArrays(dst []byte, a *Answers) (head []byte, ok bool) {
	sum := 0
	for i, r := range a.Replies {
		count, off, ok := ArrayLen(r)
		if !ok {
			return dst, false
		}
		sum += max(count, 0)
		a.Replies[i] = r[off:]
	}
	return AppendArray(dst, sum), sum <= maxReplyValues
}

const (
	ascending  = 1
	descending = -1
)

// mergeByTime merges arrays of entries whose field at that place is a time; each array is in that order.
func mergeByTime(at, order int) func(dst []byte, a *Answers) (out []byte, ok bool) {
	return func(dst []byte, a *Answers) (out []byte, ok bool) {
		if out, failed := a.appendFailure(dst); failed {
			return out, true
		}
		type entry struct {
			time  int64
			bytes []byte
		}
		var all []entry
		for _, r := range a.Replies {
			list, ok := elements(r)
			if !ok {
				return dst, false
			}
			for _, e := range list {
				fields, ok := elements(e)
				if !ok || len(fields) <= at {
					return dst, false
				}
				t, ok := Integer(fields[at])
				if !ok {
					return dst, false
				}
				all = append(all, entry{t, e})
			}
		}
		slices.SortStableFunc(all, func(x, y entry) int {
			switch {
			case x.time < y.time:
				return -order
			case x.time > y.time:
				return order
			}
			return 0
		})
		if a.Most > 0 {
			all = all[:min(len(all), a.Most)]
		}
		out = AppendArray(dst, len(all))
		for _, e := range all {
			out = append(out, e.bytes...)
		}
		return out, true
	}
}

// mergeLatest makes one entry for each event: its name, when it last happened anywhere and how long it took then, and the longest
// time that it took anywhere, in ms. What newer servers add to an entry is left out.
func mergeLatest(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	type event struct {
		name                  []byte
		when, latest, longest int64
	}
	var events []event
	for _, r := range a.Replies {
		list, ok := elements(r)
		if !ok {
			return dst, false
		}
		for _, e := range list {
			fields, ok := elements(e)
			if !ok || len(fields) < 4 {
				return dst, false
			}
			when, ok1 := Integer(fields[1])
			latest, ok2 := Integer(fields[2])
			longest, ok3 := Integer(fields[3])
			if !ok1 || !ok2 || !ok3 {
				return dst, false
			}
			i := slices.IndexFunc(events, func(e event) bool { return bytes.Equal(e.name, fields[0]) })
			if i < 0 {
				events = append(events, event{fields[0], when, latest, longest})
				continue
			}
			known := &events[i]
			if when > known.when {
				known.when, known.latest = when, latest
			}
			known.longest = max(known.longest, longest)
		}
	}
	out = AppendArray(dst, len(events))
	for _, e := range events {
		out = append(AppendArray(out, 4), e.name...)
		out = AppendInt(AppendInt(AppendInt(out, e.when), e.latest), e.longest)
	}
	return out, true
}

// mergeParameters makes one list of names and values. Where servers have different values for a name, all of them are told, in
// words that are no value: who needs one sees that there is none.
func mergeParameters(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	var names, values []string // of those that a server has, its own
	where := map[string]int{}
	differs := map[string]bool{}
	has := make([]map[string]string, len(a.Replies))
	for i, r := range a.Replies {
		list, ok := elements(r)
		if !ok || len(list)%2 != 0 {
			return dst, false
		}
		has[i] = map[string]string{}
		for k := 0; k < len(list); k += 2 {
			name, ok1 := Bulk(list[k])
			value, ok2 := Bulk(list[k+1])
			if !ok1 || !ok2 {
				return dst, false
			}
			has[i][string(name)] = string(value)
			at, known := where[string(name)]
			if !known {
				where[string(name)] = len(names)
				names, values = append(names, string(name)), append(values, string(value))
			} else if values[at] != string(value) {
				differs[string(name)] = true
			}
		}
	}
	out = append(dst, a.Replies[0][0]) // an array, or a map
	pairs := len(names)
	if a.Replies[0][0] == '*' {
		pairs *= 2
	}
	out = append(strconv.AppendInt(out, int64(pairs), 10), crlf...)
	for i, name := range names {
		out = AppendBulkString(out, name)
		if !differs[name] {
			out = AppendBulkString(out, values[i])
			continue
		}
		text := differing
		for k, settings := range has {
			if value, ok := settings[name]; ok {
				text += " " + strconv.Quote(a.Servers[k]) + "=" + value
			}
		}
		out = AppendBulkString(out, text)
	}
	return out, true
}

func mergeReports(dst []byte, a *Answers) (out []byte, ok bool) {
	if out, failed := a.appendFailure(dst); failed {
		return out, true
	}
	var text []byte
	for i, r := range a.Replies {
		report, ok := textOf(r)
		if !ok {
			return dst, false
		}
		text = append(text, "# Server "+strconv.Quote(a.Servers[i])+"\n"...)
		text = append(bytes.TrimRight(append(text, report...), "\r\n"), "\n\n"...)
	}
	return AppendBulk(dst, bytes.TrimSuffix(text, []byte("\n"))), true
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

// isNull reports whether a reply is a null, of RESP2 or RESP3.
func isNull(reply []byte) bool {
	s := string(reply)
	return s == nullBulk || s == "*-1\r\n" || s == "_\r\n"
}

// mostOf returns how many elements a request lets the reply have: what each server counts for itself counts for all of them
// together. 0: any number.
func mostOf(c *Command, b []byte, args []Span) int {
	const usual = 10 // of SLOWLOG GET
	switch {
	case c.Merge != mergeNewest:
		return 0
	case len(args) < 3:
		return usual
	}
	n, _ := parseInt(args[2].Of(b))
	return int(max(n, 0)) // -1 is all; of 0 no server has any
}

// Ask prepares a for the replies of servers to the request args of b, which is one of c.
func (a *Answers) Ask(c *Command, b []byte, args []Span, servers []string) {
	a.Command, a.Servers, a.Most = c, servers, mostOf(c, b, args)
}
