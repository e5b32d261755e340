// The command table: that it can be looked up, and that its rows are consistent.

package memcache

import "testing"

func TestLookup(t *testing.T) {
	for _, c := range Commands() {
		got := Lookup([]byte(c.Name))
		if pseudo := c == statsReset || c == statsOther; !pseudo && got != c || pseudo && got != nil {
			t.Errorf("Lookup(%q) = %v", c.Name, got)
		}
	}
	for _, name := range []string{"", "g", "ge", "GET", "Get", "get ", "gett", "\xff\xff", "stat", "statss", "flush"} {
		if c := Lookup([]byte(name)); c != nil {
			t.Errorf("Lookup(%q) = %q", name, c.Name)
		}
	}
}

// TestTable checks what the rest of the package relies on.
func TestTable(t *testing.T) {
	for _, c := range Commands() {
		if (c.Route == Fragment || c.Route == Broadcast) != (c.Merge != nil) {
			t.Errorf("%s: route %v, merge %v", c.Name, c.Route, c.Merge)
		}
		if c.HasData != (c.shape == shapeStorage || c.shape == shapeMetaSet) || c.HasData && !c.Write {
			t.Errorf("%s: HasData %v, Write %v", c.Name, c.HasData, c.Write)
		}
		if (c.Route == Refuse) != (c.refusal != nil) || int(c.max) >= maxWords {
			t.Errorf("%s: refusal %v, max %d", c.Name, c.refusal, c.max)
		}
		if c.IsMeta() != (c.tooMany != nil && c.doubled != nil && c.undecodable != nil) {
			t.Errorf("%s: faults %v, %v, %v", c.Name, c.tooMany, c.doubled, c.undecodable)
		}
		if c.Route.String() == "" {
			t.Errorf("%s: route without a name", c.Name)
		}
	}
}
