// The table of keys: complete, with defaults that mean what they say.

package config

import (
	"strings"
	"testing"
)

func TestKeysAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if k.Name == "" || k.Doc == "" || k.set == nil || strings.HasSuffix(k.Doc, ".") || strings.Contains(k.Doc, "|") {
			t.Errorf("key %+v is incomplete, or its documentation does not fit a table", k)
		}
		if seen[k.Name] {
			t.Errorf("key %q is in the table twice", k.Name)
		}
		seen[k.Name] = true
	}
}

// A default that is written out means the same as one that is not.
func TestDefaultsCanBeWritten(t *testing.T) {
	var all, global strings.Builder
	for _, k := range Keys() {
		if k.Scope == GlobalScope && k.Default != "" {
			global.WriteString("  " + k.Name + ": " + k.Default + "\n")
		}
		if k.Scope == PoolScope && k.Default != "" && k.Default != required {
			all.WriteString("  " + k.Name + ": " + k.Default + "\n")
		}
	}
	const pool = "alpha:\n  listen: 127.0.0.1:22121\n  servers: 127.0.0.1:6379:1\n"
	written, err := Parse("written", []byte(pool+all.String()+"global:\n"+global.String()))
	if err != nil {
		t.Fatal(err)
	}
	implied, err := Parse("implied", []byte(pool))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := printed(t, implied), printed(t, written); strings.ReplaceAll(got, " # default", "") == got {
		t.Errorf("defaults are not marked:\n%s", got)
	} else if strings.Join(strings.Fields(strings.ReplaceAll(got, "# default", "")), " ") !=
		strings.Join(strings.Fields(strings.ReplaceAll(want, "# default", "")), " ") {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
