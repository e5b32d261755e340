// What happens in a storm, and what must be true right after it.

package storm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// action is one thing that is done to a Pinion while a crowd talks through it.
type action struct {
	name string
	do   func(*tempest)
}

// actions are those that a plan may ask for.
var actions = []action{
	{"reloads", func(s *tempest) { s.reload() }},
	{"upgrades", func(s *tempest) { s.upgrade() }},
	{"resizes", func(s *tempest) { s.resize() }},
	{"breaks", func(s *tempest) { s.breakConfig() }},
	{"duds", func(s *tempest) { s.dud() }},
	{"faults", func(s *tempest) { s.fault() }},
}

// either is true about half of the time.
func (s *tempest) either() bool { return s.rand.IntN(2) == 0 }

// reload makes a new generation of the same configuration by the same binary. With TLS it has another certificate.
func (s *tempest) reload() {
	if s.servers.tls != nil {
		s.servers.tls.renew()
	}
	s.succeeds("reload", syscall.SIGHUP, s.current.version)
}

// upgrade replaces the binary by the other release.
func (s *tempest) upgrade() {
	s.current = s.current.other()
	s.install(s.current)
	s.succeeds("upgrade", syscall.SIGUSR2, s.current.version)
}

// mostWorkers is how many workers there may be in a storm.
const mostWorkers = 3

// resize changes the number of workers, by a reload or an upgrade.
func (s *tempest) resize() {
	s.size = 1 + s.size%mostWorkers
	s.configure(s.size)
	if s.either() {
		s.reload()
		return
	}
	s.upgrade()
}

// breakConfig asks for a reload or an upgrade to a configuration that cannot be. Nothing may change.
func (s *tempest) breakConfig() {
	broken := []string{
		"redis:\n  listen: nowhere\n",
		strings.Replace(s.servers.config(s.in, s.size), "murmur", "mumble", 1),
		s.servers.config(s.in, s.size) + "redis:\n  listen: 127.0.0.1:1\n",
		"",
	}
	s.write(broken[s.rand.IntN(len(broken))])
	if s.either() {
		s.fails("reload", syscall.SIGHUP)
	} else {
		s.fails("upgrade", syscall.SIGUSR2)
	}
	s.configure(s.size)
}

// dud asks for an upgrade to a binary that does not work. Nothing may change.
func (s *tempest) dud() {
	duds := []func(path string){
		func(path string) { s.writeFile(path, "#!/bin/sh\nexit 1\n", 0o700) },
		func(path string) { s.writeFile(path, "no program at all\n", 0o700) },
		func(path string) { s.writeFile(path, "#!/bin/sh\nexit 0\n", 0o600) },
		func(path string) { s.writeFile(path, wrongMachine(s.t, s.operator), 0o700) },
	}
	path := filepath.Join(s.dir, "dud")
	duds[s.rand.IntN(len(duds))](path)
	if err := os.Rename(path, s.installed); err != nil {
		s.t.Fatal(err)
	}
	s.fails("upgrade", syscall.SIGUSR2)
	s.install(s.current)
}

func (s *tempest) writeFile(path, text string, mode os.FileMode) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

// succeeds has the proxy do something, by a command or by a signal, and waits until the new generation is alone.
func (s *tempest) succeeds(command string, signal syscall.Signal, version string) {
	s.t.Helper()
	before, old := s.now(), s.look()
	began := time.Now()
	if s.either() {
		if _, err := s.order(command); err != nil {
			s.t.Fatal(err)
		}
	} else if last := s.signal(before, signal); last.Outcome != "done" {
		s.t.Fatalf("%v: %s: %s", signal, last.Outcome, last.Reason)
	}
	s.took[command] = append(s.took[command], time.Since(began))
	rig.Eventually(s.t, "the end of the old generation", func() error {
		for pid, who := range old {
			stays := command == "reload" && pid == before.PID || keeps(pid)
			if rig.Exists(pid) && !stays {
				return fmt.Errorf("pid %d (%s) is still there", pid, who)
			}
		}
		return nil
	})
	s.left[command] = append(s.left[command], time.Since(began))
	after := s.now()
	switch {
	case after.Generation <= before.Generation: // attempts that failed have had numbers, too
		s.t.Errorf("%s: generation %d follows %d", command, after.Generation, before.Generation)
	case after.Build != version:
		s.t.Errorf("%s: the build is %s, want %s", command, after.Build, version)
	case (after.PID == before.PID) != (command == "reload"):
		s.t.Errorf("%s: master %d follows %d", command, after.PID, before.PID)
	}
	if after.Last != nil {
		s.moved += after.Last.Moved
		s.stragglers += after.Last.Stragglers
		s.pauses = append(s.pauses, time.Duration(after.Last.LongestPauseUS)*time.Microsecond)
	}
	s.masterLeads(s.size)
	if command == "upgrade" {
		s.masterIsNamed()
	}
}

// fails has the proxy try something that cannot be. The same processes serve afterwards, and say why.
func (s *tempest) fails(command string, signal syscall.Signal) {
	s.t.Helper()
	before, masters, workers := s.now(), s.masters(), s.workers()
	reason := ""
	if s.either() {
		out, err := s.order(command)
		if err == nil {
			s.t.Errorf("%s succeeds, but it cannot: %s", command, out)
		}
		reason = out
	} else {
		last := s.signal(before, signal)
		if last.Outcome != "failed" {
			s.t.Errorf("%v: %s, but it cannot be", signal, last.Outcome)
		}
		reason = last.Reason
	}
	if strings.TrimSpace(reason) == "" {
		s.t.Errorf("%s fails without a reason", command)
	}
	after := s.now()
	if after.Generation != before.Generation || after.PID != before.PID || after.Build != before.Build {
		s.t.Errorf("%s has failed, but %+v became %+v", command, before, after)
	}
	s.masterLeads(s.size)
	s.masterIsNamed()
	if m, w := s.masters(), s.workers(); !slices.Equal(m, masters) || !slices.Equal(w, workers) {
		s.t.Errorf("%s has failed, but masters %v and workers %v became %v and %v", command, masters, workers, m, w)
	}
}

// signal sends a signal to the master and waits for what comes of it.
func (s *tempest) signal(before condition, signal syscall.Signal) (last handoff) {
	s.t.Helper()
	if err := syscall.Kill(before.PID, signal); err != nil {
		s.t.Fatal(err)
	}
	rig.Eventually(s.t, "an outcome", func() error {
		now, err := s.status()
		switch {
		case err != nil:
			return err
		case now.Busy != "" || now.lastAt().Equal(before.lastAt()):
			return fmt.Errorf("busy with %q, the last handoff was at %v", now.Busy, now.lastAt())
		}
		last = *now.Last
		return nil
	})
	return last
}
