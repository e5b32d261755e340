package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Each heading of the command table is a family of its own.
func TestEachGroupHasFamily(t *testing.T) {
	groupOf := map[link.CommandFamily]string{}
	for _, c := range resp.Commands() {
		f, has := familyOfGroup[c.Group]
		if other, taken := groupOf[f]; !has || taken && other != c.Group || !f.Of(link.Redis) {
			t.Errorf("%s: the family of %q is %d, of which there is one: %t", c.Name, c.Group, f, has)
		}
		groupOf[f] = c.Group
	}
	for f := range link.CommandFamily(link.NumCommandFamilies) {
		if f.Of(link.Redis) && groupOf[f] == "" {
			t.Errorf("no command is of the family %q", link.CommandFamilies[f])
		}
	}
}
