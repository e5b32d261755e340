// What names of a pool's configuration stand for.

package resp

import (
	"slices"
	"strings"
	"testing"
)

func TestDenied(t *testing.T) {
	for _, e := range []struct{ name, has, lacks string }{
		{"flushall", "flushall", "flushdb get"},
		{"FlushAll", "flushall", "flushdb"},
		{"config", "config config|get config|set", "client"},
		{"config|set", "config|set", "config config|get"},
		{"@admin", "config|get shutdown module|list", "flushall get script|load"},
		{"@dangerous", "keys flushall flushdb config|get acl|whoami", "get scan del"},
		{"@write", "set del flushdb mset function|load", "get keys script|load"},
		{"@scripting", "eval script|load function script|kill", "get"},
		{"default", "flushall shutdown config|set debug replicaof", "flushdb keys config|get config slowlog|get script|flush"},
	} {
		var names []string
		for _, c := range Denied(e.name) {
			names = append(names, c.Name)
		}
		for name := range strings.FieldsSeq(e.has) {
			if !slices.Contains(names, name) {
				t.Errorf("%s does not deny %s", e.name, name)
			}
		}
		for name := range strings.FieldsSeq(e.lacks) {
			if slices.Contains(names, name) {
				t.Errorf("%s denies %s", e.name, name)
			}
		}
	}
	for _, name := range []string{"", "nosuch", "@nosuch", "@", "config|nosuch", "|", "auth", "HELLO", "quit", "reset", "post", "@default"} {
		if rows := Denied(name); rows != nil {
			t.Errorf("%q denies %s", name, rows[0].Name)
		}
	}
}

// TestTurningCommands: whatever becomes of these commands, a client to which they are denied does not go on.
func TestTurningCommands(t *testing.T) {
	for _, name := range modeCommands {
		if row := rowOf(name); row == nil || row.Name != name || !row.ChangesMode {
			t.Errorf("%s: %+v", name, row)
		}
	}
	for _, c := range allRows() {
		if c.ChangesMode != slices.Contains(modeCommands, c.Name) {
			t.Errorf("%s: %v", c.Name, c.ChangesMode)
		}
	}
}

// Every name in a list is one of the table, so that a slip of the pen does not allow what was to be denied.
func TestDenyListsNameCommands(t *testing.T) {
	for _, name := range DeniedByDefault() {
		if rowOf(name) == nil {
			t.Errorf("default: no %q", name)
		}
	}
	for _, name := range DenyNames() {
		if Denied(name) == nil {
			t.Errorf("%s is empty", name)
		}
	}
}
