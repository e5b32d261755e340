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

	Version Version                // of the one reply; 0: RESP2
	Own     []InfoField            // of INFO: what the proxy says of itself
	Allowed func(name []byte) bool // of COMMAND: which commands may be listed
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

// The ways in which all servers' replies become one. Where nothing else is said, an error of one server is the error of all:
// what is known of a part of the pool only is not told as if it were the whole.
var (
	mergeTotal    = &Merge{answers: mergeTotals}                  // integers, added up
	mergeOldest   = &Merge{answers: mergeOldestTime}              // the least integer
	mergeAgreed   = &Merge{answers: mergeAlike}                   // what all say alike
	mergeFirst    = &Merge{answers: mergeFirstAnswer}             // what the first says, where the others need not say the same
	mergeAny      = &Merge{answers: mergeSuccess, tolerant: true} // that of one that succeeded, if any did
	mergeTurn     = &Merge{answers: mergeNotNull, tolerant: true} // one that is not null: each server's in turn
	mergeLeast    = &Merge{answers: mergeElementwise}             // an array of the least integers at each place
	mergeJoined   = &Merge{answers: mergeJoin, join: joinArrays}  // the elements of all arrays
	mergeScan     = &Merge{answers: mergeJoin, join: joinScan}    // of one server, whose cursor becomes the pool's
	mergeNewest   = &Merge{answers: mergeByTime(1, descending)}   // entries that begin with a number and a time, the newest first
	mergeHistory  = &Merge{answers: mergeByTime(0, ascending)}    // entries that begin with a time, the oldest first
	mergeEvents   = &Merge{answers: mergeLatest}                  // entries of LATENCY LATEST: for each event one
	mergeSettings = &Merge{answers: mergeParameters}              // names and values: CONFIG GET
	mergeTexts    = &Merge{answers: mergeReports}                 // texts for people, each under the name of its server
	mergeGraphs   = &Merge{answers: mergeSampled, tolerant: true} // LATENCY GRAPH
	mergeCalls    = &Merge{answers: mergeHistograms}              // LATENCY HISTOGRAM

	mergeMemoryStats = &Merge{answers: mergeNumbers} // MEMORY STATS
)

// notBusy begins the error of a server on which nothing runs that could be killed.
const notBusy = "-NOTBUSY "

// differing begins what stands in the place of a setting's value that is not the same on all servers.
const differing = "differs between servers:"

// MergeAnswers appends the one reply. What the slices in a.Replies say is used up.
func MergeAnswers(dst []byte, a *Answers) []byte {
	m := a.Command.Merge
	if !m.tolerant {
		if out, failed := a.appendFailure(dst); failed {
			return out
		}
	}
	out, ok := m.answers(dst, a)
	if !ok {
		return appendUnexpectedAnswer(out[:len(dst)], a.Command)
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
		return appendUnexpectedAnswer(out[:len(dst)], a.Command), false
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
	return mergeSums(dst, nil, a.Replies)
}

func mergeOldestTime(dst []byte, a *Answers) (out []byte, ok bool) {
	oldest, ok := Integer(a.Replies[0])
	for _, r := range a.Replies {
		v, isInt := Integer(r)
		oldest, ok = min(oldest, v), ok && isInt
	}
	return AppendInt(dst, oldest), ok
}

func mergeAlike(dst []byte, a *Answers) (out []byte, ok bool) {
	for i, r := range a.Replies {
		if !bytes.Equal(r, a.Replies[0]) {
			return AppendError(dst, "ERR servers "+strconv.Quote(a.Servers[0])+" and "+strconv.Quote(a.Servers[i])+
				" answer '"+a.Command.Name+"' differently"), true
		}
	}
	return append(dst, a.Replies[0]...), true
}

func mergeFirstAnswer(dst []byte, a *Answers) (out []byte, ok bool) {
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

// isNull reports whether a reply is a null, of RESP2 or RESP3.
func isNull(reply []byte) bool {
	s := string(reply)
	return s == nullBulk || s == "*-1\r\n" || s == "_\r\n"
}
