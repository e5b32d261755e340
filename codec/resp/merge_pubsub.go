// What all servers of a pool say of channels and patterns, made into one.

package resp

var (
	mergeDistinct = &Merge{answers: mergeNames}    // names, each once
	mergeGreatest = &Merge{answers: mergeMost}     // the largest integer: patterns are subscribed to on every server
	mergeNumSub   = &Merge{answers: mergeChannels} // for each channel that was asked about how many listen where it lives
)

func mergeNames(dst []byte, a *Answers) (out []byte, ok bool) {
	var names [][]byte
	seen := map[string]bool{}
	for _, r := range a.Replies {
		list, ok := elements(r)
		if !ok {
			return dst, false
		}
		for _, name := range list {
			if !seen[string(name)] {
				seen[string(name)] = true
				names = append(names, name)
			}
		}
	}
	out = AppendArray(dst, len(names))
	for _, name := range names {
		out = append(out, name...)
	}
	return out, true
}

func mergeMost(dst []byte, a *Answers) (out []byte, ok bool) {
	most := int64(0)
	for _, r := range a.Replies {
		v, ok := Integer(r)
		if !ok {
			return dst, false
		}
		most = max(most, v)
	}
	return AppendInt(dst, most), true
}

// mergeChannels takes the largest number for each channel: on other servers than its own nobody listens, and to the channels of
// keyspace events everybody does on all.
func mergeChannels(dst []byte, a *Answers) (out []byte, ok bool) {
	first, ok := elements(a.Replies[0])
	if !ok || len(first)%2 != 0 {
		return dst, false
	}
	most := make([]int64, len(first)/2)
	for _, r := range a.Replies {
		list, ok := elements(r)
		if !ok || len(list) != len(first) {
			return dst, false
		}
		for i := range most {
			v, ok := Integer(list[2*i+1])
			if !ok {
				return dst, false
			}
			most[i] = max(most[i], v)
		}
	}
	out = AppendArray(dst, len(first))
	for i, v := range most {
		out = AppendInt(append(out, first[2*i]...), v)
	}
	return out, true
}
