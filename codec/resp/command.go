// The command table's types and its lookup: from the name in a request to how that request is routed.

package resp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// Route says who answers a command.
type Route uint8

const (
	Forward  Route = iota + 1 // one server, the one that all its keys live on
	Fragment                  // the servers its keys live on, a part each; MergeReplies makes one reply
	Keyless                   // one fixed server: every server would say the same
	All                       // every server, each the whole request; MergeAnswers makes one reply
	Scan                      // one server after the other: the cursor says which
	Solo                      // the server of a pool that has one; nobody in a pool of several
	Local                     // the proxy itself, by Command.Local
	Refuse                    // nobody: it needs a server connection of its own, or would change one that others share
)

var routeNames = [...]string{
	Forward: "forward", Fragment: "fragment", Keyless: "keyless", All: "all", Scan: "scan", Solo: "solo", Local: "local", Refuse: "refuse",
}

func (r Route) String() string { return routeNames[r] }

// Merge is how the replies to the fragments of a command, or those of all servers, become one.
type Merge struct {
	// Of Fragment:
	// replies appends the one reply: owner[i] is the fragment that the i-th key was in, replies[f] the whole reply to fragment f,
	// which is no error that stands for all of them. The elements of replies are consumed. If !ok they do not fit together.
	replies func(dst []byte, owner []int32, replies [][]byte) (out []byte, ok bool)

	PerKey bool // the reply is an array of an element for each key, which may be made key by key

	// Of All and Scan: answers appends the one reply, which is an error if it has to be. If !ok what a server says is not what the
	// command is answered with. Where there is a join, the reply is what that appends, and then the rests that it leaves in a.Replies.
	answers  func(dst []byte, a *Answers) (out []byte, ok bool)
	join     func(dst []byte, a *Answers) (head []byte, ok bool)
	tolerant bool // answers also gets replies that are errors; of others, one is the error of all

	Partial bool // the reply is worth something without the servers that have failed
}

var (
	MergeArray  = &Merge{replies: mergeArrays, PerKey: true} // an element for each key, in the order of the request
	MergeSum    = &Merge{replies: mergeSums}                 // integers, added up
	MergeStatus = &Merge{replies: mergeStatus}               // +OK if all are
)

// LocalOp is an answer that the proxy gives itself.
type LocalOp uint8

const (
	LocalPing LocalOp = iota + 1
	LocalEcho
	LocalQuit
	LocalAuth
	LocalHello
	LocalSelect
	LocalInfo
	LocalClientSetName
	LocalClientGetName
	LocalClientSetInfo
	LocalClientID
	LocalClientInfo
	LocalClientNoEvict
	LocalClientNoTouch
	LocalClientReply
	LocalClientGetRedir
	LocalClientTrackingInfo
	LocalClientList
	LocalClientKill
	LocalClientPause
	LocalClientUnpause
	LocalClientUnblock
	LocalRole
	LocalCommand
	LocalCommandCount
	LocalCommandDocs
	LocalCommandInfo
	LocalCommandList
	LocalClientTracking
	LocalClientCaching
	LocalReset
	LocalMulti
	LocalExec
	LocalDiscard
	LocalWatch
	LocalUnwatch
	LocalSubscribe   // and its kin
	LocalUnsubscribe // and its kin
	LocalMonitor     // of Solo: the one server is asked, over a connection of the client's own
	LocalHangUp      // close without a reply: an HTTP request that a browser was tricked into sending here

	NumLocalOps
)

// Command is one row of the table. Arity and key positions are those that COMMAND of Redis tells: the name of the
// command counts, a negative arity is a least number, a negative Last counts from the end. Rows are read-only.
type Command struct {
	Name        string // lower case; "container|subcommand" in Subs
	ID          uint16 // 0 ≤ ID < NumCommands: its place in tables of others that have an entry for each row
	Group       string // heading in documentation; empty in Subs
	Route       Route
	Merge       *Merge  // of Fragment, All, Scan, and of Local where servers are asked
	Local       LocalOp // of Local, and of Solo where the proxy has a part in it
	Write       bool    // may change data
	Script      bool    // its reply is made by the client's own program
	Blocking    bool    // may wait in the server, for as long as the client says: see Blocks
	BlockOption bool    // of Blocking: only with the option BLOCK
	Replica     bool    // a replica may answer it in place of the primary; XREAD only without BLOCK
	Quick       bool    // of Replica: it takes no server long, however much data there is
	Kills       bool    // ends what a server executes at the moment
	ChangesMode bool    // changes what the connection's next requests mean: when it is refused or denied, they must not be carried out

	Arity             int // 0: not checked, the command is refused in any case
	First, Last, Step int // arguments that are keys; First == 0: none at fixed positions
	Find              finder

	Subs []Command // of a container, whose second argument decides
}

