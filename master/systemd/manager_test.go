// The test is the service manager: it listens at NOTIFY_SOCKET, answers or not, and keeps what is stored.

package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/pinion-proxy/pinion/master/testkit"
)

// patience is longer than anything takes that does not hang.
const patience = time.Minute

// patientManager waits longer than the tests, where nothing should be waited for.
func patientManager() *Manager {
	s := New()
	s.timeout, s.pause, s.barrierTimeout = patience, time.Millisecond, patience
	return s
}

// notifySocket is the other end of NOTIFY_SOCKET.
type notifySocket struct{ conn *net.UnixConn }

func listenNotify(t *testing.T, path string) notifySocket {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv(EnvNotifySocket, path)
	return notifySocket{conn}
}

func notifyPath(t *testing.T) string { return filepath.Join(t.TempDir(), "notify") }

// receive returns the next message and the descriptors that come with it.
func (m notifySocket) receive(t *testing.T) (text string, fds []int) {
	t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(patience))
	buf, oob := make([]byte, 8192), make([]byte, 256)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	controls, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range controls {
		got, err := syscall.ParseUnixRights(&c)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, got...)
	}
	for _, fd := range fds {
		t.Cleanup(func() { syscall.Close(fd) }) // that it is closed already is no matter
	}
	return string(buf[:n]), fds
}

// nothing fails if there is a message.
func (m notifySocket) nothing(t *testing.T) {
	t.Helper()
	m.conn.SetReadDeadline(time.Now())
	if n, err := m.conn.Read(make([]byte, 8192)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("another message of %d bytes, %v", n, err)
	}
}

