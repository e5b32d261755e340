package process

import (
	"os/exec"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// A worker that another master has started is as old as it is.
func TestAdoptedHasItsAge(t *testing.T) {
	before := time.Now()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	after := time.Now()
	const wait = 200 * time.Millisecond // longer than times in /proc are wrong
	time.Sleep(wait)
	ours, theirs, err := sock.SeqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	p, err := Adopt(0, cmd.Process.Pid, ours, func(e Event) {
		if e.Kind == Exited {
			ended <- e.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const blur = 50 * time.Millisecond
	if p.BornAt.Before(before.Add(-blur)) || p.BornAt.After(after.Add(blur)) {
		t.Errorf("it was born at %v, not from %v to %v", p.BornAt, before, after)
	}
	sock.Close(theirs)
	if text := <-ended; text != "exit status unknown (an earlier master has started it)" {
		t.Errorf("its end: %s", text)
	}
}
