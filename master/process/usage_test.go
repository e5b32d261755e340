package process

import (
	"os"
	"os/exec"
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

// Who computes wants a CPU, and who sleeps does not, nor who is no more.
func TestWorkOf(t *testing.T) {
	if cpu, wants := WorkOf(os.Getpid()); cpu == 0 || !wants {
		t.Errorf("this process has had %v, and wants more: %v", cpu, wants)
	}
	sleeps := exec.Command("sleep", "1000")
	if err := sleeps.Start(); err != nil {
		t.Fatal(err)
	}
	for wants := true; wants; { // it has to be started first
		_, wants = WorkOf(sleeps.Process.Pid)
	}
	sleeps.Process.Kill()
	sleeps.Wait()
	if cpu, wants := WorkOf(sleeps.Process.Pid); cpu != 0 || wants {
		t.Errorf("a dead process has had %v, and wants more: %v", cpu, wants)
	}
}
