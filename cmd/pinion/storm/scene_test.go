// The scene of a storm: an installed binary that gets replaced, a configuration that gets rewritten, and the operator's
// commands.

package storm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// release is a build of Pinion. Two of them differ in what they call themselves; a fragile one has fault points, a strange
// one knows more and less, see builds_test.go.
type release struct {
	version string
	fragile bool
	strange bool
}

var (
	oldRelease = release{version: "1.0.0-storm"}
	newRelease = release{version: "1.0.1-storm"}
)

func (r release) breakable() release { r.fragile = true; return r }

// other is the release that follows, or that one goes back to.
func (r release) other() release {
	next := oldRelease
	if r.version == oldRelease.version {
		next = newRelease
	}
	next.fragile = r.fragile
	return next
}

var built sync.Map // of func() (string, error), by release

// build returns the path of the release's binary, which is built once for all tests.
func (r release) build(t testing.TB) string {
	t.Helper()
	once, _ := built.LoadOrStore(r, sync.OnceValues(r.compile))
	path, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (r release) compile() (string, error) {
	name, args := "pinion-"+r.version, []string{"-ldflags", "-X main.version=" + r.version}
	if r.fragile {
		name, args = name+"-fragile", append(args, "-tags", "fault")
	}
	if r.strange {
		sources, err := os.MkdirTemp("", "strange")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(sources)
		file, err := overlay(sources)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", file)
	}
	return rig.Build(name, rig.Race(), args...)
}

// scene is a running Pinion that is reloaded and upgraded.
type scene struct {
	*family
	t         testing.TB
	in        entrances
	servers   *stormServers
	installed string // where the binary lies that an upgrade starts
	file      string // the configuration
	control   string // socket
	stats     string // address of the statistics
	operator  string // binary of the operator's commands, which nobody replaces
	first     *rig.Process
	start     func() // by the command that has started the first process; nil: by a supervisor
}

// newScene starts a release with this number of workers. environment is what its processes get beside that of the test.
func newScene(t testing.TB, servers *stormServers, r release, workers int, environment ...string) *scene {
	t.Helper()
	dir := rig.ShortDir(t)
	s := &scene{t: t, in: freeEntrances(t), servers: servers, operator: oldRelease.build(t),
		installed: filepath.Join(dir, "pinion"), file: filepath.Join(dir, "nutcracker.yml"),
		control: filepath.Join(dir, "ctl.sock"), stats: rig.FreeAddress(t)}
	s.install(r)
	s.configure(workers)
	_, port, _ := net.SplitHostPort(s.stats)
	// A file takes the log: a pipe would be closed behind the first master. All of this becomes one process. The watchdog's
	// is, as with systemd, the pid of the first master also in the environment of those that follow.
	args := append([]string{"-c", `cd "$0" && export WATCHDOG_PID=$$ && exec env "$@" >log 2>&1`, dir}, environment...)
	args = append(args, s.installed, "-c", s.file, "-a", "127.0.0.1", "-s", port, "-p", filepath.Join(dir, "pid"),
		"--control", s.control)
	s.family = watchFamily(t, dir)
	s.start = func() {
		s.first = rig.Start(t, rig.Program(t, "sh"), args...)
		s.first.Name, s.first.Retired = "pinion", true
	}
	s.start()
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("the log of pinion ends with:\n%s", log[max(0, len(log)-logBytes):])
			s.family.end()
		}
	})
	s.first.Answers(s.in["redis"].network, s.in["redis"].at)
	rig.Eventually(t, "serving", func() error {
		now, err := s.status()
		if err == nil && now.Phase != "serving" {
			err = fmt.Errorf("the phase is %s", now.Phase)
		}
		return err
	})
	return s
}

// logBytes is how much of a log somebody may read.
const logBytes = 16 << 10

// install replaces the installed binary by a release, as package managers do: by a new file under the old name.
func (s *scene) install(r release) { s.t.Helper(); s.installFile(r.build(s.t)) }

// installFile has another process write the file: a descriptor of ours that is open for writing could be inherited by
// anything that is started at that moment, and then the file could not be executed.
func (s *scene) installFile(path string) {
	s.t.Helper()
	fresh := s.installed + ".new"
	if out, err := exec.Command("cp", "-p", path, fresh).CombinedOutput(); err != nil {
		s.t.Fatalf("copying %s: %v\n%s", path, err, out)
	}
	if err := os.Rename(fresh, s.installed); err != nil {
		s.t.Fatal(err)
	}
}

