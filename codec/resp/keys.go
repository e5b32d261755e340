// Which arguments of a request are keys: positions from the table, for some commands a look at the other arguments.

package resp

import "errors"

// KeyError is a request in which the keys cannot be told apart: it is the text of the error reply, the one that Redis
// gives. It is answered here, because no server can be chosen.
type KeyError string

func (e KeyError) Error() string { return string(e) }

// ErrForeign says that a request may touch keys that it does not name, as SORT … BY weight_* does and EVAL without
// keys may. The keys that it does name are returned with it. It does no harm in a pool of one server; in another one
// the request must be refused: AppendForeign.
var ErrForeign = errors.New("request may touch keys that it does not name")

// A finder appends the indexes of the keys of a command that are not at fixed positions. The request has passed
// CheckArity.
type finder func(c *Command, b []byte, args []Span, keys []int32) ([]int32, error)

// Keys appends the indexes of those args of a request in b that are keys to keys[:0]; c is the row that Resolve gave,
// and CheckArity has passed. The error, if any, is a KeyError or ErrForeign.
func (c *Command) Keys(b []byte, args []Span, keys []int32) (out []int32, err error) {
	out = keys[:0]
	if c.First > 0 {
		last := c.Last
		if last < 0 {
			last += len(args)
		}
		if c.Last < 0 && (last+1-c.First)%c.Step != 0 { // the last key lacks its value
			return out, KeyError(wrongArity(c))
		}
		for i := c.First; i <= last; i += c.Step {
			out = append(out, int32(i))
		}
	}
	if c.Find != nil {
		return c.Find(c, b, args, out)
	}
	return out, nil
}

// numKeys finds keys whose number is an argument. The texts are those of the error replies, complete but for a %s,
// which stands for the name of the command.
type numKeys struct {
	at    int // index of the number; the keys follow
	step  int // 2 if each key has a value
	after int // arguments that must follow the keys
	least int64

	notANumber, tooSmall, tooLarge string
}

var (
	scriptKeys = numKeys{
		at: 2, step: 1,
		notANumber: NotAnInteger,
		tooSmall:   "ERR Number of keys can't be negative",
		tooLarge:   "ERR Number of keys can't be greater than number of args",
	}
	functionKeys = numKeys{
		at: 2, step: 1,
		notANumber: "ERR Bad number of keys provided",
		tooSmall:   "ERR Number of keys can't be negative",
		tooLarge:   "ERR Number of keys can't be greater than number of args",
	}
	interCardKeys = numKeys{
		at: 1, step: 1, least: 1,
		notANumber: "ERR numkeys should be greater than 0",
		tooSmall:   "ERR numkeys should be greater than 0",
		tooLarge:   "ERR Number of keys can't be greater than number of args",
	}
	popKeys = numKeys{
		at: 1, step: 1, after: 1, least: 1,
		notANumber: "ERR numkeys should be greater than 0",
		tooSmall:   "ERR numkeys should be greater than 0",
		tooLarge:   SyntaxError,
	}
	msetexKeys = numKeys{
		at: 1, step: 2, least: 1,
		notANumber: "ERR invalid numkeys value",
		tooSmall:   "ERR invalid numkeys value",
		tooLarge:   "ERR wrong number of key-value pairs",
	}
	sketchKeys = numKeys{
		at: 2, step: 1, least: 1,
		notANumber: NotAnInteger,
		tooSmall:   "ERR at least 1 input key is needed for '%s' command",
		tooLarge:   "ERR wrong number of arguments for '%s' command",
	}
)

// sortedSetKeys finds the sources of ZUNION and its kin.
func sortedSetKeys(at int) finder {
	return numKeys{
		at: at, step: 1, least: 1,
		notANumber: NotAnInteger,
		tooSmall:   "ERR at least 1 input key is needed for '%s' command",
		tooLarge:   SyntaxError,
	}.find
}

