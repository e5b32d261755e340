package master

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/takeover"
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

// Of a program that cannot be looked at, nobody takes the sockets; one that has ended has none.
func TestOtherProgramUnknown(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1"})
	m := f.master
	m.world.program = func(pid int, _ uint64) (*takeover.Program, error) { return nil, takeover.ErrGone }
	if o := m.otherWith(os.Getppid(), 0); o != nil {
		t.Errorf("%+v", o)
	}
	m.world.program = func(pid int, _ uint64) (*takeover.Program, error) { return nil, syscall.EMFILE }
	if o := m.otherWith(os.Getppid(), 0); o == nil || !o.Lives() || !strings.Contains(f.log.String(), syscall.EMFILE.Error()) {
		t.Errorf("%+v, the log is\n%s", o, f.log.String())
	}

	looks := 0
	m.world.holders = func([]uint64) (map[uint64]*takeover.Program, error) {
		if looks++; looks == 1 {
			return nil, syscall.EMFILE
		}
		return nil, nil
	}
	went := 0
	m.seekHolders(func() { went++ })
	if looks != 2 || went != 1 {
		t.Errorf("%d looks; went on %d times", looks, went)
	}
}

// All sockets of a program share one descriptor of it, which goes when it has ended.
func TestOtherProgramShared(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1"})
	f.happen(t, []string{"ready", "0"})
	m := f.master
	p, err := takeover.FindAgain(os.Getppid(), 0)
	if err != nil {
		t.Skip(err)
	}
	var wait func() func()
	m.world.aside = func(work func() func()) { wait = work }
	m.world.program = func(int, uint64) (*takeover.Program, error) { return p, nil }
	a, b := m.otherWith(p.PID, p.Identity), m.otherWith(p.PID, p.Identity)
	if len(m.takenFrom.programs) != 1 || wait == nil || !a.Lives() || !b.Lives() {
		t.Fatalf("%d programs, %v, %v", len(m.takenFrom.programs), a, b)
	}
	if o := m.otherWith(p.PID, p.Identity+1); p.Identity != 0 && o != nil {
		t.Error("a process with the pid of one that has ended is taken for it")
	}
	m.takenFrom.stats = p
	m.programEnded(p)
	if a.Lives() || b.Lives() || len(m.takenFrom.programs) > 0 || m.takenFrom.stats != nil {
		t.Errorf("a program that has ended counts: %v, %v", m.takenFrom, a.Lives())
	}
	if _, err := takeover.FindAgain(p.PID, p.Identity+1); p.Identity != 0 && !errors.Is(err, takeover.ErrGone) {
		t.Errorf("another process with the pid is taken for it: %v", err)
	}
}

// After a stop the service manager keeps what was taken from a program that lives, and nothing that is given to one.
func TestStoredAfterStop(t *testing.T) {
	for name, want := range map[string]bool{"taken/5/0/tcp/127.0.0.1:22121": true, "listen/tcp/127.0.0.1:22121/0": false} {
		f := newMachine()
		f.start(t, []string{"workers=1"})
		f.happen(t, []string{"ready", "0"})
		m := f.master
		l := m.listeners.All()[0]
		l.Name, l.Stored, l.Other = name, true, &listen.Other{PID: 5, Lives: func() bool { return true }}
		kept := true
		m.listeners.Forget = func(forgotten string) { kept = kept && forgotten != name }
		m.closeListeners()
		if kept != want {
			t.Errorf("%s is kept: %v", name, kept)
		}
	}
}

// Of two programs that are given the place of this proxy at once, one gets it.
func TestPlaceGivenOnce(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1"})
	f.happen(t, []string{"ready", "0"})
	m := f.master
	p, err := takeover.FindAgain(os.Getppid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer takeover.Close([]*takeover.Program{p})
	m.takenFrom.leaving = p
	reply := make(chan admin.Outcome, 1)
	m.handleAsk(&admin.Ask{Command: admin.End, LeaveTo: p.PID + 1, Reply: reply})
	if o := <-reply; o.Failure != admin.FailureBusy || !strings.Contains(o.Error, "takes the place") {
		t.Errorf("the second is answered %+v", o)
	}
	if m.phase != serving {
		t.Errorf("the proxy is %s", m.phase)
	}
}
