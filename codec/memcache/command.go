// The command table: every command of memcached, how it is routed, and how its line is read.

package memcache

// Route tells what becomes of a request.
type Route uint8

const (
	Forward   Route = iota // to the server of its only key
	Fragment               // to the servers of its keys; with one key as Forward
	Broadcast              // to every server of the pool, replies merged
	Keyless                // to one fixed server
	NoOp                   // by the proxy itself, with AppendNoOp, in its place among the replies
	Local                  // by the proxy itself: quit, which closes
	Refuse                 // never seen by a caller: ConsumeRequest returns the refusal as its error
)

func (r Route) String() string {
	return [...]string{"forward", "fragment", "broadcast", "keyless", "noop", "local", "refuse"}[r]
}

// Merge is how the replies to the fragments of a command become one.
type Merge struct {
	// replies appends the one reply. Its arguments are those of MergeReplies; no reply is an error.
	replies func(dst, b []byte, keys []Span, owner []int32, replies [][]byte) []byte

	PerKey bool // the reply is a list of what is there for each key, which may be made key by key
}

var (
	Values = &Merge{replies: mergeValues, PerKey: true} // VALUE blocks in the order of the requested keys
	Status = &Merge{replies: mergeStatus}               // the same line from all
	Stats  = &Merge{replies: mergeStats}                // STAT lines, added up where that means something
	Lists  = &Merge{replies: mergeLists}                // the lines of all, one server after the other
)

// shape is the form of a command's line.
type shape uint8

const (
	shapeKeys      shape = iota // <key>+
	shapeTouchKeys              // <exptime> <key>+
	shapeStorage                // <key> <flags> <exptime> <bytes> [<cas unique>] [noreply], then data
	shapeArith                  // <key> <delta> [noreply]
	shapeDelete                 // <key> [0] [noreply]
	shapeTouch                  // <key> <exptime> [noreply]
	shapeFlush                  // [<delay>] [noreply]
	shapeVerbosity              // <level> [noreply]
	shapeStats                  // [<words>]
	shapeFree                   // words that nobody reads
	shapeMeta                   // <key> <flags>*
	shapeMetaSet                // <key> <bytes> <flags>*, then data
)

// Command is one row of the table. Rows are never copied: their addresses identify them.
type Command struct {
	Name    string
	Route   Route
	Merge   *Merge // nil: there is one reply only
	Write   bool   // changes what a server holds
	HasData bool   // a data block follows the line

	shape    shape
	min, max uint8         // words of the line, the name and "noreply" included; max is 0 if any number will do
	words    uint8         // words that a server gets to see; 0 stands for all
	refusal  *RequestError // set for Refuse

	// Of a meta command.
	quiet       formKind      // what the flag q hides; formAsSent: there is no such flag
	doubled     *RequestError // two flags of one letter
	undecodable *RequestError // the key is not the base64 that it is said to be
	tooMany     *RequestError // flags
}

