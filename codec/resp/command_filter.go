// What COMMAND and its subcommands tell of a server, less what the proxy refuses: the flags, keys and documentation are those of
// the version that serves, and what is listed is what may be used.

package resp

// mergeCommands makes the reply to COMMAND, or to a subcommand, of one server's list of all its commands.
var mergeCommands = &Merge{answers: func(dst []byte, a *Answers) (out []byte, ok bool) {
	return filterCommands(dst, a.Replies[0], a.Command.Local, a.Version, a.Allowed)
}}

// filterCommands appends what reply, a server's to COMMAND or the subcommand of it that op stands for, is without the commands
// that are not allowed, which is asked of each by its row. To LocalCommandCount the server's reply is the one to COMMAND. An
// error is appended as it is. If !ok the reply is none that such a request can have.
func filterCommands(dst, reply []byte, op LocalOp, v Version, allowed func(name []byte) bool) (out []byte, ok bool) {
	if IsError(reply) {
		return append(dst, reply...), true
	}
	f := commandFilter{v, allowed}
	switch op {
	case LocalCommand:
		return f.list(dst, reply, f.appendInfo)
	case LocalCommandInfo: // a place for each name that was asked for
		return f.list(dst, reply, f.appendInfoOrNull)
	case LocalCommandList:
		return f.list(dst, reply, f.appendName)
	case LocalCommandDocs:
		return f.docs(dst, reply)
	case LocalCommandCount:
		list, ok := f.list(nil, reply, f.appendInfo)
		_, count, _, isList := openAggregate(list)
		return AppendInt(dst, int64(count)), ok && isList
	}
	return dst, false
}

type commandFilter struct {
	version Version // of the reply; 0: RESP2
	allowed func(name []byte) bool
}

// list appends the array or set at the front of b with those of its elements that each appends.
func (f *commandFilter) list(dst, b []byte, each func(dst, element []byte) (out []byte, ok bool)) (out []byte, ok bool) {
	kind, count, off, ok := openAggregate(b)
	if !ok || kind == '%' {
		return dst, false
	}
	var kept []byte
	n := 0
	for range count {
		size := FrontElement(b[off:])
		if size == 0 {
			return dst, false
		}
		before := len(kept)
		if kept, ok = each(kept, b[off:off+size]); !ok {
			return dst, false
		}
		if len(kept) > before {
			n++
		}
		off += size
	}
	return append(appendHeader(dst, kind, n), kept...), off == len(b)
}

// appendName appends a name that may be listed.
func (f *commandFilter) appendName(dst, element []byte) (out []byte, ok bool) {
	name, ok := textOf(element)
	if ok && f.allowed(name) {
		dst = append(dst, element...)
	}
	return dst, ok
}

// appendInfoOrNull is appendInfo with a null for what may not be listed.
func (f *commandFilter) appendInfoOrNull(dst, element []byte) (out []byte, ok bool) {
	before := len(dst)
	dst, ok = f.appendInfo(dst, element)
	if ok && len(dst) == before {
		dst = f.version.AppendNull(dst)
	}
	return dst, ok
}

// subcommandsAt is which element of a command's description lists its subcommands, since Redis 7.
const subcommandsAt = 9

// appendInfo appends the description of a command, its name first, if it may be listed, with those of its subcommands that may.
func (f *commandFilter) appendInfo(dst, info []byte) (out []byte, ok bool) {
	kind, count, off, ok := openAggregate(info)
	if !ok || count <= 0 {
		return dst, isNull(info)
	}
	size := FrontElement(info[off:])
	name, ok := textOf(info[off : off+size])
	if !ok || !f.allowed(name) {
		return dst, ok
	}
	dst = appendHeader(dst, kind, count)
	for i := range count {
		size := FrontElement(info[off:])
		element := info[off : off+size]
		switch {
		case size == 0:
			return dst, false
		case i == subcommandsAt:
			if dst, ok = f.list(dst, element, f.appendInfo); !ok {
				return dst, false
			}
		default:
			dst = append(dst, element...)
		}
		off += size
	}
	return dst, off == len(info)
}

// docs appends the map at the front of b, as RESP2 or RESP3 has it, with those names that may be listed, and what is said of each.
func (f *commandFilter) docs(dst, b []byte) (out []byte, ok bool) {
	var kept []byte
	n := 0
	kind, ok := eachPair(b, func(key, value []byte) bool {
		name, ok := textOf(key)
		if !ok || !f.allowed(name) {
			return ok
		}
		n++
		kept, ok = f.appendDoc(append(kept, key...), value)
		return ok
	})
	return append(appendMap(dst, kind, n), kept...), ok
}

// appendDoc appends what is said of a command, of its subcommands only what may be listed.
func (f *commandFilter) appendDoc(dst, doc []byte) (out []byte, ok bool) {
	var kept []byte
	n := 0
	kind, ok := eachPair(doc, func(key, value []byte) (ok bool) {
		n++
		kept = append(kept, key...)
		if name, _ := textOf(key); string(name) == "subcommands" {
			kept, ok = f.docs(kept, value)
			return ok
		}
		kept = append(kept, value...)
		return true
	})
	return append(appendMap(dst, kind, n), kept...), ok
}

// eachPair calls do for each pair of a map, which RESP2 has as an array, until it returns false.
func eachPair(b []byte, do func(key, value []byte) bool) (kind byte, ok bool) {
	kind, count, off, ok := openAggregate(b)
	if kind != '%' {
		ok = ok && count%2 == 0
		count /= 2
	}
	for range count {
		keySize := FrontElement(b[off:])
		size := FrontElement(b[off+keySize:])
		if !ok || keySize == 0 || size == 0 || !do(b[off:off+keySize], b[off+keySize:off+keySize+size]) {
			return kind, false
		}
		off += keySize + size
	}
	return kind, ok && off == len(b)
}

// appendMap appends the head of a map of n pairs.
func appendMap(dst []byte, kind byte, n int) []byte {
	if kind != '%' {
		n *= 2
	}
	return appendHeader(dst, kind, n)
}

// openAggregate returns the kind and the number of the array, set or map at the front of b, and the offset of its first element.
func openAggregate(b []byte) (kind byte, count, off int, ok bool) {
	if len(b) < 4 || b[0] != '*' && b[0] != '~' && b[0] != '%' {
		return 0, 0, 0, false
	}
	count, off, err := replyLength(b, 0)
	return b[0], count, off, err == nil && off > 0 && count >= 0
}
