// The command table: one row per command, in the groups of the Redis documentation. The rows are in table_*.go, by group.

package resp

import "slices"

// table holds every command that the proxy knows, refused ones included. It is complete up to Redis 8.0 with its
// modules and holds the single-key commands of 8.2 and 8.4.
var table = numbered(slices.Concat(
	group("Keys", keyRows),
	group("Strings", stringRows),
	group("Hashes", hashRows),
	group("Lists", listRows),
	group("Sets", setRows),
	group("Sorted sets", sortedSetRows),
	group("Streams", streamRows),
	group("Bitmaps, HyperLogLog, geo", bitmapRows),
	group("Vector sets", vectorRows),
	group("Scripts and functions", scriptRows),
	group("JSON", jsonRows),
	group("Bloom, cuckoo, count-min, top-k, t-digest", sketchRows),
	group("Time series", timeSeriesRows),
	group("Search", searchRows),
	group("Connection", connectionRows),
	group("Server", serverRows),
))

const (
	read  = false
	write = true
)

// Rows of the table, by what they have in common.

// key is a command with one key, its first argument.
func key(name string, arity int, write bool) Command {
	return Command{Name: name, Route: Forward, Arity: arity, First: 1, Last: 1, Step: 1, Write: write}
}

// keys is a command with several keys, which must live on one server.
func keys(name string, arity, first, last, step int, write bool) Command {
	return Command{Name: name, Route: Forward, Arity: arity, First: first, Last: last, Step: step, Write: write}
}

// find is a command with keys that only its other arguments tell; before them its first argument is a key if fixed is
// 1.
func find(name string, arity, fixed int, f finder, write bool) Command {
	return Command{
		Name: name, Route: Forward, Arity: arity, First: fixed, Last: fixed, Step: fixed, Find: f, Write: write,
	}
}

// blocking is a command that may wait in the server until one of its keys, which must live on one server, has something.
func blocking(c Command) Command {
	c.Blocking = true
	return c
}

// streams is XREAD or XREADGROUP.
func streams(name string, arity int, write bool) Command {
	c := blocking(find(name, arity, 0, findStreams, write))
	c.BlockOption = true
	return c
}

// script is a command that runs a program of the client's.
func script(name string, f finder, write bool) Command {
	c := find(name, -3, 0, f, write)
	c.Script = true
	return c
}

// copyRow is COPY, whose options may lead to another database.
func copyRow() Command {
	c := keys("copy", -3, 1, 2, 1, write)
	c.Find = findCopy
	return c
}

// fragment is a command that is divided by key; step is 2 if each key has a value.
func fragment(name string, arity, step int, merge *Merge, write bool) Command {
	return Command{
		Name: name, Route: Fragment, Merge: merge, Arity: arity, First: 1, Last: -1, Step: step, Write: write,
	}
}

func keyless(name string, arity int) Command {
	return Command{Name: name, Route: Keyless, Arity: arity}
}

// all is a command that every server gets.
func all(name string, arity int, merge *Merge, write bool) Command {
	return Command{Name: name, Route: All, Merge: merge, Arity: arity, Write: write}
}

// killing is a command that ends what a server executes at the moment.
func killing(c Command) Command {
	c.Kills = true
	return c
}

// scanRow is SCAN.
func scanRow() Command {
	return Command{Name: "scan", Route: Scan, Merge: mergeScan, Arity: -2}
}

// solo is a command of which nothing sensible can be made of the replies of several servers, or that concerns one server. Its keys
// are not looked for: they all live on that.
func solo(name string, arity int, write bool) Command {
	return Command{Name: name, Route: Solo, Arity: arity, Write: write}
}

func local(name string, arity int, op LocalOp) Command {
	return Command{Name: name, Route: Local, Arity: arity, Local: op}
}

// asking is a command that the proxy answers with what servers say.
func asking(c Command, merge *Merge) Command {
	c.Merge = merge
	return c
}

func refuse(name string) Command {
	return Command{Name: name, Route: Refuse}
}

// container is a command whose second argument decides. What is not in subs is unknown.
func container(name string, subs ...Command) Command {
	for i := range subs {
		subs[i].Name = name + "|" + subs[i].Name
	}
	return Command{Name: name, Route: Refuse, Arity: -2, Subs: subs}
}

// subKey is a subcommand with one key, the argument after it.
func subKey(name string, arity int, write bool) Command {
	return Command{Name: name, Route: Forward, Arity: arity, First: 2, Last: 2, Step: 1, Write: write}
}

// modeCommands are the commands after which a connection's next requests mean something else, whoever answers them.
var modeCommands = []string{
	"client|reply", "client|tracking", "monitor", "multi", "psubscribe", "psync", "select", "ssubscribe", "subscribe", "sync", "watch",
}

// numbered gives each row, subcommands included, its ID, and notes which change the mode, which replicas may answer, and which of those are quick.
func numbered(rows []Command) []Command {
	next := uint16(0)
	finish := func(c *Command) {
		c.ID, c.ChangesMode, c.Replica = next, slices.Contains(modeCommands, c.Name), c.isForReplicas()
		c.Quick = c.Replica && slices.Contains(quick, c.Name)
		next++
	}
	for i := range rows {
		finish(&rows[i])
		for k := range rows[i].Subs {
			finish(&rows[i].Subs[k])
		}
	}
	return rows
}

func group(name string, rows []Command) []Command {
	for i := range rows {
		rows[i].Group = name
	}
	return rows
}
