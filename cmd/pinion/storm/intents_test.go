// What an operator asks for is done, whenever he asks: during the start, and while one master takes over from another.

package storm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// newLone starts a release that logs to a file, as a daemon does, with two workers and a server that is not there.
func newLone(t testing.TB, r release, environment ...string) *scene {
	t.Helper()
	dir := rig.ShortDir(t)
	s := &scene{t: t, in: entrances{"redis": {"tcp", rig.FreeAddress(t)}}, operator: oldRelease.build(t),
		installed: filepath.Join(dir, "pinion"), file: filepath.Join(dir, "nutcracker.yml"),
		control: filepath.Join(dir, "ctl.sock"), stats: rig.FreeAddress(t)}
	s.install(r)
	s.write(fmt.Sprintf("global:\n  workers: 2\nalpha:\n  listen: %s\n  redis: true\n  servers:\n  - 127.0.0.1:1:1\n", s.in["redis"].at))
	_, port, _ := net.SplitHostPort(s.stats)
	args := append([]string{"-c", `cd "$0" && exec env "$@" 2>stderr`, dir}, environment...)
	args = append(args, s.installed, "-c", s.file, "-a", "127.0.0.1", "-s", port, "-p", filepath.Join(dir, "pid"),
		"-o", filepath.Join(dir, "log"), "--control", s.control)
	s.family = watchFamily(t, dir)
	s.first = rig.Start(t, rig.Program(t, "sh"), args...)
	s.first.Name, s.first.Retired = "pinion", true
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of pinion ends with:\n%s%s", s.logged("log"), s.logged("stderr"))
			s.family.end()
		}
	})
	return s
}

// logged returns the end of a file that Pinion writes.
func (s *scene) logged(name string) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, name))
	return string(text[max(0, len(text)-logBytes):])
}

// begun waits until the admin socket answers.
func (s *scene) begun() {
	s.t.Helper()
	rig.Eventually(s.t, "serving", func() error {
		_, err := s.status()
		return err
	})
}

// kill sends a signal to one process.
func (s *scene) kill(pid int, signal syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Fatalf("%v to %d: %v", signal, pid, err)
	}
}

