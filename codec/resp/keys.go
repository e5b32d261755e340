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

// OtherDB says that a request reaches into another database. The keys that it names are returned with it.
type OtherDB struct {
	Asks string // what asks for that, such as "copy db"
	DB   []byte // the number, as the request has it
}

func (e *OtherDB) Error() string { return notSupported(e.Asks) }

// ErrMoreArgs says that Locate needs all arguments of a request to tell its keys.
var ErrMoreArgs = errors.New("keys are not told by the first arguments")

// Row is Count keys, the first of which is the argument First, each Step arguments behind the one before.
type Row struct{ First, Count, Step int }

// A finder finds the keys of a command that are not at fixed positions: it appends to alone, or returns a row of them. The
// request has count arguments, the first of which are args, and has passed CheckArity.
type finder func(c *Command, b []byte, args []Span, count int, alone []int32) ([]int32, Row, error)

// Keys appends the indexes of those args of a request in b that are keys to keys[:0]; c is the row that Resolve gave,
// and CheckArity has passed. The error, if any, is a KeyError, an *OtherDB or ErrForeign.
func (c *Command) Keys(b []byte, args []Span, keys []int32) (out []int32, err error) {
	out, row, err := c.Locate(b, args, len(args), keys)
	return row.appendTo(out), err
}

// Locate is Keys for a request of count arguments, the first of which are args: all, or 4 at least. It appends to keys[:0] those keys only
// that are not in the row. The error may also be ErrMoreArgs.
func (c *Command) Locate(b []byte, args []Span, count int, keys []int32) (alone []int32, row Row, err error) {
	alone = keys[:0]
	if c.First > 0 {
		last := c.Last
		if last < 0 {
			last += count
		}
		if c.Last < 0 && (last+1-c.First)%c.Step != 0 { // the last key lacks its value
			return alone, Row{}, KeyError(wrongArity(c))
		}
		row = Row{c.First, (last-c.First)/c.Step + 1, c.Step}
	}
	if c.Find != nil {
		return c.Find(c, b, args, count, row.appendTo(alone))
	}
	return alone, row, nil
}

// appendTo appends the indexes of the keys.
func (r Row) appendTo(keys []int32) []int32 {
	for i := range r.Count {
		keys = append(keys, int32(r.First+i*r.Step))
	}
	return keys
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
	blockingPopKeys = numKeys{
		at: 2, step: 1, after: 1, least: 1,
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

func (k numKeys) find(c *Command, b []byte, args []Span, count int, alone []int32) ([]int32, Row, error) {
	n, ok := parseInt(args[k.at].Of(b))
	if !ok {
		return alone, Row{}, keyError(c, k.notANumber)
	}
	if n < k.least {
		return alone, Row{}, keyError(c, k.tooSmall)
	}
	first := k.at + 1
	if n > int64(count-first-k.after)/int64(k.step) {
		return alone, Row{}, keyError(c, k.tooLarge)
	}
	if n == 0 {
		return alone, Row{}, ErrForeign
	}
	return alone, Row{first, int(n), k.step}, nil
}

// findChannel finds the channel of PUBLISH, which lives where a key of that name would.
func findChannel(_ *Command, _ []byte, _ []Span, _ int, alone []int32) ([]int32, Row, error) {
	return alone, Row{1, 1, 1}, nil
}

// findSort reads the options of SORT: STORE names a key, BY and GET name keys by a pattern unless it has no '*'. The
// option GET # is the element itself.
func findSort(c *Command, b []byte, args []Span, count int, keys []int32) ([]int32, Row, error) {
	if len(args) < count {
		return keys, Row{}, ErrMoreArgs
	}
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
			return keys, Row{}, KeyError(SyntaxError)
		}
	}
	if foreign {
		return keys, Row{}, ErrForeign
	}
	return keys, Row{}, nil
}

func hasStar(pattern []byte) bool {
	for _, c := range pattern {
		if c == '*' {
			return true
		}
	}
	return false
}

// findMove reads the database of MOVE.
func findMove(_ *Command, b []byte, args []Span, _ int, keys []int32) ([]int32, Row, error) {
	return keys, Row{}, &OtherDB{"move", args[2].Of(b)}
}

// findCopy reads the options of COPY, none of which is a key.
func findCopy(c *Command, b []byte, args []Span, count int, keys []int32) ([]int32, Row, error) {
	if len(args) < count {
		return keys, Row{}, ErrMoreArgs
	}
	var other *OtherDB
	for i := 3; i < len(args); i++ {
		switch opt := args[i].Of(b); {
		case equalFold(opt, "replace"):
		case equalFold(opt, "db") && i+1 < len(args):
			i++
			other = &OtherDB{"copy db", args[i].Of(b)}
		default:
			return keys, Row{}, KeyError(SyntaxError)
		}
	}
	if other != nil {
		return keys, Row{}, other
	}
	return keys, Row{}, nil
}

// findGeoStore finds the keys after STORE and STOREDIST of GEORADIUS and GEORADIUSBYMEMBER, the only options whose
// value may be any word.
func findGeoStore(c *Command, b []byte, args []Span, count int, keys []int32) ([]int32, Row, error) {
	if len(args) < count {
		return keys, Row{}, ErrMoreArgs
	}
	for i := -c.Arity; i < len(args)-1; i++ {
		if opt := args[i].Of(b); equalFold(opt, "store") || equalFold(opt, "storedist") {
			i++
			keys = append(keys, int32(i))
		}
	}
	return keys, Row{}, nil
}

// findStreams finds the keys of XREAD and XREADGROUP: the first half of what follows STREAMS.
func findStreams(c *Command, b []byte, args []Span, count int, alone []int32) ([]int32, Row, error) {
	for i := 1; i < len(args); i++ {
		opt, left := args[i].Of(b), count-i-1
		switch {
		case equalFold(opt, "streams") && left >= 1:
			if left%2 != 0 {
				return alone, Row{}, KeyError("ERR Unbalanced '" + c.Name + "' list of streams: " +
					"for each stream key an ID or '" + c.lastID() + "' must be specified.")
			}
			return alone, Row{i + 1, left / 2, 1}, nil
		case equalFold(opt, "count") && left >= 1, equalFold(opt, "block") && left >= 1:
			i++
		case c.Write && equalFold(opt, "group") && left >= 2:
			i += 2
		case c.Write && equalFold(opt, "claim") && left >= 1:
			i++
		case c.Write && equalFold(opt, "noack"):
		case equalFold(opt, "group") && left >= 2, equalFold(opt, "noack"):
			return alone, Row{}, onlyGroup(opt)
		default:
			return alone, Row{}, KeyError(SyntaxError)
		}
	}
	if len(args) < count {
		return alone, Row{}, ErrMoreArgs
	}
	return alone, Row{}, KeyError(SyntaxError)
}
