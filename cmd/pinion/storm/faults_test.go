// Every way in which a reload or an upgrade can break, each in a Pinion that clients talk through: afterwards either the
// new generation serves everybody, or the old one does, and the next attempt succeeds.

package storm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// faultCase is one point at which a process breaks while it takes part in a handoff.
type faultCase struct {
	point   string
	action  string
	first   string // point:action that breaks before, so that the point is passed at all
	during  string // "reload", "upgrade"; empty: either of them
	outcome string // "done", "failed"; empty: either of them
	loss    loss
	often   bool // part of every test, not only of a long one
	resize  int  // how many workers more the next generation is to have
}

// loss says whose connections may be lost: those of a process that was killed, which nobody could save.
type loss uint8

const (
	nobody    loss = iota
	newcomers      // of a new worker that had taken nobody over yet
	ofWorker       // of a worker
	ofMaster       // nobody's; but the master is dead, and its workers serve on without one
)

var faultCases = []faultCase{
	// The new master.
	{point: "nm.after_new", action: "kill", during: "upgrade", outcome: "failed", often: true},
	{point: "nm.after_new", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.config", action: "exit1", during: "upgrade", outcome: "failed"},
	{point: "nm.listen_added", action: "kill", during: "upgrade", outcome: "failed"},
	{point: "nm.hello", action: "exit1", during: "upgrade", outcome: "failed"},
	{point: "nm.hello", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.config", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.prepared", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.prepared", action: "kill", during: "upgrade", outcome: "failed", often: true},
	{point: "nm.ready.before", action: "kill", during: "upgrade", outcome: "failed", often: true},
	{point: "nm.ready.before", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.declared", action: "kill", during: "upgrade", outcome: "failed", often: true},
	{point: "nm.declared", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.agreed", action: "kill", during: "upgrade", outcome: "failed", often: true},
	{point: "nm.agreed", action: "hang", during: "upgrade", outcome: "failed"},
	{point: "nm.ready.after", action: "kill", during: "upgrade", loss: ofMaster},

	// The old master.
	{point: "om.go", action: "kill", loss: ofMaster, often: true},
	{point: "om.agree", action: "kill", during: "upgrade", outcome: "done"},
	{point: "om.finish", action: "kill", during: "reload", loss: ofMaster},
	{point: "om.finish", action: "kill", during: "upgrade", outcome: "done"},
	{point: "om.agree", action: "hang", during: "upgrade", outcome: "done"},
	{point: "om.finish", action: "hang", during: "upgrade", outcome: "done", often: true},

	// A master that serves, and the service manager ends it because it hangs.
	{point: "watchdog", action: "hang", loss: ofMaster},

	// A new worker, before anybody depends on it.
	{point: "nw.start", action: "kill", outcome: "failed"},
	{point: "nw.start", action: "hang", outcome: "failed"},
	{point: "nw.servers", action: "exit1", outcome: "failed", often: true},
	{point: "nw.ready", action: "kill", outcome: "failed"},
	{point: "nw.ready", action: "hang", outcome: "failed"},

	// An old worker, while it gives its clients away.
	{point: "outgoing.hello", action: "kill", loss: ofWorker},
	{point: "outgoing.offer.before", action: "kill", loss: ofWorker, often: true},
	{point: "outgoing.offer.after", action: "kill", loss: ofWorker},
	{point: "outgoing.prepared", action: "kill", loss: ofWorker},
	{point: "outgoing.commit.before", action: "kill", loss: ofWorker},
	{point: "outgoing.commit.after", action: "kill", loss: ofWorker},
	{point: "outgoing.taken", action: "kill", loss: ofWorker},
	{point: "outgoing.offer.before", action: "hang", loss: ofWorker},
	{point: "outgoing.abort.before", action: "kill", first: "incoming.prepared.before:garbage", loss: ofWorker},

	// A new worker, while it takes clients over.
	{point: "incoming.hello", action: "kill", loss: newcomers},
	{point: "incoming.offer", action: "kill", loss: newcomers, often: true},
	{point: "incoming.offer", action: "hang", loss: newcomers},
	{point: "incoming.prepared.before", action: "kill", loss: newcomers},
	{point: "incoming.prepared.after", action: "kill", loss: ofWorker},
	{point: "incoming.commit", action: "kill", loss: ofWorker, often: true},
	{point: "incoming.taken.before", action: "kill", loss: ofWorker},
	{point: "incoming.taken.after", action: "kill", loss: ofWorker},
	{point: "incoming.taken.before", action: "hang", loss: ofWorker},
	{point: "incoming.eof", action: "kill", first: "outgoing.offer.after:kill", loss: ofWorker},

	// A signal tells a worker to end: an old one goes on giving, and what a new one has taken goes back.
	{point: "outgoing.offer.before", action: "term", outcome: "done", often: true},
	{point: "outgoing.commit.after", action: "term", outcome: "done"},
	{point: "incoming.offer", action: "term", outcome: "failed", often: true},
	{point: "incoming.taken.before", action: "term", outcome: "failed"},
	{point: "incoming.hello", action: "term", outcome: "failed"},
	{point: "nw.ready", action: "term", outcome: "failed"},

	// Operations that fail.
	{point: "memfd.short", action: "short-write", outcome: "done", often: true},
	{point: "scm.ctrunc", action: "emfile", outcome: "done", often: true},
	{point: "outgoing.hello", action: "garbage", outcome: "done"},
	{point: "outgoing.offer.before", action: "garbage", outcome: "done", often: true},
	{point: "outgoing.offer.before", action: "short-write", outcome: "done"},
	{point: "outgoing.offer.before", action: "enomem", outcome: "done"},
	{point: "incoming.hello", action: "garbage", outcome: "done"},
	{point: "incoming.offer", action: "emfile", outcome: "done"},
	{point: "incoming.prepared.before", action: "garbage", outcome: "done"},
	{point: "incoming.prepared.before", action: "short-write", outcome: "done"},
	{point: "outgoing.commit.before", action: "garbage", outcome: "done"},
	{point: "incoming.taken.before", action: "garbage", outcome: "done"},
	{point: "pidfile", action: "enomem", during: "upgrade", outcome: "failed", often: true},

	// Descriptors, memory or processes are short, wherever one is needed. Before clients move that is refused; afterwards
	// they come back, or what is missing is had a moment later.
	{point: "m.share", action: "emfile", outcome: "failed"},
	{point: "m.share", action: "enomem", outcome: "failed"},
	{point: "m.bind", action: "emfile", outcome: "failed", resize: 1},
	{point: "spawn.pipes", action: "emfile", outcome: "failed"},
	{point: "spawn.pipes", action: "emfile:2", outcome: "failed"},
	{point: "spawn.spec", action: "emfile", outcome: "failed"},
	{point: "spawn.fork", action: "eagain", outcome: "failed"},
	{point: "spawn.fork", action: "eagain:2", outcome: "failed"},
	{point: "spawn.fork", action: "enomem", outcome: "failed"},
	{point: "nw.loop", action: "emfile", outcome: "failed"},
	{point: "m.pair", action: "emfile", outcome: "failed"},
	{point: "m.pair", action: "emfile:2", outcome: "failed", often: true},
	{point: "m.pair", action: "emfile:3", outcome: "failed", resize: 1},
	{point: "m.pair", action: "emfile:2", outcome: "failed", resize: -1},
	{point: "m.dup", action: "emfile", during: "upgrade", outcome: "failed"},
	{point: "m.dup", action: "emfile:3", during: "upgrade", outcome: "failed"},
	{point: "m.send", action: "eagain", outcome: "done"},
	{point: "m.send", action: "eagain:3", outcome: "done"},
	{point: "m.outbox", action: "emfile", first: "m.send:eagain", outcome: "failed"},
	{point: "m.outbox", action: "emfile", first: "m.send:eagain:2", outcome: "failed"},
	{point: "workerlink.ctrunc", action: "emfile", outcome: "failed"},
	{point: "workerlink.ctrunc", action: "emfile:2", outcome: "failed", resize: 1},
	{point: "peer.join", action: "enomem", outcome: "failed", often: true},
	{point: "peer.join", action: "enomem:2", outcome: "failed", resize: 1},
	{point: "outgoing.state", action: "emfile", outcome: "done"},
	{point: "incoming.map", action: "enomem", outcome: "done"},
	{point: "incoming.client", action: "enomem", outcome: "done"},
	{point: "accept.watch", action: "enomem", outcome: "done"},
	{point: "notify.barrier", action: "enomem", during: "upgrade", outcome: "done"},
}

func (f faultCase) String() string {
	text := fmt.Sprintf("%s %s during %s", f.point, f.action, f.during)
	if f.first != "" {
		text += " after " + f.first
	}
	if f.resize != 0 {
		text += fmt.Sprintf(" with %+d workers", f.resize)
	}
	return text
}

// TestFaults breaks one thing after the other: each point in every run, in every way and in either case in a long one.
func TestFaults(t *testing.T) {
	servers := startStormServers(t)
	long := os.Getenv("PINION_STORM") != ""
	passed := map[string]bool{} // points
	for _, f := range faultCases {
		passed[f.point] = passed[f.point] || f.often
	}
	for _, f := range faultCases {
		for _, during := range []string{"reload", "upgrade"} {
			if f.during != "" && f.during != during || !long && !f.often && passed[f.point] {
				continue
			}
			passed[f.point] = true
			f := f
			f.during = during
			t.Run(strings.ReplaceAll(f.String(), " ", "-"), func(t *testing.T) {
				t.Parallel()
				f.run(t, servers)
			})
		}
	}
}

// faultCrowd is how many clients there are while something breaks, beside a slow reader.
const faultCrowd = 48

// orders is the file from which fragile processes learn where to break, as they know it and as we do.
const orders = "fault"

func (f faultCase) run(t *testing.T, servers *stormServers) {
	var environment []string
	if strings.HasPrefix(f.point, "notify.") || f.point == "watchdog" {
		environment = []string{"NOTIFY_SOCKET=" + serviceManager(t), watchdogInterval}
	}
	s := newTempest(t, servers, oldRelease.breakable(), defaults, environment...)
	s.again(f.during)
	masters, workers, processes := s.open()
	c := newCrowd(t, s.in, t.Name()+":")
	s.crowd = c
	fillLarge(t, s.in, c.prefix)
	c.gather(faultCrowd)
	c.admit(&slow, faultCrowd)
	c.newcome(2, 20*time.Millisecond)

	before, err := f.strike(s)
	s.goOn()
	f.judgeLoss(s)
	if f.loss == ofMaster {
		if len(environment) == 0 { // with a service manager, which is none here, orphans do not wait for long
			s.takeOver()
		}
		c.leave()
		if failures := c.check(servers.values); len(failures) > 0 {
			t.Errorf("%s", describe(failures))
		}
		s.end()
		return
	}
	f.judgeOutcome(s, before, err)
	broken := len(c.broken())
	s.again("reload")
	s.again(f.during)
	s.goOn()
	later := c.broken()[broken:]
	later = slices.DeleteFunc(later, func(one failure) bool { // who reads slowly also notices slowly that it was cut
		return f.loss == ofWorker && one.breach == wasCut && strings.HasPrefix(one.who, slow.name)
	})
	if len(later) > 0 {
		t.Errorf("lost by a handoff in which nothing broke: %s", describe(later))
	}
	c.leave()
	for _, failure := range c.check(servers.values) {
		if failure.breach == wrongReply || failure.breach == noReply {
			t.Errorf("%v", failure)
		}
	}
	s.again(f.during)
	s.sameOpen(masters, workers, processes)
	s.stop()
}

// strike has something break during a reload or an upgrade, and returns what that says of it.
func (f faultCase) strike(s *tempest) (before condition, err error) {
	s.t.Helper()
	before = s.now()
	file := filepath.Join(s.dir, orders)
	s.writeFile(file, strings.TrimPrefix(f.first+","+f.point+":"+f.action, ","), 0o600)
	if f.during == "upgrade" {
		s.current = s.current.other()
		s.install(s.current)
	}
	if f.resize != 0 {
		s.configure(s.size + f.resize)
	}
	if strings.HasPrefix(f.point, "om.") {
		s.doom(before.PID)
	}
	if f.point == "watchdog" {
		s.starve(before.PID)
	}
	began := time.Now()
	_, err = s.order(f.during)
	s.t.Logf("%v after %v: %v", f, time.Since(began).Round(time.Millisecond), err)
	rig.Eventually(s.t, "passing the point", func() error { return absent(file) }) // a master may do so after the command
	return before, err
}

// takeOver starts the next master, once there is none, which finds whoever the last one has left.
func (s *tempest) takeOver() {
	s.t.Helper()
	rig.Eventually(s.t, "the end of all masters", func() error {
		if masters := s.masters(); len(masters) > 0 {
			return fmt.Errorf("there are %v", masters)
		}
		return nil
	})
	s.start()
	s.resurrected(0)
	s.crowd.callRoll()
	s.again("reload")
	s.goOn()
	s.masterLeads(s.size)
}

// starve waits until a master hangs where it should ping, and ends it soon after: while it is asked for something.
func (s *tempest) starve(master int) {
	s.doom(master)
	rig.Eventually(s.t, "hanging", func() error { return absent(filepath.Join(s.dir, orders)) })
	if err := syscall.Kill(master, syscall.SIGABRT); err != nil {
		s.t.Fatal(err)
	}
}

// absent fails as long as there is a file.
func absent(file string) error {
	if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s is still there", file)
	}
	return nil
}

// judgeLoss compares what the clients have lost with what they may lose.
func (f faultCase) judgeLoss(s *tempest) {
	t := s.t
	lost, lostNewcomers := 0, 0
	for _, failure := range s.crowd.broken() {
		switch {
		case failure.breach != wasCut:
			t.Errorf("%v", failure)
		case strings.HasPrefix(failure.who, "newcomer"):
			lostNewcomers++
		default:
			lost++
		}
	}
	t.Logf("lost: %d of %d clients, and %d newcomers", lost, faultCrowd+1, lostNewcomers)
	if lost >= faultCrowd || lost > 0 && f.loss != ofWorker || lostNewcomers > 0 && f.loss != ofWorker && f.loss != newcomers {
		t.Errorf("that is too many: %s", describe(s.crowd.broken()))
	}
}

// judgeOutcome compares what a command has said with what is so, and with what it may be.
func (f faultCase) judgeOutcome(s *tempest, before condition, err error) {
	t := s.t
	outcome := "done"
	if done := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &done) && done.ExitCode() == 3) {
		outcome = "failed"
	}
	if f.outcome != "" && outcome != f.outcome {
		t.Errorf("the %s has %s, want %s", f.during, outcome, f.outcome)
	}
	after := s.now()
	switch served := after.Generation; {
	case outcome == "done" && served <= before.Generation:
		t.Errorf("generation %d serves after %d", served, before.Generation)
	case outcome == "failed" && (served != before.Generation || after.PID != before.PID):
		t.Errorf("generation %d of master %d serves, not %d of %d", served, after.PID, before.Generation, before.PID)
	}
	if outcome == "failed" {
		s.current = release{version: before.Build, fragile: true}
		s.install(s.current)
		s.configure(s.size)
	} else {
		s.size += f.resize
	}
	f.judgeStatus(s, after, err)
	s.masterLeads(s.size)
	s.masterIsNamed()
}

// judgeStatus compares what is said of those who were lost with who was.
func (f faultCase) judgeStatus(s *tempest, after condition, err error) {
	if after.Last == nil {
		return
	}
	lost := after.Last.Lost
	if f.loss == nobody && lost > 0 {
		s.t.Errorf("%d clients are said to be lost: %s", lost, after.Last.LostReason)
	}
	if done := (*exec.ExitError)(nil); err != nil && errors.As(err, &done) && (done.ExitCode() == 3) != (after.Last.Outcome == "done" && lost > 0) {
		s.t.Errorf("exit status %d with %d clients lost", done.ExitCode(), lost)
	}
	if noticed := len(s.crowd.broken()); noticed > 0 && lost == 0 && (f.loss == ofWorker || f.loss == newcomers) {
		rig.Eventually(s.t, fmt.Sprintf("a word about %d lost clients beside %+v", noticed, after.Last), s.obituary)
	}
	if lost > 0 && after.Last.LostReason == "" {
		s.t.Errorf("%d clients are lost for no reason", lost)
	}
}

// obituary fails unless the log says of a worker that died how many clients it had: one that dies a moment after it has
// taken the last clients is no part of the outcome.
func (s *tempest) obituary() error {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	if !lostWithWorker.Match(log) {
		return errors.New("the log speaks of no worker that died with clients")
	}
	return nil
}

var lostWithWorker = regexp.MustCompile(`worker \d+ \(.*\) died: .*; \d+ clients? (is|are) lost`)

// fault breaks something that may cost no client anything.
func (s *tempest) fault() {
	var harmless []faultCase
	for _, f := range faultCases {
		if f.loss == nobody && f.action != "hang" && f.resize == 0 {
			harmless = append(harmless, f)
		}
	}
	f := harmless[s.rand.IntN(len(harmless))]
	if f.during == "" {
		f.during = [...]string{"reload", "upgrade"}[s.rand.IntN(2)]
	}
	before, err := f.strike(s)
	f.judgeOutcome(s, before, err)
}

// again does something that must succeed.
func (s *tempest) again(command string) {
	s.t.Helper()
	if command == "reload" {
		s.reload()
		return
	}
	s.upgrade()
}

// goOn waits until everybody has been served, or has noticed that nobody serves him, and newcomers have.
func (s *tempest) goOn() {
	s.t.Helper()
	s.crowd.callRoll()
	newcomers := s.crowd.newcomers.Load()
	rig.Eventually(s.t, "serving newcomers", func() error { return atLeast(s.crowd.newcomers.Load()-newcomers, 50) })
}
