// Slow and obvious twins of the parsers: splitting, and numbers of any size.

package memcache

import (
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
)

// twin is what naiveRequest makes of a request: its error, or what a server gets and whether a reply is wanted.
type twin struct {
	n       int
	reply   string // of the error
	failed  bool
	forward string
	keys    string
	noreply bool
	quiet   int    // flags that say so
	placed  string // the key as it is placed, where that is not as it came
}

// within reports whether word is a decimal number from lo to hi.
func within(word, lo, hi string) bool {
	digits := strings.TrimLeft(word, "+-")
	if len(word)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	if len(strings.TrimLeft(digits, "0")) > len(maxUint64) {
		return false
	}
	v, _ := new(big.Int).SetString(word, 10)
	least, _ := new(big.Int).SetString(lo, 10)
	most, _ := new(big.Int).SetString(hi, 10)
	return v.Cmp(least) >= 0 && v.Cmp(most) <= 0
}

const (
	maxUint32, maxUint64 = "4294967295", "18446744073709551615"
	minInt32, maxInt32   = "-2147483648", "2147483647"
	minInt64, maxInt64   = "-9223372036854775808", "9223372036854775807"
)

func goodKey(key string) bool {
	return key != "" && len(key) <= 250 && !strings.ContainsAny(key, "\x00\r")
}