func (k numKeys) find(c *Command, b []byte, args []Span, keys []int32) ([]int32, error) {
	n, ok := parseInt(args[k.at].Of(b))
	if !ok {
		return keys, keyError(c, k.notANumber)
	}
	if n < k.least {
		return keys, keyError(c, k.tooSmall)
	}
	first := k.at + 1
	if n > int64(len(args)-first-k.after)/int64(k.step) {
		return keys, keyError(c, k.tooLarge)
	}
	for i := range int(n) {
		keys = append(keys, int32(first+i*k.step))
	}
	if n == 0 {
		return keys, ErrForeign
	}
	return keys, nil
}

// findSort reads the options of SORT: STORE names a key, BY and GET name keys by a pattern unless it has no '*'. The
// option GET # is the element itself.
func findSort(c *Command, b []byte, args []Span, keys []int32) ([]int32, error) {
	foreign := false
	for i := 2; i < len(args); i++ {
		opt, left := args[i].Of(b), len(args)-i-1
		switch {
		case equalFold(opt, "asc"), equalFold(opt, "desc"), equalFold(opt, "alpha"):
		case equalFold(opt, "limit") && left >= 2:
			i += 2
		case equalFold(opt, "store") && left >= 1 && c.Write:
			i++
			keys = append(keys, int32(i))
		case equalFold(opt, "by") && left >= 1, equalFold(opt, "get") && left >= 1:
			i++
			foreign = foreign || hasStar(args[i].Of(b))
		default:
			return keys, KeyError(SyntaxError)
		}
	}
	if foreign {
		return keys, ErrForeign
	}
	return keys, nil
}

func hasStar(pattern []byte) bool {
	for _, c := range pattern {
		if c == '*' {
			return true
		}
	}
	return false
}

// findCopy reads the options of COPY, none of which is a key. A pool has one database: with DB the copy would leave it.
func findCopy(c *Command, b []byte, args []Span, keys []int32) ([]int32, error) {
	for i := 3; i < len(args); i++ {
		switch opt := args[i].Of(b); {
		case equalFold(opt, "replace"):
		case equalFold(opt, "db") && i+1 < len(args):
			return keys, KeyError(notSupported("copy db"))
		default:
			return keys, KeyError(SyntaxError)
		}
	}
	return keys, nil
}

// findGeoStore finds the keys after STORE and STOREDIST of GEORADIUS and GEORADIUSBYMEMBER, the only options whose
// value may be any word.
func findGeoStore(c *Command, b []byte, args []Span, keys []int32) ([]int32, error) {
	for i := -c.Arity; i < len(args)-1; i++ {
		if opt := args[i].Of(b); equalFold(opt, "store") || equalFold(opt, "storedist") {
			i++
			keys = append(keys, int32(i))
		}
	}
	return keys, nil
}

// findStreams finds the keys of XREAD and XREADGROUP: the first half of what follows STREAMS. BLOCK would hold up
// every client behind the same server connection, so it is refused.
func findStreams(c *Command, b []byte, args []Span, keys []int32) ([]int32, error) {
	for i := 1; i < len(args); i++ {
		opt, left := args[i].Of(b), len(args)-i-1
		switch {
		case equalFold(opt, "streams") && left >= 1:
			if left%2 != 0 {
				return keys, KeyError("ERR Unbalanced '" + c.Name + "' list of streams: " +
					"for each stream key an ID or '" + c.lastID() + "' must be specified.")
			}
			for k := range left / 2 {
				keys = append(keys, int32(i+1+k))
			}
			return keys, nil
		case equalFold(opt, "block") && left >= 1:
			return keys, KeyError(notSupported(c.Name + " block"))
		case equalFold(opt, "count") && left >= 1:
			i++
		case c.Write && equalFold(opt, "group") && left >= 2:
			i += 2
		case c.Write && equalFold(opt, "claim") && left >= 1:
			i++
		case c.Write && equalFold(opt, "noack"):
		case equalFold(opt, "group") && left >= 2, equalFold(opt, "noack"):
			return keys, onlyGroup(opt)
		default:
			return keys, KeyError(SyntaxError)
		}
	}
	return keys, KeyError(SyntaxError)
}
