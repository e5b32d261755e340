// Categories and what commands do to keys, held against what redis-server said of them.

package resp

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// toldByRedis calls f for each command of a recording, with the row of the table.
func toldByRedis(t *testing.T, f func(c *Command, categories, keys []string)) {
	text, err := os.ReadFile("testdata/redis-7.0-commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		what, keys, _ := strings.Cut(strings.TrimSpace(line), " : ")
		words := strings.Fields(what)
		f(rowNamed(t, words[0]), words[1:], strings.Fields(keys))
		seen++
	}
	if seen < 360 {
		t.Errorf("only %d commands are recorded", seen)
	}
}

func rowNamed(t *testing.T, name string) *Command {
	for id := range NumCommands {
		if c := ByID(uint16(id)); c.Name == name {
			return c
		}
	}
	t.Fatalf("the table has no %q", name)
	return nil
}

func TestCategoriesAreThoseOfRedis(t *testing.T) {
	toldByRedis(t, func(c *Command, want, _ []string) {
		var got []string
		for i, name := range categoryNames {
			if c.Categories()>>i&1 != 0 {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s is in %q, in Redis in %q", c.Name, got, want)
		}
	})
}

// recorded is how the recording writes an Access.
func recorded(a Access) string { return [...]string{"-", "r", "w", "rw"}[a] }

func TestKeyAccessIsThatOfRedis(t *testing.T) {
	toldByRedis(t, func(c *Command, _, want []string) {
		if len(want) > 0 && !c.HasKeys() && !c.ReachesUnnamedKeys() {
			t.Errorf("the keys of %s are not looked at", c.Name)
		}
		if len(want) == 0 || !c.HasKeys() || c.Name == "bitfield" || c.Name == "set" { // of which the arguments tell
			return
		}
		first, others := recorded(accesses[c.ID].first), recorded(accesses[c.ID].others)
		if c.First == 0 { // none is told from the others
			first = others
		}
		for i, w := range want {
			got := others
			if i == 0 {
				got = first
			}
			if c.Name == "sort" || c.Name == "sort_ro" { // of whose keys the second ones are patterns
				got = map[int]string{0: "r", 1: "r", 2: others}[i]
			}
			if got != w {
				t.Errorf("%s has key %d as %s, in Redis as %s", c.Name, i, got, w)
			}
		}
	})
}

func TestKeyAccessOfArguments(t *testing.T) {
	for _, test := range []struct{ request, want string }{
		{"SET k v", "w"},
		{"SET k get", "w"},
		{"SET k v GET", "rw"},
		{"SET k v EX 10 get", "rw"},
		{"BITFIELD k", "r"},
		{"BITFIELD k GET u8 0", "r"},
		{"BITFIELD k GET u8 0 SET u8 0 1", "rw"},
		{"BITFIELD k OVERFLOW FAIL GET u8 0", "r"},
		{"BITFIELD k GET u8 0 INCRBY u8 0 1", "rw"},
		{"BITFIELD k what", "rw"},
		{"COPY k l", "r"},
	} {
		_, inline, err := ConsumeInline([]byte(test.request+"\r\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, args, err := ConsumeRequest(inline, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := recorded(Lookup(args[0].Of(inline)).KeyAccess(inline, args, len(args), 1)); got != test.want {
			t.Errorf("%s: %s, want %s", test.request, got, test.want)
		}
	}
}

// Where only the first arguments are looked at, the others may be anything.
func TestKeyAccessOfLongRequest(t *testing.T) {
	for _, request := range []string{"BITFIELD k GET u8 0 GET u8 8", "SET k v EX 1 NX"} {
		_, b, _ := ConsumeInline([]byte(request+"\r\n"), nil)
		_, args, err := ConsumeRequest(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Lookup(args[0].Of(b)).KeyAccess(b, args[:5], len(args), 1); got != Reads|Writes {
			t.Errorf("%s: %s", request, recorded(got))
		}
	}
}

// A name that is misspelt would be a rule that says nothing.
func TestListedCommandsExist(t *testing.T) {
	for _, m := range members {
		for _, name := range strings.Fields(m.in + " " + m.out) {
			rowNamed(t, name)
		}
	}
	for _, names := range [][]string{learning, onlyWriting, onlyReading, writingFirst, writingOthers, readingFirst, unnamed} {
		for _, name := range names {
			rowNamed(t, name)
		}
	}
}
