// A child is told from one that has ended, before and after it is waited for; and an end that is closed from one that reads on.

package sock

import (
	"io"
	"os/exec"
	"testing"
	"time"
)

func TestEnded(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if Ended(pid) {
		t.Error("it runs, and is said to have ended")
	}
	in.Close()
	io.ReadAll(out)
	for deadline := time.Now().Add(20 * time.Second); !Ended(pid); {
		if time.Now().After(deadline) {
			t.Fatal("its end is not noticed")
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it could not be waited for: %v", err)
	}
	if !Ended(pid) {
		t.Error("it is waited for, and is said to run")
	}
}

func TestHungUp(t *testing.T) {
	ours, theirs, err := SeqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(ours)
	if HungUp(ours) {
		t.Error("the other end is open, and is said to be closed")
	}
	ShutdownWrite(theirs)
	if n, err := Recv(ours, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("where nothing more comes, %d bytes and %v were read", n, err)
	}
	if HungUp(ours) {
		t.Error("the other end reads, and is said to be closed")
	}
	Close(theirs)
	if !HungUp(ours) {
		t.Error("the other end is closed, and is said to be open")
	}
}
