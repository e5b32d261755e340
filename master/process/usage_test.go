package process

import (
	"os"
	"testing"
)

func TestUsageOf(t *testing.T) {
	before, ok := UsageOf(os.Getpid())
	if !ok || before.ResidentBytes < 1<<20 {
		t.Fatalf("got %+v, %t", before, ok)
	}
	for now := before; now.CPU == before.CPU; { // until a tick of the clock is used up
		if now, ok = UsageOf(os.Getpid()); !ok || now.CPU < before.CPU {
			t.Fatalf("got %+v, %t after %+v", now, ok, before)
		}
	}
	if u, ok := UsageOf(1 << 30); ok {
		t.Errorf("there is no such process, and it uses %+v", u)
	}
}
