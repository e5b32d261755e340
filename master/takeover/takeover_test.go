// Another process listens, and this one takes over from it.

package takeover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const listenerVariable = "TAKEOVER_TEST_LISTENS"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == UnwatchCommand:
		if err := RunUnwatch(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv(listenerVariable) != "":
		greet()
	default:
		os.Exit(m.Run())
	}
}

// greet is the other process: it tells where it listens, and greets whoever connects.
func greet() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		fmt.Fprintln(conn, "hello")
		conn.Close()
	}
}

// greeter starts one.
func greeter(t *testing.T) (p *Program, address string) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), listenerVariable+"=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	all, err := Find(strconv.Itoa(c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(all) })
	return all[0], strings.TrimSpace(line)
}

// hello connects, and tells whether somebody has greeted within a moment.
func hello(t *testing.T, address string, patience time.Duration) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err == nil
}

func TestTakeOver(t *testing.T) {
	p, address := greeter(t)
	sockets, err := p.Sockets()
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil || len(sockets) != 1 || sockets[0].Address != address || sockets[0].Network != "tcp" {
		t.Fatalf("%+v, %v", sockets, err)
	}
	defer CloseSockets(sockets)
	const long, short = 10 * time.Second, 50 * time.Millisecond
	if !hello(t, address, long) {
		t.Fatal("nobody greets")
	}
	hold, err := p.Unwatch(sockets)
	if err != nil {
		t.Fatal(err)
	}
	if hello(t, address, short) {
		t.Error("it greets, although it accepts nobody")
	}
	if n, err := sock.Waiting(sockets[0].FD); err != nil || n != 1 {
		t.Errorf("%d wait, %v", n, err)
	}
	if _, err := p.Unwatch(sockets); err == nil {
		t.Error("it accepts nobody, and could be told so again")
	}
	if err := hold.Undo(); err != nil || !hello(t, address, long) {
		t.Errorf("it does not accept again: %v", err)
	}
	if err := EndAll(t.Context(), []*Program{p}, sockets); err != nil || p.Lives() {
		t.Errorf("it has not ended: %v", err)
	}
	if conn, err := net.Dial("tcp", address); err != nil {
		t.Errorf("the copy of its socket does not listen: %v", err)
	} else {
		conn.Close()
	}
	if _, err := find(strconv.Itoa(p.PID)); err != nil && !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

func TestHolders(t *testing.T) {
	p, _ := greeter(t)
	sockets, err := p.Sockets()
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSockets(sockets)
	inode := sockets[0].Inode()
	for _, c := range []struct {
		inodes []uint64
		want   int
	}{{[]uint64{inode}, p.PID}, {[]uint64{1}, 0}} {
		holders, err := Holders(c.inodes)
		if err != nil {
			t.Fatal(err)
		}
		if h := holders[inode]; (h == nil) != (c.want == 0) || h != nil && (h.PID != c.want || h.Identity != p.Identity) {
			t.Errorf("%v are held by %v", c.inodes, h)
		}
		for _, h := range holders {
			Close([]*Program{h})
		}
	}
}

// Whoever has called off the end of a program, or is killed meanwhile, leaves it as it was.
func TestTakeOverCalledOff(t *testing.T) {
	p, address := greeter(t)
	sockets, err := p.Sockets()
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer CloseSockets(sockets)
	hold, err := p.Unwatch(sockets)
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.child.Signal(syscall.SIGTERM); err != nil { // as to all of a service
		t.Fatal(err)
	}
	hold.word.Close() // as by the end of the process
	if !hello(t, address, 10*time.Second) {
		t.Error("it does not accept again")
	}
	if err := hold.Leave(); err != nil {
		t.Error(err)
	}
	why := errors.New("called off")
	ctx, callOff := context.WithCancelCause(t.Context())
	callOff(why)
	if err := EndAll(ctx, []*Program{p}, sockets); !errors.Is(err, why) || !p.Lives() || !hello(t, address, 10*time.Second) {
		t.Errorf("it lives: %v, %v", p.Lives(), err)
	}
}

// Whoever starts a program again when it has ended is named.
func TestStartedAgain(t *testing.T) {
	c := exec.Command("sh", "-c", `while :; do sleep 60 & echo $!; wait; done`)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var p *Program
	for deadline := time.Now().Add(10 * time.Second); p == nil || p.Name != "sleep"; { // it is sh before
		if p, err = find(strings.TrimSpace(line)); err != nil || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := p.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := StartedAgain([]*Program{p}); len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("by sh (pid %d)", c.Process.Pid)) {
		t.Errorf("%q", got)
	}
}

func TestFindErrors(t *testing.T) {
	for _, c := range []struct {
		text, want string
		gone       bool
	}{
		{"4194303", "it does not run", true},
		{"0", "no process has such a number", false},
		{"-5", "no process has such a number", false},
		{"99999999999", "no process has such a number", false},
		{strconv.Itoa(os.Getpid()), "it is this process itself", false},
		{"1,,2", `taking over from ""`, false},
	} {
		_, err := Find(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrGone) != c.gone {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}

// A program that ignores SIGTERM does not keep the sockets that it was lent.
func TestGiveUpKills(t *testing.T) {
	c := exec.Command("sh", "-c", "trap '' TERM; echo; exec sleep 60")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	l := &Loan{PID: c.Process.Pid}
	if !l.GiveUp(50 * time.Millisecond) {
		t.Error("it has ended on a signal that it ignores")
	}
	c.Wait()
	if l.GiveUp(time.Second) {
		t.Error("somebody was killed who had ended")
	}
}

// A program that was given no unix socket can remove files for as long as it lives, also when nobody answers its calls any more.
func TestLendLeavesRemovals(t *testing.T) {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	l, err := Lend([]string{"sh", "-c", `read line <"$0" && rm "$1"`, fifo, file}, []Socket{{Network: "tcp", Address: "127.0.0.1:1"}})
	if err != nil {
		t.Skip(err) // the kernel, or what confines this process, has no seccomp_unotify(2)
	}
	l.Close()
	if err := os.WriteFile(fifo, []byte("now\n"), 0); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(l.PID, &status, 0, nil); err != nil || status != 0 {
		t.Errorf("it ends with %d, %v", status, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

// Who binds another address than it was to be given, and fails, has most likely the wrong one.
func TestLoanExplains(t *testing.T) {
	l := &Loan{own: []string{"0.0.0.0:22222"}}
	if got := l.explain(errors.New("it has ended")).Error(); !strings.Contains(got, "it has ended; it was left to bind 0.0.0.0:22222 by itself") {
		t.Error(got)
	}
}

func TestExplain(t *testing.T) {
	p := &Program{PID: os.Getpid(), Name: "other"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.EPERM, "copying descriptors needs root or uid"},
		{syscall.EMFILE, "raise LimitNOFILE="},
		{os.ErrNotExist, "it does not run"},
		{errElsewhere, "nsenter --net"},
	} {
		if got := p.explain(c.err).Error(); !strings.Contains(got, c.want) || !strings.Contains(got, p.String()) {
			t.Errorf("%v: %s", c.err, got)
		}
	}
}

func TestParseSet(t *testing.T) {
	got := parseSet("pos:\t0\nflags:\t02\ntfd:        7 events:       2b data:     55d0c8a1b2c0  pos:0 ino:b7a9b sdev:9\ntfd: x\n")
	if len(got) != 1 || got[0] != (registration{socket: 7, events: 0x2b, data: 0x55d0c8a1b2c0}) {
		t.Errorf("%+v", got)
	}
}