func fieldsOf(line string) (out []string) {
	for _, w := range strings.Split(line, " ") {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// naiveRequest parses by splitting and big numbers. n == 0: incomplete.
func naiveRequest(in string) twin {
	if strings.HasPrefix(in, "\x80") {
		return twin{n: len(in), failed: true, reply: errBinary.Reply}
	}
	line, rest, whole := strings.Cut(in, "\n")
	if len(line) > MaxLineBytes {
		front := fieldsOf(line[:MaxLineBytes])
		if len(front) == 0 || front[0] != "get" && front[0] != "gets" || len(line) > MaxKeysLineBytes {
			return twin{n: len(in), failed: true, reply: errLineTooLong.Reply}
		}
	}
	if !whole {
		return twin{}
	}
	n := len(line) + 1
	w := fieldsOf(strings.TrimSuffix(line, "\r"))
	if len(w) == 0 {
		return twin{n: n, failed: true, reply: "ERROR\r\n"}
	}
	length := ""
	switch {
	case strings.Contains(" set add replace append prepend cas ", " "+w[0]+" ") && len(w) > 4:
		length = w[4]
	case w[0] == "ms" && len(w) > 2:
		length = w[2]
	}
	size := 0
	if within(length, "0", "4611686018427387903") {
		v, _ := new(big.Int).SetString(length, 10)
		size = int(v.Int64())
		n += size + 2
	}
	var out twin
	if slices.Contains(metaNames, w[0]) {
		out = naiveMeta(w, strings.TrimSuffix(line, "\r"))
	} else {
		out = naiveLine(w)
	}
	out.n = n
	if out.failed || length == "" {
		return out
	}
	if size > MaxValueBytes {
		out.failed, out.reply = true, TooLarge
	} else if len(rest) < size+2 {
		return twin{}
	} else if rest[size:size+2] != "\r\n" {
		out.failed, out.reply = true, "CLIENT_ERROR bad data chunk\r\n"
	}
	if out.failed && out.noreply {
		out.reply = ""
	}
	out.forward += rest[:min(len(rest), size+2)]
	return out
}

// naiveForms are the commands that a server may get to see: the least and the most words of a line, how many of them it
// gets to see, and whether it may end in "noreply".
var naiveForms = map[string]struct {
	least, most, see int
	noreply          bool
}{
	"set": {5, 6, 5, true}, "add": {5, 6, 5, true}, "replace": {5, 6, 5, true}, "append": {5, 6, 5, true},
	"prepend": {5, 6, 5, true}, "cas": {6, 7, 6, true}, "get": {2, many, many, false}, "gets": {2, many, many, false},
	"gat": {2, many, many, false}, "gats": {2, many, many, false}, "delete": {2, 4, 2, true}, "incr": {3, 4, 3, true},
	"decr": {3, 4, 3, true}, "touch": {3, 4, 3, true}, "flush_all": {1, 3, 2, true}, "verbosity": {2, 3, 2, true},
	"version": {1, many, 1, false}, "stats": {1, many, many, false}, "quit": {1, many, 1, false},
	"mn": {1, many, 1, false},
}

var metaNames = []string{"mg", "ms", "md", "ma", "me"}

// naiveMeta judges the words of a meta command with a key.
func naiveMeta(w []string, line string) (out twin) {
	name, flags := w[0], 2
	if name == "ms" {
		flags = 3
	}
	fail := func(row string) twin {
		if i := strings.Index(row, "|"); i >= 0 { // what mg and ms say, and what others do
			if name == "mg" || name == "ms" {
				row = row[:i]
			} else {
				row = row[i+1:]
			}
		}
		if name == "me" {
			row = "bad command line format"
		}
		return twin{failed: true, reply: "CLIENT_ERROR " + row + "\r\n"}
	}
	if len(w) == 1 && name != "me" {
		return twin{failed: true, reply: "ERROR\r\n"}
	}
	if len(w) < flags && name != "me" || len(w) == 1 || !goodKey(w[1]) || strings.ContainsAny(line, "\x00\r") {
		return fail("bad command line format")
	}
	if len(w) > 19 {
		if name == "mg" {
			return fail("options flags are too long")
		}
		return fail("options flags too long")
	}
	if name == "ms" && !within(w[2], "0", "2147483645") {
		return fail("bad command line format")
	}
	out.keys, out.forward = w[1], strings.Join(w[:min(flags, len(w))], " ")
	encoded := false
	for i, flag := range w[min(flags, len(w)):] {
		if flag[0] == 'b' && (name != "me" || flag == "b" && i == 0) {
			encoded = true
		}
		if flag[0] == 'q' && name != "me" {
			out.quiet++
			continue
		}
		out.forward += " " + flag
	}
	if encoded {
		key, err := base64.StdEncoding.Strict().DecodeString(w[1])
		if err != nil || len(key) == 0 {
			return fail("error decoding key|invalid or duplicate flag")
		}
		out.placed = string(key)
	}
	if out.quiet > 1 {
		return fail("duplicate flag|invalid or duplicate flag")
	}
	out.forward += "\r\n"
	return out
}

const many = 1 << 30

// naiveLine judges the words of a line.
func naiveLine(w []string) (out twin) {
	last := w[len(w)-1]
	form, known := naiveForms[w[0]]
	switch {
	case !known && Lookup([]byte(w[0])) == nil, known && (len(w) < form.least || len(w) > form.most):
		return twin{failed: true, reply: "ERROR\r\n"}
	case !known && len(w) < 8 && last == "noreply":
		return twin{failed: true}
	case !known:
		return twin{failed: true, reply: "CLIENT_ERROR " + w[0] + " is not supported by pinion\r\n"}
	}
	out.noreply = form.noreply && last == "noreply" && (w[0] != "delete" || len(w) > 2)
	keys, fault := naiveFields(w, out.noreply)
	for _, key := range keys {
		early := fault == errDelete.Reply || strings.HasPrefix(w[0], "gat") && fault == errExptime.Reply
		if !goodKey(key) && !early {
			fault = errFormat.Reply
		}
	}
	switch {
	case fault != "" && out.noreply:
		return twin{failed: true}
	case fault != "":
		return twin{failed: true, reply: fault}
	case w[0] == "flush_all" && out.noreply && len(w) == 2:
		w = w[:1]
	case w[0] == "stats" && len(w) > 1 && w[1] == "reset":
		w = w[:2]
	}
	out.keys = strings.Join(keys, " ")
	out.forward = strings.Join(w[:min(len(w), form.see)], " ") + "\r\n"
	return out
}

// naiveFields returns the keys of a line, and what is wrong with the other words.
func naiveFields(w []string, noreply bool) (keys []string, fault string) {
	demand := func(ok bool, otherwise string) {
		if !ok {
			fault = otherwise
		}
	}
	switch w[0] {
	case "get", "gets":
		return w[1:], ""
	case "gat", "gats":
		demand(len(w) > 2, errCommand.Reply)
		demand(within(w[1], minInt64, maxInt64), errExptime.Reply)
		return w[2:], fault
	case "flush_all":
		demand(len(w) == 1 || len(w) == 2 && noreply || within(w[1], minInt64, maxInt64), errExptime.Reply)
		return nil, fault
	case "verbosity":
		demand(within(w[1], "0", maxUint64), errFormat.Reply)
		return nil, fault
	case "stats":
		demand(len(w) == 1 || !strings.ContainsAny(strings.Join(w, ""), "\x00\r"), errCommand.Reply)
		return nil, fault
	case "version", "quit", "mn":
		return nil, ""
	case "delete":
		tail := strings.Join(w[2:], " ")
		demand(slices.Contains([]string{"", "0", "noreply", "0 noreply"}, tail), errDelete.Reply)
	case "incr", "decr":
		demand(within(w[2], "0", maxUint64), errDelta.Reply)
	case "touch":
		demand(within(w[2], minInt64, maxInt64), errExptime.Reply)
	case "cas":
		demand(within(w[5], "0", maxUint64), errFormat.Reply)
		fallthrough
	default:
		demand(within(w[2], "0", maxUint32), errFormat.Reply)
		demand(within(w[3], minInt32, maxInt32), errFormat.Reply)
		demand(within(w[4], "0", "2147483645"), errFormat.Reply)
	}
	return w[1:2], fault
}

var statusLines = strings.Fields("STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK RESET")

var metaCodes = strings.Fields("HD EN NF NS EX MN ME")

// naiveReply returns the length of the reply at the front of in, 0 if it is incomplete, -1 if it is none.
func naiveReply(in string) int {
	first := byte(0)
	for pos := 0; ; {
		line, _, whole := strings.Cut(in[pos:], "\n")
		if whole && len(line) >= maxReplyLineBytes || !whole && len(line) > maxReplyLineBytes {
			return -1
		}
		if !whole {
			return 0
		}
		text, ok := strings.CutSuffix(line, "\r")
		pos += len(line) + 1
		w := fieldsOf(text)
		word, _, spaced := strings.Cut(text, " ")
		list := byte(0)
		switch {
		case !ok:
			return -1
		case text == "END", text == "ERROR", strings.HasPrefix(text, "ERROR "), strings.HasPrefix(text, "ERROR:"),
			strings.HasPrefix(text, "CLIENT_ERROR"), strings.HasPrefix(text, "SERVER_ERROR"),
			strings.HasPrefix(text, "ERROR\r"):
			return pos
		case word == "VALUE" && (len(w) == 4 || len(w) == 5) && within(w[3], "0", "1073741824"):
			v, _ := new(big.Int).SetString(w[3], 10)
			size := int(v.Int64())
			if len(in) < pos+size+2 {
				return 0
			}
			if in[pos+size:pos+size+2] != "\r\n" {
				return -1
			}
			pos += size + 2
			list = 'V'
		case first == 0 && word == "VA" && len(w) > 1 && within(w[1], "0", "1073741824"):
			v, _ := new(big.Int).SetString(w[1], 10)
			size := int(v.Int64())
			if len(in) < pos+size+2 {
				return 0
			}
			if in[pos+size:pos+size+2] != "\r\n" {
				return -1
			}
			return pos + size + 2
		case spaced && (word == "STAT" || word == "ITEM" || word == "PREFIX"):
			list = 'S'
		case first == 0 && (spaced && word == "VERSION" || within(strings.TrimRight(text, " "), "0", maxUint64)),
			first == 0 && (slices.Contains(statusLines, text) || slices.Contains(metaCodes, word)):
			return pos
		}
		if list == 0 || first != 0 && first != list {
			return -1
		}
		first = list
	}
}
