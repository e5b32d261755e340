// The command table against what Redis says of itself, and its own invariants.

package resp

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// intended lists every difference between the table and COMMAND of Redis 7.0.15, for what is not refused.
var intended = map[string]string{
	"command|getkeys":         "arity: -3 since 7.2, for a command without arguments",
	"command|getkeysandflags": "arity: -3 since 7.2",
	"eval":                    "write: a script may write",
	"evalsha":                 "write: a script may write",
	"fcall":                   "write: a function may write",
	"copy":                    "keys at fixed positions, but its options are read: DB leads to another database",
	"move":                    "one key, but the other argument is read: it leads to another database",
	"publish":                 "its channel has a place, and the message may reach others",
	"spublish":                "its channel has a place, and the message may reach others",
	"ssubscribe":              "its channels are no keys here",
	"sunsubscribe":            "its channels are no keys here",
	"zrank":                   "arity: WITHSCORE since 7.2",
	"zrevrank":                "arity: WITHSCORE since 7.2",
	"migrate":                 "keys: not looked for, as they all live on the only server",
	"pfdebug":                 "keys: not looked for, as they all live on the only server",
	"restore-asking":          "keys: not looked for, as they all live on the only server",
}

// newer lists what is not refused here and unknown to Redis 7.0.15.
var newer = strings.Fields(`
	delex digest msetex hexpire hexpireat hexpiretime hgetdel hgetex hpersist hpexpire hpexpireat hpexpiretime hpttl
	hsetex httl waitaof xackdel xdelex client|no-touch client|setinfo cluster|myshardid cluster|slot-stats stralgo host: post
	vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim`)

func TestTableAgreesWithCommandOfRedis(t *testing.T) {
	known := map[string]bool{}
	for _, line := range goldenLines(t) {
		var name, flags string
		var arity, first, last, step int
		if _, err := fmt.Sscan(line, &name, &arity, &first, &last, &step, &flags); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		known[name] = true
		row := rowOf(name)
		if row == nil {
			t.Errorf("%s: not in the table", name)
			continue
		}
		if row.Route == Refuse && len(row.Subs) == 0 {
			continue
		}
		write := slices.Contains(strings.Split(flags, ","), "write")
		movable := slices.Contains(strings.Split(flags, ","), "movablekeys")
		got := fmt.Sprint(row.Arity, row.First, row.Last, row.Step, row.Write, row.Find != nil)
		want := fmt.Sprint(arity, first, last, step, write, movable)
		if (got != want) != (intended[name] != "") {
			t.Errorf("%s: got %s, Redis says %s, intended difference: %q", name, got, want, intended[name])
		}
	}
	for _, row := range allRows() {
		module := strings.Contains(row.Name, ".")
		if row.Route != Refuse && !module && known[row.Name] == slices.Contains(newer, row.Name) {
			t.Errorf("%s: known to Redis 7.0.15: %v", row.Name, known[row.Name])
		}
	}
}

func TestTableInvariants(t *testing.T) {
	ids := map[uint16]bool{}
	for _, c := range allRows() {
		least := max(c.Arity, -c.Arity)
		bad := ""
		switch {
		case c.Name != strings.ToLower(c.Name) || len(c.Name) > maxNameBytes && c.Group != "":
			bad = "name"
		case c.Route < Forward || c.Route > Refuse:
			bad = "route"
		case (c.Route == Fragment || c.Route == All || c.Route == Scan) != (c.Merge != nil) && c.Route != Local, (c.Route == Local) != (c.Local != 0 && c.Local != LocalMonitor):
			bad = "merge or local operation"
		case c.Merge != nil && (c.Route == Fragment) != (c.Merge.replies != nil), c.Merge != nil && (c.Merge.answers != nil) == (c.Merge.replies != nil):
			bad = "the merge of another route"
		case int(c.ID) >= NumCommands || ids[c.ID] || ByID(c.ID) != c:
			bad = "ID"
		case c.Route == Forward && c.First == 0 && c.Find == nil:
			bad = "no keys"
		case c.Route != Forward && c.Route != Fragment && c.Local != LocalWatch && (c.First != 0 || c.Find != nil):
			bad = "keys"
		case c.First > 0 && (least <= c.First || least <= c.Last || c.Step == 0):
			bad = "a key beyond the least number of arguments"
		case c.Last < 0 && least < c.First-c.Last:
			bad = "an empty range of keys"
		case c.Route != Refuse && c.Arity == 0:
			bad = "arity"
		}
		if bad != "" {
			t.Errorf("%s: %s", c.Name, bad)
		}
		ids[c.ID] = true
	}
	if len(ids) != NumCommands {
		t.Errorf("%d IDs, want %d", len(ids), NumCommands)
	}
}

func TestGroupsAreSorted(t *testing.T) {
	seen := map[string]bool{}
	last := &Command{}
	for _, c := range Commands() {
		if c.Group != last.Group && seen[c.Group] || c.Group == "" {
			t.Errorf("%s: group %q is torn apart", c.Name, c.Group)
		}
		fixed := c.Group == "Connection" // by subject: connection, transaction, publish and subscribe
		if c.Group == last.Group && c.Name <= last.Name && !fixed {
			t.Errorf("%s stands after %s", c.Name, last.Name)
		}
		for i := 1; i < len(c.Subs); i++ {
			if c.Subs[i].Name <= c.Subs[i-1].Name {
				t.Errorf("%s stands after %s", c.Subs[i].Name, c.Subs[i-1].Name)
			}
		}
		seen[c.Group], last = true, c
	}
}