func TestNotify(t *testing.T) {
	abstract := fmt.Sprintf("@pinion-test-%d", os.Getpid())
	for _, path := range []string{notifyPath(t), abstract} {
		t.Run(path[:1], func(t *testing.T) {
			m, s := listenNotify(t, path), patientManager()
			for _, c := range []struct {
				say  func()
				want string
			}{
				{func() { s.Ready("serving") }, "READY=1\nWATCHDOG=1\nSTATUS=serving"},
				{func() { s.Stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
				{func() { s.Stopping("") }, "STOPPING=1\nSTATUS="},
				{func() { s.Status("2 workers") }, "STATUS=2 workers"},
				{func() { s.ExtendTimeout(1500 * time.Millisecond) }, "EXTEND_TIMEOUT_USEC=1500000"},
				{func() { s.MainPID(7) }, "MAINPID=7"},
				{func() { s.Ping() }, "WATCHDOG=1"},
				{func() { s.Unstore("listen/a/0") }, "FDSTOREREMOVE=1\nFDNAME=listen/a/0"},
			} {
				c.say()
				if got, fds := m.receive(t); got != c.want || len(fds) > 0 {
					t.Errorf("got %q and descriptors %v, want %q", got, fds, c.want)
				}
			}
			s.Flush()
			m.nothing(t)
		})
	}
}

// systemd takes a time before its own signal for that of an earlier reload, so it must be the time of the call.
func TestNotifyReloading(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	before := monotonic()
	s.Reloading("reloading")
	after := monotonic()
	text, _ := m.receive(t)
	lines := strings.Split(text, "\n")
	if len(lines) != 3 || lines[0] != "RELOADING=1" || lines[2] != "STATUS=reloading" {
		t.Fatalf("got %q", text)
	}
	number, _ := strings.CutPrefix(lines[1], "MONOTONIC_USEC=")
	n, err := strconv.ParseInt(number, 10, 64)
	if at := time.Duration(n) * time.Microsecond; err != nil || at < before || at > after {
		t.Errorf("%s is not between %s and %s", lines[1], before, after)
	}
}

// monotonic reads CLOCK_MONOTONIC in whole microseconds.
func monotonic() time.Duration {
	const clockMonotonic = 1
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano()).Truncate(time.Microsecond)
}

// everything lets the master say all that it ever says, each longer than what makes it pointless; fd is any descriptor.
// It returns what comes of the barrier at the end.
func everything(t *testing.T, s *Manager, fd int) (barrier <-chan error) {
	s.Status("x")
	s.Reloading("x")
	s.Ready("x")
	s.ExtendTimeout(time.Second)
	s.MainPID(7)
	s.Unstore("x")
	if err := s.Store("x", fd); err != nil {
		t.Error(err)
	}
	s.Ping()
	done := make(chan error, 1)
	s.Barrier(func(err error) { done <- err })
	return done
}

func TestNobodyToNotify(t *testing.T) {
	t.Setenv(EnvNotifySocket, "")
	s := patientManager()
	if err := <-everything(t, s, 0); err != nil {
		t.Error(err)
	}
	s.Flush()
}

// heardOf has the reports of a service manager.
func heardOf(s *Manager) <-chan error {
	heard := make(chan error, 100)
	s.Report(func(err error) { heard <- err })
	return heard
}

// A socket that is not there is said once. What says how the service is waits for it; descriptors do not, and nobody waits
// for a barrier.
func TestNotifySocketGone(t *testing.T) {
	path := notifyPath(t)
	t.Setenv(EnvNotifySocket, path)
	wakeRuntime(t)
	before := testkit.Descriptors(t)
	s := patientManager()
	heard := heardOf(s)
	if err := <-everything(t, s, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("waiting for it: %v", err)
	}
	if err := <-heard; !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	testkit.Eventually(t, "closing what does not wait", func() bool { return maps.Equal(before, testkit.Descriptors(t)) })
	m := listenNotify(t, path)
	var got []string
	for range 5 {
		text, _ := m.receive(t)
		first, _, _ := strings.Cut(text, "\n")
		got = append(got, first)
	}
	if want := "WATCHDOG=1 RELOADING=1 READY=1 EXTEND_TIMEOUT_USEC=1000000 MAINPID=7"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if text, _ := m.receive(t); text != "FDSTOREREMOVE=1\nFDNAME=x" {
		t.Errorf("got %q", text)
	}
	if err := <-heard; err != nil {
		t.Errorf("when it listens again: %v", err)
	}
	s.Flush()
	m.nothing(t)
	if len(heard) > 0 {
		t.Errorf("it says more: %v", <-heard)
	}
}

// A service manager that hangs has a full queue sooner or later. Nobody waits for it, what waits for it stays short, and
// all that counts is said when it reads again.
func TestNotifySocketFull(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), New()
	s.timeout, s.pause, s.barrierTimeout = 10*time.Millisecond, time.Millisecond, patience
	heard := heardOf(s)
	sent := 0
	for deaf := false; !deaf && sent < 10_000; sent++ {
		s.ExtendTimeout(time.Duration(sent))
		s.Flush()
		deaf = len(heard) > 0
	}
	if err := <-heard; !errors.Is(err, ErrStuck) {
		t.Fatalf("after %d messages: %v", sent, err)
	}
	before := len(testkit.Descriptors(t))
	for i := range 1000 {
		s.Ready(strconv.Itoa(i))
		s.Reloading(strconv.Itoa(i))
		s.Stopping(strconv.Itoa(i))
		s.MainPID(i)
		s.Ping()
		if err := s.Store("x", 0); err != nil {
			t.Fatal(err)
		}
		s.Unstore("x")
	}
	s.mu.Lock()
	if waiting := len(s.waiting); waiting > 10 {
		t.Errorf("%d messages wait", waiting)
	}
	s.mu.Unlock()
	if now := len(testkit.Descriptors(t)); now > before+2 {
		t.Errorf("%d descriptors, %d before", now, before)
	}
	done := make(chan error, 1)
	s.Barrier(func(err error) { done <- err })
	if err := <-done; !errors.Is(err, ErrStuck) {
		t.Errorf("waiting for it: %v", err)
	}
	var last []string
	for len(last) == 0 || !strings.HasPrefix(last[len(last)-1], "FDSTOREREMOVE") {
		text, _ := m.receive(t)
		if !strings.HasPrefix(text, "EXTEND_TIMEOUT") {
			last = append(last, strings.ReplaceAll(text, "\n", " "))
		}
	}
	s.Flush()
	m.nothing(t)
	if len(last) != 5 || last[0] != "WATCHDOG=1" || !strings.HasPrefix(last[1], "RELOADING=1") || !strings.HasSuffix(last[1], "STATUS=999") ||
		last[2] != "STOPPING=1 STATUS=999" || last[3] != "MAINPID=999" {
		t.Errorf("got %q", last)
	}
	if err := <-heard; err != nil {
		t.Errorf("when it reads again: %v", err)
	}
}

