//go:build fault

// The test runs itself as the process that breaks: what the environment asks for, and at which passing.

package fault

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const victimVariable = "FAULT_TEST_VICTIM"

// TestMain is the victim, if asked to: it passes the point "here" three times and says so.
func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) == "" {
		os.Exit(m.Run())
	}
	for n := 1; n <= 3; n++ {
		At("here")
		At("elsewhere")
		fmt.Println(n, Error("there"))
	}
}

// victim returns the command that breaks as the environment says.
func victim(environment ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(environment, victimVariable+"=1")
	return cmd
}

func TestActions(t *testing.T) {
	const untouched = "1 <nil>\n2 <nil>\n3 <nil>\n"
	for _, test := range []struct{ fault, output, end string }{
		{"", untouched, ""},
		{"other:kill", untouched, ""},
		{"here:kill", "", "signal: killed"},
		{"here:kill:1", "", "signal: killed"},
		{"here:exit1:3", "1 <nil>\n2 <nil>\n", "exit status 1"},
		{"here:kill:4", untouched, ""},
		{"there:kill:2", "1 <nil>\n", "signal: killed"},
		{"there:garbage", "1 fault: garbage\n2 <nil>\n3 <nil>\n", ""},
		{"there:short-write:2", "1 <nil>\n2 fault: short write\n3 <nil>\n", ""},
		{"there:enomem:3", "1 <nil>\n2 <nil>\n3 cannot allocate memory\n", ""},
		{"there:eagain:3", "1 <nil>\n2 <nil>\n3 resource temporarily unavailable\n", ""},
		{"there:emfile,elsewhere:exit1:2", "1 too many open files\n", "exit status 1"},
		{"there:emfile,there:enomem:3", "1 too many open files\n2 <nil>\n3 cannot allocate memory\n", ""},
		{"here:enomem", untouched, ""}, // At has nothing that could fail
		{"here", "", "exit status 2"},
		{"here:", "", "exit status 2"},
		{":kill", "", "exit status 2"},
		{"here:explode", "", "exit status 2"},
		{"here:kill:0", "", "exit status 2"},
		{"here:kill:x", "", "exit status 2"},
		{"here:kill:1:1", "", "exit status 2"},
		{"here:kill,", "", "exit status 2"},
	} {
		out, err := victim(variable + "=" + test.fault).Output()
		end := ""
		if err != nil {
			end = err.Error()
		}
		if string(out) != test.output || end != test.end {
			t.Errorf("%q: %q and %q, want %q and %q", test.fault, out, end, test.output, test.end)
		}
	}
}

// What hangs neither goes on nor ends.
func TestHang(t *testing.T) {
	cmd := victim(variable + "=here:hang:2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stderr).ReadString('\n')
	if want := fmt.Sprintf("fault: here: hang (pid %d)\n", cmd.Process.Pid); line != want {
		t.Errorf("it says %q, want %q", line, want)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // it has not ended by itself
		t.Fatal(err)
	}
	text := bufio.NewScanner(out)
	for n := 0; text.Scan(); n++ {
		if n > 0 {
			t.Errorf("it went on: %s", text.Text())
		}
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("it ended with %v", err)
	}
}

// With a file to create, one process breaks, and those after it do not.
func TestOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fired")
	environment := []string{variable + "=here:exit1:2", onceVariable + "=" + file}
	if out, err := victim(environment...).Output(); err == nil || string(out) != "1 <nil>\n" {
		t.Fatalf("the first: %q, %v", out, err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "here" {
		t.Errorf("the file: %q, %v", text, err)
	}
	if out, err := victim(environment...).Output(); err != nil || strings.Count(string(out), "\n") != 3 {
		t.Errorf("the second: %q, %v", out, err)
	}
}

// Rules in a file are taken once, and those that are written later are taken, too, even if they read the same.
func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders")
	t.Setenv(variable, "@"+file)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, want error) {
		t.Helper()
		if err := Error("there"); err != want {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	expect("no file", nil)
	write("elsewhere:enomem\n")
	expect("another point", nil)
	for range 2 {
		write("there:enomem:2\n")
		expect("first passing", nil)
		expect("second passing", syscall.ENOMEM)
		expect("passing after the action", nil)
		if _, err := os.Stat(file); err == nil {
			t.Error("the file is still there")
		}
	}
	write("there:emfile")
	expect("other rules", syscall.EMFILE)
	write("there:enomem,elsewhere:kill,there:emfile")
	expect("the first of several", syscall.ENOMEM)
	if text, err := os.ReadFile(file); err != nil || string(text) != "elsewhere:kill,there:emfile" {
		t.Errorf("what is left: %q, %v", text, err)
	}
	expect("the next", syscall.EMFILE)
	if out, err := victim(variable + "=@" + file).Output(); err == nil || string(out) != "" {
		t.Errorf("another process, with the last one: %q, %v", out, err)
	}
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) > 0 {
		t.Errorf("what is there afterwards: %v, %v", left, err)
	}
	if out, err := victim(variable + "=@" + file).Output(); err != nil || strings.Count(string(out), "\n") != 3 {
		t.Errorf("another process, without the file: %q, %v", out, err)
	}
	write("here:exit1:2")
	if out, err := victim(variable + "=@" + file).Output(); err == nil || string(out) != "1 <nil>\n" {
		t.Errorf("another process, with the file: %q, %v", out, err)
	}
	write("nonsense")
	if _, err := victim(variable + "=@" + file).Output(); err == nil || err.Error() != "exit status 2" {
		t.Errorf("nonsense: %v", err)
	}
}

func TestVariables(t *testing.T) {
	if got := strings.Join(Variables(), " "); got != "PINION_FAULT PINION_FAULT_ONCE" {
		t.Errorf("a worker inherits %s", got)
	}
	if !errors.Is(actions["enomem"], syscall.ENOMEM) || !errors.Is(actions["emfile"], syscall.EMFILE) {
		t.Error("what the kernel says has another name here")
	}
}

// What a test sets is asked, and nothing else.
func TestInterfere(t *testing.T) {
	if most, err := Call("recv", 3, 10); most != 10 || err != nil {
		t.Errorf("without anything set: %d, %v", most, err)
	}
	if path := Instead(netip.AddrPort{}); path != "" {
		t.Errorf("without anything set: %q", path)
	}
	Interfere = func(name string, fd, size int) (int, error) { return size / fd, errors.New(name) }
	Divert = func(addr netip.AddrPort) string { return addr.String() }
	defer func() { Interfere, Divert = nil, nil }()
	if most, err := Call("recv", 2, 10); most != 5 || err.Error() != "recv" {
		t.Errorf("a call: %d, %v", most, err)
	}
	if path := Instead(netip.MustParseAddrPort("1.2.3.4:5")); path != "1.2.3.4:5" {
		t.Errorf("an address: %q", path)
	}
}
