// The word that tells why a server is ejected.

package link

import (
	"testing"
	"time"
)

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
	if e = e.Again(TroubleSlow, since+5_000, 5*time.Second); e.Why() != TroubleSlow || e.Probes() != 2 || e.Since() != since+5_000 {
		t.Errorf("ejected again: %v, %d probes, since %d", e.Why(), e.Probes(), e.Since())
	}
	if e = e.Again(TroubleSlow, since+10_001, 5*time.Second); e.Probes() != 0 || e.Since() != since+10_001 {
		t.Errorf("ejected long after: %d probes, since %d", e.Probes(), e.Since())
	}
	if e = Ejection(0).Again(TroubleSlow, 5, time.Hour); e != NewEjection(TroubleSlow, 5) {
		t.Errorf("ejected for the first time: %#x", uint64(e))
	}
	if got := Ejection(1<<64 - 1).Why().String(); got != "unknown" {
		t.Errorf("a number of a later build is %q", got)
	}
}

// The pause doubles up to its greatest, less up to a quarter; without a greatest it stays what it is.
func TestRetryPause(t *testing.T) {
	p := Pool{ServerRetryTimeout: time.Second, ServerRetryMax: 5 * time.Second}
	for probes, longest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := p.LongestRetryPause(probes); got != longest {
			t.Errorf("after %d probes at most %v, want %v", probes, got, longest)
		}
		for now := range int64(100) {
			if got := p.RetryPause("s", probes, now); got > longest || got < longest*3/4 {
				t.Fatalf("after %d probes %v, of at most %v", probes, got, longest)
			}
		}
	}
	p.ServerRetryMax = 0
	if got := p.RetryPause("s", 100, 1); got != time.Second {
		t.Errorf("a pause that does not grow is %v", got)
	}
	p.ServerRetryTimeout = 0
	if got := p.RetryPause("s", 0, 1); got != ProbePause {
		t.Errorf("no pause is %v", got)
	}
}

// In memory of a build that knows nothing of servers that start slowly, none does: workers could not tell each other. What else they know of
// servers is there.
func TestMemoryWithoutStarts(t *testing.T) {
	mem := memoryOf(t, func(l *layout) {
		for i := range l.Blocks {
			if b := &l.Blocks[i]; b.Words[0].Name == "ejection" {
				b.Words = b.Words[:2]
			}
		}
	})
	s, err := ReopenShared(mem, two, 2)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReopenShared(mem, two, 2)
	if err != nil {
		t.Fatal(err)
	}
	*s.Ejection(1, 0), *s.ProbedAt(1, 0), *s.SlowLimit(1, 0) = 1, 2, 3
	if a, b, c := *again.Ejection(1, 0), *again.ProbedAt(1, 0), *again.SlowLimit(1, 0); a != 1 || b != 2 || c != 0 {
		t.Errorf("others see %d, %d and %d", a, b, c)
	}
	if word := s.StartedAt(1, 0); word != nil {
		t.Error("there is a word for when a server was back")
	}
}
