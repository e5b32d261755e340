// How many keys a preview says that a reload moves, and of which pools it says nothing.

package config

import (
	"slices"
	"strings"
	"testing"
)

func TestPreview(t *testing.T) {
	pool := func(keys string, servers ...string) string {
		return poolAlpha + "  redis: true\n  timeout: 400\n" + keys + "  servers:\n  - " + strings.Join(servers, "\n  - ") + "\n"
	}
	four := []string{"a:1:1 a", "b:1:1 b", "c:1:1 c", "d:1:1 d"}
	for _, test := range []struct {
		name, old, new string
		want           string // the last line; empty: it tells of no keys
	}{
		{"nothing", pool("", four...), pool("", four...), ""},
		{"a time", pool("", four...), pool("  backlog: 7\n", four...), ""},
		{"a server more", pool("", four...), pool("", append(slices.Clone(four), "e:1:1 e")...), `pool "alpha": 19.6 % of its keys are looked for elsewhere`},
		{"a server at another address", pool("  distribution: modula\n", four...), pool("  distribution: modula\n", "a:1:1 a", "b:1:1 b", "x:1:1 c", "d:1:1 d"),
			`pool "alpha": 25.0 % of its keys are looked for elsewhere`},
		{"another database", pool("", four...), pool("  redis_db: 1\n", four...), `pool "alpha": 100.0 % of its keys are looked for elsewhere`},
		{"only a name, of the only server", pool("", "a:1:1 a"), pool("", "a:1:1 b"), ""},
		{"at random", pool("  distribution: random\n", four...), pool("", four...), ""},
		{"memcached", pool("", four...), strings.Replace(pool("", four...), "true", "false", 1), ""},
		{"a cluster", pool("", four...), pool("  cluster: true\n", "a:1"), ""},
	} {
		lines := Preview(parseTest(t, "old", test.old), parseTest(t, "new", test.new))
		got := ""
		if n := len(lines); n > 0 && strings.Contains(lines[n-1], "of its keys") {
			got = lines[n-1]
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q, of %q", test.name, got, test.want, lines)
		}
	}
}

func TestPercent(t *testing.T) {
	for part, want := range map[float64]string{0.0001: "less than 0.1 %", 0.001: "0.1 %", 0.25: "25.0 %", 0.9999: "more than 99.9 %", 1: "100.0 %"} {
		if got := percent(part); got != want {
			t.Errorf("%g is %s, want %s", part, got, want)
		}
	}
}