func TestLookup(t *testing.T) {
	for _, c := range Commands() {
		mixed := []byte(c.Name)
		for i := range mixed {
			if i%2 == 0 {
				mixed[i] = strings.ToUpper(c.Name)[i]
			}
		}
		for _, name := range []string{c.Name, strings.ToUpper(c.Name), string(mixed)} {
			if got := Lookup([]byte(name)); got != c {
				t.Errorf("%s: got %+v", name, got)
			}
		}
		for i := range len(c.Name) {
			for _, flip := range []byte{0x01, 0x20, 0x80} {
				name := []byte(c.Name)
				name[i] ^= flip
				if got := Lookup(name); got != rowOf(strings.ToLower(string(name))) {
					t.Errorf("%q: got %+v", name, got)
				}
			}
			if got := Lookup([]byte(c.Name[:i])); got != rowOf(c.Name[:i]) {
				t.Errorf("%q: got %+v", c.Name[:i], got)
			}
		}
		if got := Lookup([]byte(c.Name + "x")); got != rowOf(c.Name+"x") {
			t.Errorf("%sx: got %+v", c.Name, got)
		}
	}
	long := strings.Repeat("a", 1000)
	for _, name := range []string{"", "\x00", "foo", "gets", "client|id", long[:24], long[:25], long} {
		if got := Lookup([]byte(name)); got != nil {
			t.Errorf("%q: got %+v", name, got)
		}
	}
}

func TestProbesAreShort(t *testing.T) {
	free := 0
	for _, c := range Commands() {
		i := wordsOf([]byte(c.Name)).slot()
		for n := 1; slots[i].row != c; n++ {
			if i = (i + 1) % uint64(len(slots)); n > 4 {
				t.Errorf("%s: more than %d probes", c.Name, n)
				break
			}
		}
	}
	for _, s := range slots {
		if s.row == nil {
			free++
		}
	}
	if free < len(slots)*3/4 {
		t.Errorf("%d of %d slots are free, want three in four", free, len(slots))
	}
}

func TestResolve(t *testing.T) {
	for _, e := range []struct{ request, row string }{
		{"get k", "get"},
		{"CLIENT SetName x", "client|setname"},
		{"client", "client"},
		{"command", "command"},
		{"COMMAND COUNT", "command|count"},
		{"Object ENCODING k", "object|encoding"},
		{"client foo", ""},
		{"client setnamex", ""},
		{"client set", ""},
		{"json.debug MEMORY k", "json.debug|memory"},
		{"config get x", "config|get"},
		{"asking get x", "asking"},
	} {
		b, args := request(strings.Fields(e.request)...)
		got := Lookup(args[0].Of(b)).Resolve(b, args)
		if got == nil && e.row != "" || got != nil && got.Name != e.row {
			t.Errorf("%s: got %+v", e.request, got)
		}
	}
}

func TestCheckArity(t *testing.T) {
	for _, e := range []struct {
		name    string
		yes, no []int
	}{
		{name: "get", yes: []int{2}, no: []int{1, 3}},
		{name: "mget", yes: []int{2, 3, 1000}, no: []int{1}},
		{name: "ping", yes: []int{1, 2}},
		{name: "swapdb", yes: []int{1, 2, 3}},
	} {
		c := Lookup([]byte(e.name))
		for _, n := range e.yes {
			if !c.CheckArity(n) {
				t.Errorf("%s with %d arguments is refused", e.name, n)
			}
		}
		for _, n := range e.no {
			if c.CheckArity(n) {
				t.Errorf("%s with %d arguments passes", e.name, n)
			}
		}
	}
}

func TestRouteString(t *testing.T) {
	got := fmt.Sprint(Forward, Fragment, Keyless, All, Scan, Solo, Local, Refuse)
	if got != "forward fragment keyless all scan solo local refuse" {
		t.Error(got)
	}
}

//go:embed testdata/command-7.0.15.txt
var golden string

func goldenLines(t *testing.T) []string {
	lines := strings.Split(strings.TrimSpace(golden), "\n")[1:]
	if len(lines) != 366 {
		t.Fatalf("%d commands, want 240 and 126 subcommands", len(lines))
	}
	return lines
}

func allRows() (rows []*Command) {
	for _, c := range Commands() {
		rows = append(rows, c)
		for i := range c.Subs {
			rows = append(rows, &c.Subs[i])
		}
	}
	return rows
}

// rowOf finds a row by its full name, slowly. Subcommands of a command that is refused as a whole have its row.
func rowOf(name string) *Command {
	container, _, isSub := strings.Cut(name, "|")
	for _, c := range allRows() {
		if c.Name == name || isSub && c.Name == container && len(c.Subs) == 0 {
			return c
		}
	}
	return nil
}

// request makes the bytes and spans of a request.
func request(args ...string) (b []byte, spans []Span) {
	b = AppendArray(nil, len(args))
	for _, a := range args {
		b = AppendBulkString(b, a)
	}
	_, spans, err := ConsumeRequest(b, nil)
	if err != nil {
		panic(err)
	}
	return b, spans
}

// What is sent again must change nothing, and say the same on a server that has taken the place of the first one.
func TestRepeatable(t *testing.T) {
	for name, want := range map[string]bool{
		"get": true, "mget": true, "exists": true, "hgetall": true, "sort_ro": true, "zrange": true, "touch": true,
		"set": false, "incr": false, "del": false, "getex": false, "sort": false, "publish": false, "pfadd": false, "exec": false,
		"eval": false, "eval_ro": false, "fcall_ro": false, "hscan": false, "sscan": false, "zscan": false, "scan": false,
		"xread": false, "xreadgroup": false, "blpop": false, "config": false, "flushall": false, "dbsize": false, "script": false,
	} {
		if got := Lookup([]byte(name)).IsRepeatable(); got != want {
			t.Errorf("%s may be sent again: %v, want %v", name, got, want)
		}
	}
}
