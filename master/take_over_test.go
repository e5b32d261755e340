package master

import (
	"errors"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/logfile"
)

// A program that is being ended must not stay told to accept nobody: what was asked for waits until that is over, and whoever waits
// for the start learns how it went.
func TestEndOfOtherProgram(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1"})
	f.happen(t, []string{"ready", "0"})
	m := f.master
	said := []error{}
	m.started, m.opts.Started = false, func(err error) { said = append(said, err) }
	calledOff := 0
	m.takenFrom.callOff = func() { calledOff++ }
	f.happen(t, []string{"ask", "reload"})
	if text := f.log.String(); !strings.Contains(text, "reload waits for the take-over that is under way") || strings.Contains(text, "reloading") {
		t.Errorf("the log is\n%s", text)
	}
	m.endedPrograms(errors.New("ending other (pid 5): it has not ended"))
	if text := f.log.String(); !strings.Contains(text, "ending other (pid 5): it has not ended; both serve on") || !strings.Contains(text, "reloading") {
		t.Errorf("the log is\n%s", text)
	}
	if len(said) != 1 || said[0] == nil || !strings.Contains(said[0].Error(), "both serve on") {
		t.Errorf("whoever waits is told %v", said)
	}
	m.takenFrom.callOff = func() { calledOff++ }
	f.happen(t, []string{"ask", "stop"})
	if calledOff == 0 {
		t.Error("a program that is to serve alone accepts nobody")
	}
}

// What the operator has to know stands where they look, and not in the log alone.
func TestRemarkOnNothingToTake(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1"})
	m := f.master
	said := ""
	m.opts.Remark = func(text string) { said += text }
	m.remark(logfile.NothingToTake, errors.New("it does not run"))
	if want := "it does not run: starting without"; said != want || !strings.Contains(f.log.String(), want) {
		t.Errorf("said %q, the log is\n%s", said, f.log.String())
	}
}
