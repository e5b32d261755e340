package master

import (
	"strings"
	"testing"
)

// A look that hangs keeps no reload waiting for long; what it finds in the end is taken over.
func TestLookHangs(t *testing.T) {
	f := newMachine()
	f.start(t, []string{"workers=1", "unix=/run/p.sock"})
	f.happen(t, []string{"ready", "0"})
	m := f.master
	var finish []func()
	m.world.aside = func(work func() func()) {
		finish = append(finish, func() { m.handle(event{then: work()}) })
	}
	delete(f.at, "/run/p.sock")
	f.happen(t, []string{"ask", "reload"})
	f.happen(t, []string{"advance", "2s"})
	if len(finish) != 1 || m.busy() != kindReload {
		t.Fatalf("%d are at work, busy is %q", len(finish), m.busy())
	}
	f.happen(t, []string{"advance", "1s"})
	if len(finish) != 2 || !strings.Contains(f.log.String(), "takes long; going on") {
		t.Fatalf("%d are at work:\n%s", len(finish), f.log.String())
	}
	finish[0]()
	if !strings.Contains(f.log.String(), "/run/p.sock (pool \"/run/p.sock\") was gone and is bound anew") {
		t.Errorf("the log is\n%s", f.log.String())
	}
}