// IsRepeatable tells whether a request of c may be sent again when nobody knows whether it was executed, also to a server that has
// taken the place of the first one. What iterates by a cursor may not: a cursor means nothing to another server.
func (c *Command) IsRepeatable() bool {
	if c.Write || c.Script || c.Blocking || c.Route != Forward && c.Route != Fragment {
		return false
	}
	switch c.Name {
	case "hscan", "sscan", "zscan", "bf.scandump", "cf.scandump":
		return false
	}
	return true
}

// NumCommands is how many rows the table has, subcommands included.
var NumCommands = countRows(table)

func countRows(rows []Command) (n int) {
	for i := range rows {
		n += 1 + len(rows[i].Subs)
	}
	return n
}

// ByID returns the row that has this ID.
func ByID(id uint16) *Command { return byID[id] }

var byID = indexRows(table)

func indexRows(rows []Command) []*Command {
	all := make([]*Command, countRows(rows))
	for i := range rows {
		all[rows[i].ID] = &rows[i]
		for k := range rows[i].Subs {
			all[rows[i].Subs[k].ID] = &rows[i].Subs[k]
		}
	}
	return all
}

// Commands returns the table in the order of documentation: group by group, by name within one.
func Commands() []*Command {
	all := make([]*Command, len(table))
	for i := range table {
		all[i] = &table[i]
	}
	return all
}

// Resolve returns the row that decides on a request of c: c itself, the row of its subcommand if c is a container, or
// nil if the container has no such subcommand. A container without a subcommand resolves to itself.
func (c *Command) Resolve(b []byte, args []Span) *Command {
	if len(c.Subs) == 0 || len(args) < 2 {
		return c
	}
	sub := args[1].Of(b)
	for i := range c.Subs {
		if row := &c.Subs[i]; equalFold(sub, row.Name[len(c.Name)+1:]) {
			return row
		}
	}
	return nil
}

// IsAny reports whether is says so of the command with that name, of a subcommand's row with a name as "config|get", or of any
// subcommand of a container.
func IsAny(name []byte, is func(*Command) bool) bool {
	container, sub, isSub := bytes.Cut(name, []byte("|"))
	c := Lookup(container)
	if c == nil {
		return false
	}
	if len(c.Subs) == 0 || !isSub && is(c) {
		return is(c)
	}
	for i := range c.Subs {
		if row := &c.Subs[i]; (!isSub || equalFold(sub, row.Name[len(c.Name)+1:])) && is(row) {
			return true
		}
	}
	return false
}

// keyspace are commands that look at the keys of all servers, or of none, and are reads to Redis.
var keyspace = []string{"dbsize", "keys", "lolwut", "randomkey", "scan"}

// UsesKeyspace reports whether c is what Redis takes for a read or a write, which it lets no client do that monitors.
func (c *Command) UsesKeyspace() bool {
	switch c.Route {
	case Forward, Fragment:
		return true
	}
	return c.Write || slices.Contains(keyspace, c.Name)
}

// HasOneKey reports whether the first argument behind the name is the only key.
func (c *Command) HasOneKey() bool { return c.First == 1 && c.Last == 1 && c.Find == nil }

// Blocks reports whether the server may let a request of c wait. args are its arguments, or of a long one those up to the keys at
// least.
func (c *Command) Blocks(b []byte, args []Span) bool {
	return c.Blocking && (!c.BlockOption || blockOption(b, args) > 0)
}

// blockOption returns which argument of XREAD or XREADGROUP is the option BLOCK; 0: none.
func blockOption(b []byte, args []Span) int {
	for i := 1; i < len(args); i++ {
		switch opt := args[i].Of(b); {
		case equalFold(opt, "block"):
			return i
		case equalFold(opt, "streams"):
			return 0
		case equalFold(opt, "count"), equalFold(opt, "claim"):
			i++
		case equalFold(opt, "group"):
			i += 2
		}
	}
	return 0
}