// gone waits until nobody is left, and looks how they have ended.
func (s *scene) gone() {
	s.t.Helper()
	rig.Eventually(s.t, "the end of all processes", func() error {
		if left := s.look(); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
	if err := s.first.Wait(); err != nil {
		s.t.Errorf("the first master ended with %v", err)
	}
	if bad := s.badEnds(); len(bad) > 0 {
		s.t.Errorf("ended badly: %v", bad)
	}
}

// A hundred of one signal are in no other's way.
func TestE2EManySignals(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.begun()
	for range 100 {
		s.kill(s.first.Pid(), syscall.SIGHUP)
		s.kill(s.first.Pid(), syscall.SIGUSR1)
		s.kill(s.first.Pid(), syscall.SIGTTIN)
	}
	s.kill(s.first.Pid(), syscall.SIGTERM)
	s.gone()
}

// What comes when the port accepts, but not every worker is ready yet, is done when they are.
func TestE2ESignalDuringStart(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.first.Answers("tcp", s.in["redis"].at)
	s.kill(s.first.Pid(), syscall.SIGHUP)
	rig.Eventually(t, "the reload", func() error {
		now, err := s.status()
		if err == nil && (now.Last == nil || now.Last.Outcome != "done") {
			err = fmt.Errorf("generation %d, last %+v", now.Generation, now.Last)
		}
		return err
	})
	s.kill(s.first.Pid(), syscall.SIGTERM)
	s.gone()
}

// beginUpgrade has a new master started and stops it in its first steps: an upgrade that is under way until it goes on.
func (s *scene) beginUpgrade(old int) (new int) {
	s.t.Helper()
	s.kill(old, syscall.SIGUSR2)
	rig.Eventually(s.t, "a new master", func() error {
		for _, pid := range rig.Children(s.t, old) {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.HasPrefix(string(text), s.installed+"\x00-c") {
				new = pid
				return syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		return errors.New("there is none")
	})
	return new
}

// What is asked for during an upgrade is done by the new master: a reload, a new log file, more lines in it.
func TestE2EIntentsDuringUpgrade(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.begun()
	before := s.now()
	new := s.beginUpgrade(before.PID)
	s.kill(before.PID, syscall.SIGHUP)
	s.kill(before.PID, syscall.SIGTTIN)
	log := filepath.Join(s.dir, "log")
	rig.Eventually(t, "hearing the signals", func() error {
		for _, line := range []string{"reload waits", "verbosity is 6"} {
			if !strings.Contains(s.logged("log"), line) {
				return errors.New(line)
			}
		}
		return nil
	})
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if out, err := s.order("log", "reopen"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.kill(new, syscall.SIGCONT)
	rig.Eventually(t, "upgrade and reload", func() error {
		now, err := s.status()
		if err == nil && (now.PID != new || now.Generation != before.Generation+2) {
			err = fmt.Errorf("master %d, generation %d", now.PID, now.Generation)
		}
		return err
	})
	rig.Eventually(t, "lines in the new log file", func() error {
		// Workers that are ready are told of at level 6.
		if text := s.logged("log"); !strings.Contains(text, fmt.Sprintf("reload to generation %d", before.Generation+2)) ||
			!strings.Contains(text, "is ready") {
			return errors.New(text)
		}
		return nil
	})
	s.kill(new, syscall.SIGTERM)
	s.gone()
}

// Who asks over the admin socket for what an upgrade has no time for is answered by the new master.
func TestE2EAsksDuringUpgrade(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.begun()
	before := s.now()
	new := s.beginUpgrade(before.PID)
	cmd := exec.Command(s.operator, "reload", "--control", s.control)
	var out rig.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "asking", func() error {
		if !strings.Contains(s.logged("log"), "reload waits") {
			return errors.New(s.logged("log"))
		}
		return nil
	})
	s.kill(new, syscall.SIGCONT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("pinion reload: %v: %s", err, out.String())
	}
	if now := s.now(); now.PID != new || now.Generation != before.Generation+2 {
		t.Errorf("master %d, generation %d, want %d of %d; %s", now.PID, now.Generation, before.Generation+2, new, out.String())
	}
	if text, err := s.order("stop"); err != nil || !strings.Contains(text, fmt.Sprint(new)) {
		t.Errorf("stop: %v: %s", err, text)
	}
	s.gone()
}

// upgradesToDisturb returns how often a test of something that may come at any moment of an upgrade is to try.
func upgradesToDisturb() int {
	if os.Getenv("PINION_STORM") != "" {
		return 40
	}
	return 6
}

// A SIGTERM to the new master, at whatever moment of an upgrade: whoever has the clients then drains, and nobody is left.
func TestE2EEndDuringUpgrade(t *testing.T) {
	t.Parallel()
	for i := range upgradesToDisturb() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newLone(t, oldRelease)
			s.begun()
			old := s.now().PID
			s.kill(old, syscall.SIGUSR2)
			var victim int
			rig.Eventually(t, "a new master", func() error {
				for _, pid := range s.masters() {
					if pid != old {
						victim = pid
						return nil
					}
				}
				return errors.New("there is none")
			})
			<-time.After(rand.N(100 * time.Millisecond)) // any moment will do
			s.kill(victim, syscall.SIGTERM)
			rig.Eventually(t, "the end of all processes", func() error {
				if left := s.look(); len(left) > 0 {
					return fmt.Errorf("left are %v", left)
				}
				return nil
			})
			if err := s.first.Wait(); err != nil {
				t.Errorf("the first master ended with %v", err)
			}
		})
	}
}

// A new master that cannot begin says why, to who asks for the upgrade and in the old one's log.
func TestE2EReasonOfFailedUpgrade(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.begun()
	log := filepath.Join(s.dir, "log")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := s.order("upgrade")
	if want := "opening log file: open " + log + ": is a directory"; err == nil || !strings.Contains(out, want) {
		t.Errorf("the upgrade says %q (%v), want %q", out, err, want)
	}
	if !strings.Contains(s.logged("log.1"), "is a directory") {
		t.Errorf("the reason is not in the log: %s", s.logged("log.1"))
	}
	s.kill(s.first.Pid(), syscall.SIGTERM)
	s.gone()
}

// A stop while two masters share the service reaches the workers of both, at any moment, with clients on either side.
func TestE2EStopDuringUpgrade(t *testing.T) {
	t.Parallel()
	for i := range upgradesToDisturb() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newLone(t, oldRelease)
			s.begun()
			old := s.now().PID
			if i%2 == 1 { // the one that was started is a keeper then
				if out, err := s.order("upgrade"); err != nil {
					t.Fatalf("upgrade: %v: %s", err, out)
				}
				old = s.now().PID
			}
			s.kill(old, syscall.SIGUSR2)
			rig.Eventually(t, "a new master", func() error {
				if len(slices.DeleteFunc(s.masters(), func(pid int) bool { return pid == old || pid == s.first.Pid() })) == 0 {
					return errors.New("there is none")
				}
				return nil
			})
			<-time.After(rand.N(50 * time.Millisecond)) // any moment will do
			s.kill(s.first.Pid(), syscall.SIGINT)
			rig.Eventually(t, "the end of all processes", func() error {
				if left := s.look(); len(left) > 0 {
					return fmt.Errorf("left are %v", left)
				}
				return nil
			})
			if err := s.first.Wait(); err != nil {
				t.Errorf("the first master ended with %v", err)
			}
		})
	}
}

// The directory in which new masters are started may be gone.
func TestE2EUpgradeWithoutDirectory(t *testing.T) {
	t.Parallel()
	s := newLone(t, oldRelease)
	s.begun()
	// The directory of this one is that of the test, so its place is taken by a symbolic link to nowhere for a moment.
	away := s.dir + ".away"
	if err := os.Rename(s.dir, away); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(away) })
	s.kill(s.first.Pid(), syscall.SIGUSR2)
	rig.Eventually(t, "the reason", func() error {
		text, err := os.ReadFile(filepath.Join(away, "log"))
		if want := fmt.Sprintf("the working directory %q, in which pinion was started, is gone", s.dir); err == nil &&
			!strings.Contains(string(text), want) {
			err = fmt.Errorf("want %q in %s", want, text)
		}
		return err
	})
	if err := os.Rename(away, s.dir); err != nil {
		t.Fatal(err)
	}
	if out, err := s.order("upgrade"); err != nil {
		t.Errorf("with its directory: %v: %s", err, out)
	}
	s.stopped()
}

// stopped ends whatever master serves.
func (s *scene) stopped() {
	s.t.Helper()
	s.kill(s.now().PID, syscall.SIGTERM)
	s.gone()
}
