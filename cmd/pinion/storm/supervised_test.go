// Pinion under those who wait for the end of the process that they have started: pid 1 of a container, supervisord, runit, a
// script that starts it again, and under nobody. Reloads, upgrades and the death of every master cost no client, and who
// supervises notices nothing but what it is to notice.

package storm_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// roundsVariable is how many reloads and upgrades each supervisor sees.
const roundsVariable = "PINION_SUPERVISED"

// supervisor is one way in which Pinion is run.
type supervisor interface {
	begin(s *scene, command []string) // has the command run, in the scene's directory
	Pid() int                         // of the process that is supervised; 0: none is
	mortal() bool                     // the supervised process can be killed without an end of everything
	stop()                            // and returns when the supervisor says that it has
}

func TestE2ESupervised(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t testing.TB) supervisor{
		"container":   func(t testing.TB) supervisor { return &container{t: t} },
		"supervisord": func(t testing.TB) supervisor { return &supervisord{t: t} },
		"runit":       func(t testing.TB) supervisor { return &runit{t: t} },
		"script":      func(t testing.TB) supervisor { return &script{t: t} },
		"daemon":      func(t testing.TB) supervisor { return &daemon{t: t} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			supervise(t, make(t))
		})
	}
}

func supervise(t *testing.T, by supervisor) {
	rounds := 2
	if text := os.Getenv(roundsVariable); text != "" {
		rounds = rig.Atoi(text)
	}
	servers := startStormServers(t)
	current := oldRelease
	s := newSupervisedScene(t, servers, current, by)
	c := newCrowd(t, s.in, "supervised:")
	c.gather(40)
	c.newcome(2, 20*time.Millisecond)

	handOver := func(rounds int) {
		t.Helper()
		for range rounds {
			s.again("reload")
			current = current.other()
			s.install(current)
			before := by.Pid()
			s.again("upgrade")
			if now := by.Pid(); now != before {
				t.Errorf("process %d is supervised after process %d", now, before)
			}
			s.isNamed()
		}
	}
	s.isNamed()
	handOver(rounds)
	s.failUpgrade()
	s.install(current)

	killed := []func() int{func() int { return s.master() }}
	if by.mortal() {
		killed = append(killed, by.Pid)
	}
	for i, victim := range killed {
		s.configure(3 - i) // it is not in the way that the configuration has changed
		before := s.now().PID
		if err := syscall.Kill(victim(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if d, ok := by.(*daemon); ok {
			d.launch()
		}
		s.resurrected(before)
		s.isNamed()
		c.callRoll()
		handOver(1)
	}

	c.callRoll()
	c.leave()
	if failures := c.check(servers.values); len(failures) > 0 {
		t.Errorf("%s", describe(failures))
	}
	t.Logf("%d reloads and upgrades, %d deaths; %d requests, %d newcomers, lost: %d", 2*rounds, len(killed),
		c.requests.Load(), c.newcomers.Load(), len(c.broken()))
	by.stop()
	rig.Eventually(t, "the end of all processes", func() error {
		if left := s.look(); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
	if log, err := os.ReadFile(filepath.Join(s.dir, "log")); err != nil || strings.Contains(string(log), "DATA RACE") {
		t.Errorf("the log: %v\n%s", err, log[max(0, len(log)-logBytes):])
	}
}

// newSupervisedScene has a supervisor start a release.
func newSupervisedScene(t testing.TB, servers *stormServers, r release, by supervisor) *scene {
	t.Helper()
	dir := rig.ShortDir(t)
	s := &scene{t: t, in: freeEntrances(t), servers: servers, operator: oldRelease.build(t),
		installed: filepath.Join(dir, "pinion"), file: filepath.Join(dir, "nutcracker.yml"),
		control: filepath.Join(dir, "ctl.sock"), stats: rig.FreeAddress(t)}
	s.install(r)
	s.configure(2)
	_, port, _ := net.SplitHostPort(s.stats)
	s.family = watchFamily(t, dir)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("the log of pinion ends with:\n%s", log[max(0, len(log)-logBytes):])
			s.family.end()
		}
	})
	by.begin(s, []string{s.installed, "-c", s.file, "-a", "127.0.0.1", "-s", port, "-p", filepath.Join(dir, "pid"),
		"-o", filepath.Join(dir, "log"), "--control", s.control})
	s.serves(func(condition) error { return nil })
	return s
}

// serves waits for a master that serves and is content with nothing else.
func (s *scene) serves(content func(now condition) error) {
	s.t.Helper()
	rig.Eventually(s.t, "serving", func() error {
		now, err := s.status()
		if err == nil && (now.Phase != "serving" || now.Busy != "") {
			err = fmt.Errorf("the phase is %s, busy %q", now.Phase, now.Busy)
		}
		if err == nil {
			err = content(now)
		}
		return err
	})
}

// again has a reload or an upgrade succeed.
func (s *scene) again(what string) {
	s.t.Helper()
	if text, err := s.order(what); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	s.serves(func(condition) error { return nil })
}

// isNamed waits until all threads of all processes have the name by which ps, pgrep and killall find them.
func (s *scene) isNamed() {
	s.t.Helper()
	rig.Eventually(s.t, "names", func() error {
		for pid, command := range s.look() {
			want := "pinion"
			if keeps(pid) {
				want = "pinion-keeper"
			}
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
			for _, file := range threads {
				if comm, err := os.ReadFile(file); err == nil && string(comm) != want+"\n" {
					return fmt.Errorf("a thread of %q (pid %d) is called %q, not %q", command, pid, comm, want)
				}
			}
		}
		return nil
	})
}

// failUpgrade has an upgrade fail, by a program that leaves a process behind.
func (s *scene) failUpgrade() {
	s.t.Helper()
	dud := filepath.Join(rig.ShortDir(s.t), "dud")
	if err := os.WriteFile(dud, []byte("#!/bin/sh\nsleep 0.1 &\nexit 1\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.installFile(dud)
	if text, err := s.order("upgrade"); err == nil {
		s.t.Errorf("the upgrade to a program that ends at once succeeds: %s", text)
	}
	s.serves(func(condition) error { return nil })
}

// master returns the pid of the master that serves as this process sees it: the master may have another one for itself.
func (s *scene) master() int {
	s.t.Helper()
	pid := 0
	rig.Eventually(s.t, "a single master", func() error {
		masters := s.masters()
		if len(masters) != 1 {
			return fmt.Errorf("the masters are %v", masters)
		}
		pid = masters[0]
		return nil
	})
	return pid
}

// resurrected waits until another master serves, by a generation of its own.
func (s *scene) resurrected(before int) {
	s.t.Helper()
	s.serves(func(now condition) error {
		if now.PID == before {
			return errors.New("the killed master serves")
		}
		if now.Last == nil || now.Last.Outcome != "done" {
			return fmt.Errorf("it has not replaced its orphans: %+v", now.Last)
		}
		return nil
	})
}

// container has Pinion run as pid 1 of a pid namespace, and is stopped as containers are.
type container struct {
	t       testing.TB
	unshare *rig.Process
}

func (c *container) begin(s *scene, command []string) {
	args := []string{"--pid", "--fork", "--mount-proc", "--kill-child", "--", "sh", "-c", `cd "$0" && exec "$@"`, s.dir}
	c.unshare = rig.Start(c.t, rig.Program(c.t, "unshare"), append(args, command...)...)
	c.unshare.Retired = true
	rig.Eventually(c.t, "making a pid namespace, for which the test must be run by root", func() error {
		if c.unshare.Ended() {
			c.t.Fatalf("unshare --pid has ended: %v\n%s", c.unshare.Err, c.unshare.Output.String())
		}
		if c.Pid() == 0 {
			return errors.New("it has no process")
		}
		return nil
	})
}

func (c *container) Pid() int {
	if pids := rig.Children(c.t, c.unshare.Pid()); len(pids) == 1 {
		return pids[0]
	}
	return 0
}

func (c *container) mortal() bool { return false } // it is the end of the container

func (c *container) stop() {
	rig.Eventually(c.t, "burying everybody in the container", func() error {
		for _, pid := range rig.Children(c.t, c.Pid()) {
			if !rig.Exists(pid) {
				return fmt.Errorf("process %d is a zombie", pid)
			}
		}
		return nil
	})
	syscall.Kill(c.Pid(), syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, c.unshare.Kill)
	if err := c.unshare.Wait(); err != nil || !kill.Stop() {
		c.t.Errorf("the container ends with %v\n%s", err, c.unshare.Output.String())
	}
}

// supervisord is Debian's.
type supervisord struct {
	t    testing.TB
	file string
}

func (d *supervisord) begin(s *scene, command []string) {
	dir := rig.ShortDir(d.t)
	d.file = filepath.Join(dir, "supervisord.conf")
	text := fmt.Sprintf(`[supervisord]
nodaemon=true
user=root
logfile=%[1]s/supervisord.log
pidfile=%[1]s/supervisord.pid
[unix_http_server]
file=%[1]s/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/sock
[program:pinion]
command=%[2]s
directory=%[3]s
autorestart=unexpected
startsecs=0
stdout_logfile=%[1]s/out
redirect_stderr=true
`, dir, strings.Join(command, " "), s.dir)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	rig.Start(d.t, rig.Program(d.t, "supervisord"), "-n", "-c", d.file)
}

func (d *supervisord) ask(args ...string) string {
	out, _ := exec.Command(rig.Program(d.t, "supervisorctl"), append([]string{"-c", d.file}, args...)...).CombinedOutput()
	return string(out)
}

func (d *supervisord) Pid() int {
	pid, _ := strconv.Atoi(strings.TrimSpace(d.ask("pid", "pinion")))
	return pid
}

func (d *supervisord) mortal() bool { return true }

func (d *supervisord) stop() {
	if out := d.ask("stop", "pinion"); !strings.Contains(out, "stopped") {
		d.t.Errorf("supervisorctl stop: %s", out)
	}
	if out := d.ask("status", "pinion"); !strings.Contains(out, "STOPPED") {
		d.t.Errorf("supervisorctl status: %s", out)
	}
}

// runit is Debian's.
type runit struct {
	t   testing.TB
	dir string
}

func (r *runit) begin(s *scene, command []string) {
	r.dir = rig.ShortDir(r.t)
	text := fmt.Sprintf("#!/bin/sh\nexec 2>&1\ncd %s\nexec %s\n", s.dir, strings.Join(command, " "))
	if err := os.WriteFile(filepath.Join(r.dir, "run"), []byte(text), 0o700); err != nil {
		r.t.Fatal(err)
	}
	rig.Start(r.t, rig.Program(r.t, "runsv"), r.dir)
}

func (r *runit) Pid() int {
	text, _ := os.ReadFile(filepath.Join(r.dir, "supervise", "pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (r *runit) mortal() bool { return true }

func (r *runit) stop() {
	out, err := exec.Command(rig.Program(r.t, "sv"), "stop", r.dir).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "ok: down") {
		r.t.Errorf("sv stop: %v\n%s", err, out)
	}
}

// script is what many have written themselves: a loop that starts what has ended badly.
type script struct {
	t     testing.TB
	shell *rig.Process
}

func (x *script) begin(s *scene, command []string) {
	const loop = `child=; over=; trap 'over=yes; kill -TERM $child' TERM
while :; do
	(cd "$0" && exec "$@") & child=$!
	wait $child; status=$?
	while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
	[ $status = 0 ] || [ "$over" ] && exit $status
done`
	x.shell = rig.Start(x.t, rig.Program(x.t, "sh"), append([]string{"-c", loop, s.dir}, command...)...)
	x.shell.Retired = true
}

func (x *script) Pid() int {
	pids := rig.Children(x.t, x.shell.Pid())
	pids = slices.DeleteFunc(pids, func(pid int) bool { return !rig.Exists(pid) })
	if len(pids) != 1 {
		return 0
	}
	return pids[0]
}

func (x *script) mortal() bool { return true }

func (x *script) stop() {
	x.shell.Signal(syscall.SIGTERM)
	if err := x.shell.Wait(); err != nil {
		x.t.Errorf("the script ends with %v\n%s", err, x.shell.Output.String())
	}
}

// daemon is nobody: whoever runs Pinion starts it again by the same command.
type daemon struct {
	t       testing.TB
	scene   *scene
	command []string
}

func (d *daemon) begin(s *scene, command []string) {
	d.scene, d.command = s, command
	d.launch()
}

func (d *daemon) launch() {
	d.t.Helper()
	cmd := exec.Command(d.command[0], append(d.command[1:], "-d")...)
	cmd.Dir = d.scene.dir
	var out rig.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	err := rig.Own.Start(cmd)
	if err == nil {
		err = rig.Own.Wait(cmd)
	}
	if err != nil {
		d.t.Fatalf("starting the daemon: %v\n%s", err, out.String())
	}
}

func (d *daemon) Pid() int     { return 0 }
func (d *daemon) mortal() bool { return false }

func (d *daemon) stop() {
	if out, err := d.scene.order("stop"); err != nil {
		d.t.Errorf("%v\n%s", err, out)
	}
}