// Patience returns for how many ns at most a request that blocks waits in the server; 0: without an end, or it is not told within
// args, which are as with Blocks.
func (c *Command) Patience(b []byte, args []Span) (ns int64) {
	last, unit := len(args)-1, second
	at := last
	switch {
	case c.BlockOption:
		at, unit = blockOption(b, args)+1, millisecond
	case c.Find != nil: // BLMPOP and BZMPOP, whose number of keys follows
		at = 1
	case c.Route == Solo: // WAIT and WAITAOF
		unit = millisecond
	}
	if at > last || at == last && args[last].End()+len(crlf) < len(b) {
		return 0
	}
	n, err := strconv.ParseFloat(string(args[at].Of(b)), 64)
	if err != nil || !(n > 0 && n*unit < longestPatience) {
		return 0
	}
	return int64(n * unit)
}

// Times, in ns.
const (
	millisecond     = 1e6
	second          = 1e9
	longestPatience = 100 * 365 * 86400 * second // more than anybody waits
)

// CheckArity reports whether a request of nargs arguments, the name included, can be one of c.
func (c *Command) CheckArity(nargs int) bool {
	if c.Arity > 0 {
		return nargs == c.Arity
	}
	return nargs >= -c.Arity
}

// A name as three words in lower case, so that comparing names is comparing words: the first and the last 8 bytes, and
// 8 in between if there are more than 16. Parts of shorter names overlap.
type nameWords struct {
	first, middle, last uint64
	length              int
}

const (
	maxNameBytes = 24
	slotBits     = 11 // four times as many slots as commands
)

// slots is a hash table with open addressing.
var slots = buildSlots(table)

type slot struct {
	name nameWords
	row  *Command // nil: free
}

// Lookup returns the row of the command with that name in upper or lower case, or nil.
func Lookup(name []byte) *Command {
	if len(name) == 0 || len(name) > maxNameBytes {
		return nil
	}
	w := wordsOf(name)
	for i := w.slot(); ; i = (i + 1) % uint64(len(slots)) {
		if s := &slots[i]; s.row == nil || s.name == w {
			return s.row
		}
	}
}

func buildSlots(rows []Command) *[1 << slotBits]slot {
	t := new([1 << slotBits]slot)
	for r := range rows {
		w := wordsOf([]byte(rows[r].Name))
		i := w.slot()
		for t[i].row != nil {
			i = (i + 1) % uint64(len(t))
		}
		t[i] = slot{w, &rows[r]}
	}
	return t
}

func wordsOf(s []byte) nameWords {
	n := len(s)
	w := nameWords{length: n}
	switch le := binary.LittleEndian; {
	case n >= 8:
		w.first, w.last = lower(le.Uint64(s)), lower(le.Uint64(s[n-8:]))
		if n > 16 {
			w.middle = lower(le.Uint64(s[8:]))
		}
	case n >= 4:
		w.first = lower(uint64(le.Uint32(s)) | uint64(le.Uint32(s[n-4:]))<<32)
	case n > 0:
		w.first = lower(uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16)
	}
	return w
}

func (w nameWords) slot() uint64 {
	h := (w.first ^ w.middle*3 ^ w.last<<1 ^ uint64(w.length)) * 0x9e3779b97f4a7c15 // Fibonacci hashing, Knuth 6.4
	return h >> (64 - slotBits)
}

// lower makes the ASCII capitals among the 8 bytes of w small, all at once: for each byte, bit 7 of the sums says
// whether it is at least 'A' and whether it is beyond 'Z'.
func lower(w uint64) uint64 {
	const each = 0x0101010101010101
	seven := w & (0x7f * each)
	fromA := seven + (0x80-'A')*each
	beyondZ := seven + (0x7f-'Z')*each
	capital := (fromA ^ beyondZ) &^ w & (0x80 * each)
	return w | capital>>2
}

// equalFold reports whether s is lowerCase, a letter of which may be a capital in s.
func equalFold(s []byte, lowerCase string) bool {
	if len(s) != len(lowerCase) {
		return false
	}
	for i, c := range s {
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		if c != lowerCase[i] {
			return false
		}
	}
	return true
}
