package link

import (
	"testing"
	"time"
)

// What is wrong with a server is what the worker says that has tried it last, unless another one has heard from it since.
func TestTroubleOf(t *testing.T) {
	const second = int64(time.Second)
	s := openShared(t, []int{2}, 3)
	at := func(slot int) TroubleWords { return s.Troubles(slot, 0, 1) }
	is := func(why Trouble, since, last int64) {
		t.Helper()
		if f := s.TroubleOf(0, 1); f != (Found{why, since * second, last * second}) {
			t.Errorf("found %v since %v, last %v; want %v, %d, %d", f.Why, time.Duration(f.Since), time.Duration(f.At), why, since, last)
		}
	}
	is(TroubleUnknown, 0, 0)
	*s.Heard(1, 0, 1) = uint64(90 * second)
	at(0).Note(TroubleSilent, 100*second)
	at(0).Note(TroubleRefused, 130*second)
	is(TroubleRefused, 100, 130)
	at(1).Note(TroubleClosed, 140*second)
	is(TroubleClosed, 100, 140)
	at(1).End()
	*s.Heard(1, 0, 1) = uint64(150 * second)
	is(TroubleUnknown, 0, 0)
	at(2).Note(TroubleRefused, 900*second) // of slot 0 there is no news since 130
	is(TroubleRefused, 900, 900)
	if f := s.TroubleOf(0, 0); f.Why != TroubleUnknown {
		t.Errorf("the other server has %v", f.Why)
	}
	s.InheritTrouble(0, 0, Found{TroubleName, 5 * second, 7 * second})
	if f := s.TroubleOf(0, 0); f != (Found{TroubleName, 5 * second, 7 * second}) {
		t.Errorf("inherited: %v", f)
	}
}

func TestProtestOf(t *testing.T) {
	s := openShared(t, []int{1}, 2)
	s.Troubles(0, 0, 0).Protest(TroubleFull, 20)
	s.Troubles(1, 0, 0).Protest(TroubleBusy, 10)
	if f := s.ProtestOf(0, 0); f != (Found{Why: TroubleFull, At: 20}) {
		t.Errorf("got %v", f)
	}
}

// Each trouble has words of its own.
func TestTroublesHaveWords(t *testing.T) {
	seen := map[string]Trouble{}
	for why := TroubleUnknown; int(why) < len(troubles); why++ {
		if other, ok := seen[why.String()]; ok || why.String() == "" {
			t.Errorf("%d and %d are both %q", other, why, why)
		}
		seen[why.String()] = why
	}
}
