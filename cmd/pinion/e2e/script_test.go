// The scripts in testdata/script: the command line as an operator meets it, with the real binary and real processes.

package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

var updateScripts = flag.Bool("update-scripts", false, "write what cmp compares with into testdata/script")

func TestScript(t *testing.T) {
	pinion, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		UpdateScripts:      *updateScripts,
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			env.Values[testingKey{}] = tb
			env.Setenv("PATH", filepath.Dir(pinion)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("GOCOVERDIR", env.WorkDir) // for a binary built to measure coverage
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Defer(func() { endProcessesIn(tb, env.WorkDir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"shards": scriptShards,
			"ports":  scriptPorts,
			"fill":   scriptFill,
			"await":  scriptAwait,
			"pid":    scriptPID,
			"child":  scriptChild,
			"signal": scriptSignal,
			"gone":   scriptGone,
			"ask":    scriptAsk,
			"fetch":  scriptFetch,
		},
	})
}

// testingKey is where a script keeps its testing.TB.
type testingKey struct{}

func testingOf(ts *testscript.TestScript) testing.TB { return ts.Value(testingKey{}).(testing.TB) }

// arguments checks the number of arguments of a command, which has no negation.
func arguments(ts *testscript.TestScript, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

// scriptShards starts Redis servers and puts their addresses into the environment: SHARD1, SHARD2, …
func scriptShards(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "shards N")
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for i := range n {
		shard, err := miniredis.Run()
		ts.Check(err)
		ts.Defer(shard.Close)
		ts.Setenv(fmt.Sprintf("SHARD%d", i+1), shard.Addr())
	}
}

// scriptPorts puts free ports into the environment.
func scriptPorts(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "ports NAME…")
	for _, name := range args {
		ts.Setenv(name, strconv.Itoa(rig.FreePort(testingOf(ts))))
	}
}

var placeholders = regexp.MustCompile(`\$\{\w+\}`)

// scriptFill replaces ${NAME} in files by what the environment has.
func scriptFill(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "fill FILE…")
	for _, file := range args {
		text := placeholders.ReplaceAllStringFunc(ts.ReadFile(file), func(name string) string {
			return ts.Getenv(name[2 : len(name)-1])
		})
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
	}
}

// scriptAwait waits until a file has text that matches.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "await FILE REGEXP")
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	rig.Eventually(testingOf(ts), "awaiting "+args[1], func() error {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !pattern.Match(text) {
			err = fmt.Errorf("%s has only:\n%s", args[0], text)
		}
		return err
	})
}

// scriptPID puts the number in a pid file into the environment.
func scriptPID(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "pid NAME FILE")
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if n, err := strconv.Atoi(text); err != nil || n <= 1 {
		ts.Fatalf("%s holds %q, which is no pid", args[1], text)
	}
	ts.Setenv(args[0], text)
}

// scriptChild puts the pid of a process's only child into the environment.
func scriptChild(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "child NAME PID")
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	pids := rig.Children(testingOf(ts), pid)
	if len(pids) != 1 {
		ts.Fatalf("process %d has the children %v", pid, pids)
	}
	ts.Setenv(args[0], strconv.Itoa(pids[0]))
}

var signalNames = map[string]syscall.Signal{
	"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL,
	"TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "signal NAME PID")
	s, ok := signalNames[args[0]]
	if !ok {
		ts.Fatalf("no signal %q", args[0])
	}
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, s))
}

// scriptGone waits until a process that is not the test's child has ended.
func scriptGone(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "gone PID")
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	rig.Eventually(testingOf(ts), "end of process "+args[0], func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(status), ") Z ") { // nobody reaps orphans in some containers
			return nil
		}
		return errors.New("it runs")
	})
}

// scriptAsk sends one Redis request; the reply becomes the output, with plain line ends.
func scriptAsk(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "ask ADDRESS COMMAND [ARGUMENT…]")
	reply := rig.Dial(testingOf(ts), "tcp", args[0], rig.ReadRESP).Do(args[1:]...)
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(reply, "\r\n", "\n"))
}

// scriptFetch reads what an address sends until it closes.
func scriptFetch(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "fetch ADDRESS")
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	defer conn.Close()
	_, err = io.Copy(ts.Stdout(), conn)
	ts.Check(err)
}

// endProcessesIn fails the test if processes go on working in a directory that is about to go, and ends them. All that a
// script starts works there, as nothing in Pinion changes its directory; workers, without an environment, included.
func endProcessesIn(t testing.TB, dir string) {
	defer func() {
		for pid := range rig.ProcessesIn(t, dir) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	rig.Eventually(t, "end of all processes that a script has started", func() error {
		if left := rig.ProcessesIn(t, dir); len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	})
}
