// The word that tells why a server is ejected.

package link

import "testing"

func TestEjection(t *testing.T) {
	const since = 1_800_000_000_000
	e := NewEjection(TroubleSilent, since)
	for range 300 {
		e = e.Rejected(TroubleRefused)
	}
	if e.Why() != TroubleRefused || e.Probes() != 255 || e.Since() != since {
		t.Errorf("after 300 probes: %v, %d probes, since %d", e.Why(), e.Probes(), e.Since())
	}
	if e = NewEjection(TroubleSilent, since).Rejected(TroubleMasterDown).Rejected(TroubleLoading); e.Why() != TroubleLoading || e.Probes() != 1 {
		t.Errorf("loading after a probe: %v, %d probes", e.Why(), e.Probes())
	}
	if got := Ejection(1<<64 - 1).Why().String(); got != "unknown" {
		t.Errorf("a number of a later build is %q", got)
	}
}
