// The value of deny: names of commands, as the command table has them.

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// denyNone is how one writes that nothing is denied.
const denyNone = "none"

// setDeny reads names with spaces or commas between.
func setDeny(d *draft, _ *Key, w word) *flaw {
	names := strings.FieldsFunc(strings.ToLower(w.text), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	if len(names) == 0 || slices.Equal(names, []string{denyNone}) {
		d.pool.Deny = nil
		return nil
	}
	for _, name := range names {
		if len(resp.Denied(name)) > 0 {
			continue
		}
		f := &flaw{message: fmt.Sprintf("names %q, which is no command", name), hint: suggest(name, deniable())}
		if strings.HasPrefix(f.hint, knownAre) { // hundreds
			f.hint = "write the name of a Redis command"
		}
		switch {
		case name == denyNone:
			f.message, f.hint = "has none beside other names", "write none alone"
		case strings.HasPrefix(name, "@"):
			f.message = fmt.Sprintf("names %q, which is no group", name)
			f.hint = "write one of " + strings.Join(resp.DenyNames(), ", ")
		case strings.Contains(name, "|"):
			f.hint = "write command|subcommand, or the command for all of them"
		case resp.CannotDeny(name):
			f.message, f.hint = fmt.Sprintf("names %q, which clients cannot do without", name), "leave it out"
		}
		return f
	}
	d.pool.Deny = names
	return mistakenSubcommand(names)
}

// mistakenSubcommand warns of two commands that, one after the other, read like a command and its subcommand.
func mistakenSubcommand(names []string) *flaw {
	for i, name := range names[1:] {
		if sub := subcommand(names[i], name); sub != "" {
			return &flaw{message: fmt.Sprintf("denies all of %s and all of %s", strings.ToUpper(names[i]), strings.ToUpper(name)),
				hint: fmt.Sprintf("write %s if that is meant", sub), harmless: true}
		}
	}
	return nil
}

// subcommand returns the name, as deny takes it, of what Redis' users write in two words, or nothing.
func subcommand(words ...string) string {
	name := strings.ToLower(strings.Join(words, "|"))
	if len(words) != 2 || len(resp.Denied(name)) == 0 {
		return ""
	}
	return name
}

// deniable returns the names of commands.
func deniable() (names []string) {
	for _, c := range resp.Commands() {
		names = append(names, c.Name)
	}
	return names
}

func getDeny(d *draft) []string {
	if len(d.pool.Deny) == 0 {
		return []string{denyNone}
	}
	return []string{strings.Join(d.pool.Deny, " ")}
}
