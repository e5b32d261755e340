//go:build !fault

// A binary that is shipped cannot be broken from outside.

package fault

import (
	"net/netip"
	"testing"
)

func TestNothingBreaks(t *testing.T) {
	t.Setenv("PINION_FAULT", "here:kill,here:enomem")
	At("here")
	if err := Error("here"); err != nil {
		t.Error(err)
	}
	if most, err := Call("recv", 3, 10); Built || most != 10 || err != nil || Instead(netip.AddrPort{}) != "" {
		t.Errorf("a system call: %d, %v", most, err)
	}
	if names := Variables(); names != nil {
		t.Errorf("a worker would inherit %q", names)
	}
}

// The points lie on the way of every handoff, so they must be free there.
func TestPointsAreFree(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { At("here"); Error("here"); Call("recv", 3, 10) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
