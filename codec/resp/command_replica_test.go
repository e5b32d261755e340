// Which commands a replica may answer: those that Redis itself calls reads, but for some.

package resp

import (
	"slices"
	"strings"
	"testing"
)

func TestReplicaCommands(t *testing.T) {
	kept := map[string]bool{} // by the primary, although Redis calls them reads of keys
	for _, line := range goldenLines(t) {
		words := strings.Fields(line)
		name, flags := words[0], strings.Split(words[5], ",")
		row := rowOf(name)
		reads := slices.Contains(flags, "readonly")
		switch {
		case row.Replica && !reads:
			t.Errorf("%s may go to a replica, and Redis %s", name, flags)
		case row.Replica && slices.Contains(flags, "blocking") && !row.BlockOption:
			t.Errorf("%s may go to a replica, and waits in it", name)
		case row.Replica && row.Quick != slices.Contains(flags, "fast"):
			t.Errorf("%s is quick: %v, and Redis %s", name, row.Quick, flags)
		case reads && row.HasKeys() && !row.Replica:
			kept[name] = true
		}
	}
	want := strings.Fields("evalsha_ro hscan memory|usage object|encoding object|freq object|idletime object|refcount pfcount sscan touch zscan")
	for _, name := range want {
		if !kept[name] {
			t.Errorf("%s may go to a replica", name)
		}
		delete(kept, name)
	}
	for name := range kept {
		t.Errorf("%s stays with the primary, for no reason that is known", name)
	}
	for _, name := range strings.Fields("get mget exists dump ttl type sort_ro xread eval_ro fcall_ro bitfield_ro georadius_ro zdiff zinter zunion " +
		"zintercard sintercard hgetall json.get bf.exists vsim") {
		if !rowOf(name).Replica {
			t.Errorf("%s stays with the primary", name)
		}
	}
	for _, name := range strings.Fields("set eval evalsha fcall sort georadius bitfield getex xreadgroup scan keys dbsize randomkey publish wait " +
		"script|exists tdigest.quantile bf.scandump blpop multi config|get") {
		if rowOf(name).Replica {
			t.Errorf("%s may go to a replica", name)
		}
	}
}
