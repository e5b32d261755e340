// What clients ask for, by families of commands: few enough to be counted in each pool, whatever clients send.

package link

// CommandFamily is one of them. The numbers are this build's: the memory has the names.
type CommandFamily uint8

// Of pools of Redis, by the headings of the command table, and then of pools of memcached.
const (
	KeyCommands CommandFamily = iota
	StringCommands
	HashCommands
	ListCommands
	SetCommands
	SortedSetCommands
	StreamCommands
	BitmapCommands
	VectorSetCommands
	ScriptCommands
	JSONCommands
	SketchCommands
	TimeSeriesCommands
	SearchCommands
	ConnectionCommands
	ServerCommands

	Retrievals
	Stores
	Deletions
	Arithmetic
	Touches
	OtherRequests

	NumCommandFamilies = iota
)

// CommandFamilies are their names, as metrics have them.
var CommandFamilies = [NumCommandFamilies]string{
	KeyCommands: "keys", StringCommands: "strings", HashCommands: "hashes", ListCommands: "lists", SetCommands: "sets", SortedSetCommands: "sorted_sets",
	StreamCommands: "streams", BitmapCommands: "bitmaps", VectorSetCommands: "vector_sets", ScriptCommands: "scripts", JSONCommands: "json",
	SketchCommands: "sketches", TimeSeriesCommands: "time_series", SearchCommands: "search", ConnectionCommands: "connection", ServerCommands: "server",

	Retrievals: "get", Stores: "store", Deletions: "delete", Arithmetic: "arithmetic", Touches: "touch", OtherRequests: "other",
}

// Of tells whether pools of a protocol have such commands.
func (f CommandFamily) Of(p Protocol) bool { return (f < Retrievals) == (p == Redis) }

func init() {
	for family, name := range CommandFamilies {
		PoolCounters[FirstCommandFamily+family] = CounterInfo{"commands_" + name, Counter, "requests of the family " + name}
	}
}
