// The pid file is what supervisors know the master by, so an upgrade that cannot change it must not be one.

package storm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPIDFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newTempest(t, startStormServers(t), oldRelease, defaults)
	c := newCrowd(t, s.in, "")
	s.crowd = c
	fillLarge(t, s.in, "")
	c.gather(faultCrowd)
	c.newcome(2, 20*time.Millisecond)
	before := s.now()
	pidfile := filepath.Join(s.dir, "pid")
	if err := os.Remove(pidfile); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(pidfile, 0o700); err != nil { // nobody can write that, not even root
		t.Fatal(err)
	}
	s.install(newRelease)
	_, err := s.order("upgrade")
	if err == nil || !strings.Contains(err.Error(), "writing pid file: open "+pidfile+": is a directory") {
		t.Errorf("the upgrade says %v", err)
	}
	s.goOn()
	if now := s.now(); now.PID != before.PID || now.Generation != before.Generation || now.Last.Outcome != "failed" {
		t.Errorf("afterwards: %+v, before: %+v", now, before)
	}
	s.masterLeads(s.size)

	if err := os.Remove(pidfile); err != nil {
		t.Fatal(err)
	}
	if _, err := s.order("upgrade"); err != nil {
		t.Fatal(err)
	}
	s.goOn()
	s.masterLeads(s.size)
	s.masterIsNamed()
	c.leave()
	if failures := c.check(s.servers.values); len(failures) > 0 {
		t.Errorf("clients have noticed: %s", describe(failures))
	}
	s.stop()
}