// configure writes a good configuration with this number of workers.
func (s *scene) configure(workers int) { s.t.Helper(); s.write(s.servers.config(s.in, workers)) }

func (s *scene) write(config string) {
	s.t.Helper()
	fresh := s.file + ".new"
	if err := os.WriteFile(fresh, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(fresh, s.file); err != nil {
		s.t.Fatal(err)
	}
}

// commandPatience is how long an operator's command may take.
const commandPatience = time.Minute

// order runs an operator's command and returns what it says, and an error if its status is not 0.
func (s *scene) order(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), commandPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.operator, append(args, "--control", s.control)...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %v", commandPatience)
	}
	if err != nil {
		return string(out), fmt.Errorf("pinion %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// condition is what the admin socket says of a master.
type condition struct {
	Build      string   `json:"build"`
	PID        int      `json:"pid"`
	Phase      string   `json:"phase"`
	Generation uint64   `json:"generation"`
	Busy       string   `json:"busy"`
	Last       *handoff `json:"last"`

	Generations []struct {
		Number  uint64 `json:"number"`
		State   string `json:"state"`
		Workers []struct {
			State       string `json:"state"`
			Connections int    `json:"connections"`
		} `json:"workers"`
	} `json:"generations"`
}

// handoff is what it says of the last one.
type handoff struct {
	At             time.Time `json:"at"`
	Outcome        string    `json:"outcome"`
	Reason         string    `json:"reason"`
	Moved          int       `json:"moved"`
	Stragglers     int       `json:"stragglers"`
	Closed         int       `json:"closed"`
	Lost           int       `json:"lost"`
	LostReason     string    `json:"lost_reason"`
	LongestPauseUS int64     `json:"longest_pause_us"`
}

// lastAt is when the last handoff began; zero: there was none.
func (c condition) lastAt() (at time.Time) {
	if c.Last != nil {
		at = c.Last.At
	}
	return at
}

// status asks over the admin socket, without a command: it is asked often.
func (s *scene) status() (now condition, err error) {
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.control)
		}}
	reply, err := (&http.Client{Transport: transport, Timeout: rig.Patience}).Get("http://pinion/status")
	if err != nil {
		return now, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", reply.Status, text)
	}
	if err != nil {
		return now, err
	}
	return now, json.Unmarshal(text, &now)
}

// now is the status of a master that answers.
func (s *scene) now() condition {
	s.t.Helper()
	now, err := s.status()
	if err != nil {
		s.t.Fatalf("asking for the status: %v", err)
	}
	return now
}

// masterLeads waits until nobody is there but one master and this number of workers.
func (s *scene) masterLeads(workers int) {
	s.t.Helper()
	rig.Eventually(s.t, "the end of all other generations", func() error {
		if m, w := s.masters(), s.workers(); len(m) != 1 || len(w) != workers {
			return fmt.Errorf("the masters are %v and the workers %v, want %d", m, w, workers)
		}
		return nil
	})
}

// masterIsNamed waits until the pid file has the pid of the one master.
func (s *scene) masterIsNamed() {
	s.t.Helper()
	rig.Eventually(s.t, "the pid file", func() error {
		text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
		if pid := s.now().PID; err == nil && strings.TrimSpace(string(text)) != fmt.Sprint(pid) {
			err = fmt.Errorf("it has %q, but the master is %d", text, pid)
		}
		return err
	})
}

// stop ends Pinion and looks for what is left.
func (s *scene) stop() {
	s.t.Helper()
	for _, pid := range s.masters() {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	rig.Eventually(s.t, "the end of all processes", func() error {
		if left := s.look(); len(left) > 0 {
			return fmt.Errorf("left are %v", left)
		}
		return nil
	})
	if s.first.Wait(); s.first.Err != nil {
		s.t.Errorf("the first master ended with %v", s.first.Err)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, bad := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if at := strings.Index(string(log), bad); at >= 0 {
			s.t.Errorf("the log has:\n%s", log[at:min(len(log), at+logBytes)])
		}
	}
	for _, path := range []string{s.control, filepath.Join(s.dir, "pid"), s.in["unix"].at} {
		if _, err := os.Lstat(path); err == nil {
			s.t.Errorf("%s is still there", path)
		}
	}
}

// wrongMachine returns the beginning of a program for a processor that nobody has.
func wrongMachine(t testing.TB, program string) string {
	t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	const machineAt = 18 // e_machine in the header of an ELF file
	text[machineAt], text[machineAt+1] = 0xff, 0x7f
	return string(text[:4096])
}