func TestBarrier(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	done := make(chan error, 1)
	s.MainPID(7)
	s.Barrier(func(err error) { done <- err })
	if got, fds := m.receive(t); got != "MAINPID=7" || len(fds) > 0 {
		t.Errorf("got %q and descriptors %v", got, fds)
	}
	got, fds := m.receive(t)
	if got != "BARRIER=1" || len(fds) != 1 {
		t.Fatalf("got %q and descriptors %v", got, fds)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	syscall.Close(fds[0])
	if err := <-done; err != nil {
		t.Error(err)
	}
	m.nothing(t)
}

func TestBarrierUnanswered(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), New()
	s.barrierTimeout = 10 * time.Millisecond
	before := testkit.Descriptors(t)
	done := make(chan error, 1)
	s.Barrier(func(err error) { done <- err })
	if err := <-done; err == nil || err.Error() != "waiting for the service manager: no answer within 10ms" {
		t.Errorf("got %v", err)
	}
	s.Flush()
	if after := testkit.Descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
	m.receive(t)
	m.nothing(t)
}

func TestStatusLine(t *testing.T) {
	long := strings.Repeat("é", maxStatusBytes)
	for _, c := range []struct{ text, want string }{
		{"a.conf:1: bad\na.conf:2: worse\n", "a.conf:1: bad a.conf:2: worse"},
		{"x\nMAINPID=1", "x MAINPID=1"},
		{"a\x80b\x00c", "ab\x00c"},
		{long, long[:maxStatusBytes]},
		{"x" + long, ("x" + long)[:maxStatusBytes-1]},
	} {
		got := statusLine(c.text)
		if got != "STATUS="+c.want {
			t.Errorf("%.40q becomes %.60q", c.text, got)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%.40q becomes %.60q, which systemd ignores", c.text, got)
		}
	}
}

func TestWatchdog(t *testing.T) {
	self, parent := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, c := range []struct {
		name      string
		usec, pid string
		successor bool
		want      time.Duration
		wantPID   string
	}{
		{"first", "3000000", self, false, time.Second, self},
		{"of the master before", "3000000", parent, true, time.Second, self},
		{"of somebody else", "3000000", parent, false, 0, parent},
		{"of anybody", "3000000", "", false, time.Second, ""},
		{"of anybody, after an upgrade", "3000000", "", true, time.Second, ""},
		{"none", "", "", true, 0, ""},
		{"none, a pid is left", "", parent, true, 0, self},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv(envWatchdogPID, c.pid)
		got, err := New().Watchdog(c.successor)
		if got != c.want || err != nil || os.Getenv(envWatchdogPID) != c.wantPID {
			t.Errorf("%s: every %s, %v, pid %q; want every %s, pid %q",
				c.name, got, err, os.Getenv(envWatchdogPID), c.want, c.wantPID)
		}
	}
	for _, usec := range []string{"0", "-1", "x"} {
		t.Setenv("WATCHDOG_USEC", usec)
		if got, err := New().Watchdog(true); err == nil || got != 0 {
			t.Errorf("%q: every %s, %v", usec, got, err)
		}
	}
}