// commands is ordered as doc/protocol.txt of memcached.
var commands = [...]Command{
	{Name: "set", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 5, max: 6, words: 5},
	{Name: "add", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 5, max: 6, words: 5},
	{Name: "replace", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 5, max: 6, words: 5},
	{Name: "append", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 5, max: 6, words: 5},
	{Name: "prepend", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 5, max: 6, words: 5},
	{Name: "cas", Route: Forward, Write: true, HasData: true, shape: shapeStorage, min: 6, max: 7, words: 6},
	{Name: "get", Route: Fragment, Merge: Values, shape: shapeKeys, min: 2},
	{Name: "gets", Route: Fragment, Merge: Values, shape: shapeKeys, min: 2},
	{Name: "gat", Route: Fragment, Merge: Values, Write: true, shape: shapeTouchKeys, min: 2},
	{Name: "gats", Route: Fragment, Merge: Values, Write: true, shape: shapeTouchKeys, min: 2},
	{Name: "delete", Route: Forward, Write: true, shape: shapeDelete, min: 2, max: 4, words: 2},
	{Name: "incr", Route: Forward, Write: true, shape: shapeArith, min: 3, max: 4, words: 3},
	{Name: "decr", Route: Forward, Write: true, shape: shapeArith, min: 3, max: 4, words: 3},
	{Name: "touch", Route: Forward, Write: true, shape: shapeTouch, min: 3, max: 4, words: 3},
	{Name: "flush_all", Route: Broadcast, Merge: Status, Write: true, shape: shapeFlush, min: 1, max: 3, words: 2},
	{Name: "version", Route: Keyless, shape: shapeFree, words: 1},
	{Name: "verbosity", Route: Broadcast, Merge: Status, shape: shapeVerbosity, min: 2, max: 3, words: 2},
	{Name: "stats", Route: Broadcast, Merge: Stats, shape: shapeStats, words: 1},
	{Name: "stats reset", Route: Broadcast, Merge: Status, shape: shapeStats, words: 2},
	{Name: "stats …", Route: Broadcast, Merge: Lists, shape: shapeStats},
	{Name: "quit", Route: Local, shape: shapeFree, words: 1},

	{Name: "mn", Route: NoOp, shape: shapeFree, words: 1},
	{Name: "mg", Route: Forward, Write: true, shape: shapeMeta, min: 2, quiet: formNoMiss},
	{Name: "ms", Route: Forward, Write: true, HasData: true, shape: shapeMetaSet, min: 3, quiet: formNoSuccess},
	{Name: "md", Route: Forward, Write: true, shape: shapeMeta, min: 2, quiet: formNoSuccess},
	{Name: "ma", Route: Forward, Write: true, shape: shapeMeta, min: 2, quiet: formNoSuccess},
	{Name: "me", Route: Forward, shape: shapeMeta, min: 2},

	{Name: "cache_memlimit", Route: Refuse, shape: shapeFree},
	{Name: "debugtime", Route: Refuse, shape: shapeFree},
	{Name: "extstore", Route: Refuse, shape: shapeFree},
	{Name: "lru", Route: Refuse, shape: shapeFree},
	{Name: "lru_crawler", Route: Refuse, shape: shapeFree},
	{Name: "misbehave", Route: Refuse, shape: shapeFree},
	{Name: "refresh_certs", Route: Refuse, shape: shapeFree},
	{Name: "shutdown", Route: Refuse, shape: shapeFree},
	{Name: "slabs", Route: Refuse, shape: shapeFree},
	{Name: "watch", Route: Refuse, shape: shapeFree},
}

// Rows that the second word of a stats line selects. Their names contain a space, so Lookup never returns them.
var statsReset, statsOther *Command

// index finds a row by slotOf its name; the table is known, so no two names share a slot.
var index [128]*Command

// slotOf is a perfect hash of the names in commands, all of two bytes or more. The multipliers were found by trial;
// init proves them.
func slotOf(name []byte) byte {
	return (name[0] + name[1]*4 + name[len(name)-1]*120 + byte(len(name))) % byte(len(index))
}

func init() {
	for i := range commands {
		c := &commands[i]
		if c.shape >= shapeMeta {
			c.setMetaFaults()
		}
		if c.Route == Refuse {
			c.refusal = &RequestError{Reply: "CLIENT_ERROR " + c.Name + " is not supported by pinion\r\n"}
		}
		switch c.Name {
		case "stats reset":
			statsReset = c
			continue
		case "stats …":
			statsOther = c
			continue
		}
		slot := &index[slotOf([]byte(c.Name))]
		if *slot != nil {
			panic("memcache: commands " + (*slot).Name + " and " + c.Name + " share a slot: choose other multipliers")
		}
		*slot = c
	}
}

// setMetaFaults chooses the words in which memcached rejects the line of a meta command.
func (c *Command) setMetaFaults() {
	c.doubled, c.undecodable, c.tooMany = errFlag, errFlag, errManyFlags
	switch c.Name {
	case "mg":
		c.doubled, c.undecodable, c.tooMany = errDoubled, errDecode, errManyFlagsOfGet
	case "ms":
		c.doubled, c.undecodable = errDoubled, errDecode
	case "me":
		c.undecodable, c.tooMany = errFormat, errFormat
	}
}

// IsMeta reports whether c is a meta command with a key.
func (c *Command) IsMeta() bool { return c.shape >= shapeMeta }

// Lookup returns the row of the command called name, which memcached knows in lower case only, or nil.
func Lookup(name []byte) *Command {
	if len(name) < 2 {
		return nil
	}
	if c := index[slotOf(name)]; c != nil && c.Name == string(name) {
		return c
	}
	return nil
}

// Commands returns all rows in the order of the table, those of "stats" with arguments included.
func Commands() []*Command {
	all := make([]*Command, len(commands))
	for i := range commands {
		all[i] = &commands[i]
	}
	return all
}
