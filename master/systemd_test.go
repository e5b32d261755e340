// The test is the service manager: it listens at NOTIFY_SOCKET, answers or not, and keeps what is stored.

package master

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// patience is longer than anything takes that does not hang.
const patience = time.Minute

// patientManager waits longer than the tests, where nothing should be waited for.
func patientManager() *serviceManager {
	s := newServiceManager()
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
	t.Setenv(envNotifySocket, path)
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

// discard takes all messages until the test ends.
func (m notifySocket) discard() {
	go func() {
		for {
			if _, err := m.conn.Read(make([]byte, 8192)); err != nil {
				return
			}
		}
	}()
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
				{func() { s.ready("serving") }, "READY=1\nWATCHDOG=1\nSTATUS=serving"},
				{func() { s.stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
				{func() { s.stopping("") }, "STOPPING=1\nSTATUS="},
				{func() { s.status("2 workers") }, "STATUS=2 workers"},
				{func() { s.extendTimeout(1500 * time.Millisecond) }, "EXTEND_TIMEOUT_USEC=1500000"},
				{func() { s.mainPID(7) }, "MAINPID=7"},
				{func() { s.ping() }, "WATCHDOG=1"},
				{func() { s.unstore("listen/a/0") }, "FDSTOREREMOVE=1\nFDNAME=listen/a/0"},
			} {
				c.say()
				if got, fds := m.receive(t); got != c.want || len(fds) > 0 {
					t.Errorf("got %q and descriptors %v, want %q", got, fds, c.want)
				}
			}
			s.flush()
			m.nothing(t)
		})
	}
}

// systemd takes a time before its own signal for that of an earlier reload, so it must be the time of the call.
func TestNotifyReloading(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	before := monotonic()
	s.reloading("reloading")
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
func everything(t *testing.T, s *serviceManager, fd int) (barrier <-chan error) {
	s.status("x")
	s.reloading("x")
	s.ready("x")
	s.extendTimeout(time.Second)
	s.mainPID(7)
	s.unstore("x")
	if err := s.store("x", fd); err != nil {
		t.Error(err)
	}
	s.ping()
	done := make(chan error, 1)
	s.barrier(func(err error) { done <- err })
	return done
}

func TestNobodyToNotify(t *testing.T) {
	t.Setenv(envNotifySocket, "")
	s := patientManager()
	if err := <-everything(t, s, 0); err != nil {
		t.Error(err)
	}
	s.flush()
}

// heardOf has the reports of a service manager.
func heardOf(s *serviceManager) <-chan error {
	heard := make(chan error, 100)
	s.listen(func(err error) { heard <- err })
	return heard
}

// A socket that is not there is said once. What says how the service is waits for it; descriptors do not, and nobody waits
// for a barrier.
func TestNotifySocketGone(t *testing.T) {
	path := notifyPath(t)
	t.Setenv(envNotifySocket, path)
	freeAddress(t) // the runtime's own descriptors are open from here on
	before := descriptors(t)
	s := patientManager()
	heard := heardOf(s)
	if err := <-everything(t, s, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("waiting for it: %v", err)
	}
	if err := <-heard; !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	eventually(t, "closing what does not wait", func() bool { return maps.Equal(before, descriptors(t)) })
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
	s.flush()
	m.nothing(t)
	if len(heard) > 0 {
		t.Errorf("it says more: %v", <-heard)
	}
}

// A service manager that hangs has a full queue sooner or later. Nobody waits for it, what waits for it stays short, and
// all that counts is said when it reads again.
func TestNotifySocketFull(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), newServiceManager()
	s.timeout, s.pause, s.barrierTimeout = 10*time.Millisecond, time.Millisecond, patience
	heard := heardOf(s)
	sent := 0
	for deaf := false; !deaf && sent < 10_000; sent++ {
		s.extendTimeout(time.Duration(sent))
		s.flush()
		deaf = len(heard) > 0
	}
	if err := <-heard; !errors.Is(err, errNotifyStuck) {
		t.Fatalf("after %d messages: %v", sent, err)
	}
	before := len(descriptors(t))
	for i := range 1000 {
		s.ready(strconv.Itoa(i))
		s.reloading(strconv.Itoa(i))
		s.stopping(strconv.Itoa(i))
		s.mainPID(i)
		s.ping()
		if err := s.store("x", 0); err != nil {
			t.Fatal(err)
		}
		s.unstore("x")
	}
	s.mu.Lock()
	if waiting := len(s.waiting); waiting > 10 {
		t.Errorf("%d messages wait", waiting)
	}
	s.mu.Unlock()
	if now := len(descriptors(t)); now > before+2 {
		t.Errorf("%d descriptors, %d before", now, before)
	}
	done := make(chan error, 1)
	s.barrier(func(err error) { done <- err })
	if err := <-done; !errors.Is(err, errNotifyStuck) {
		t.Errorf("waiting for it: %v", err)
	}
	var last []string
	for len(last) == 0 || !strings.HasPrefix(last[len(last)-1], "FDSTOREREMOVE") {
		text, _ := m.receive(t)
		if !strings.HasPrefix(text, "EXTEND_TIMEOUT") {
			last = append(last, strings.ReplaceAll(text, "\n", " "))
		}
	}
	s.flush()
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
	s.mainPID(7)
	s.barrier(func(err error) { done <- err })
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
	m, s := listenNotify(t, notifyPath(t)), newServiceManager()
	s.barrierTimeout = 10 * time.Millisecond
	before := descriptors(t)
	done := make(chan error, 1)
	s.barrier(func(err error) { done <- err })
	if err := <-done; err == nil || err.Error() != "waiting for the service manager: no answer within 10ms" {
		t.Errorf("got %v", err)
	}
	s.flush()
	if after := descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
	m.receive(t)
	m.nothing(t)
}

func TestStore(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	fd, err := sock.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), 8, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(fd)
	if err := s.store("listen/a:b/0", fd); err != nil {
		t.Fatal(err)
	}
	got, fds := m.receive(t)
	if got != "FDSTORE=1\nFDNAME=listen/a%3Ab/0" || len(fds) != 1 {
		t.Fatalf("got %q and descriptors %v", got, fds)
	}
	if inode(t, fds[0]) != inode(t, fd) {
		t.Error("another socket is stored")
	}
	if flags(fd, syscall.F_GETFL)&syscall.O_NONBLOCK == 0 || flags(fd, syscall.F_GETFD)&syscall.FD_CLOEXEC == 0 {
		t.Error("storing the listener has changed its flags")
	}
	s.unstore("listen/a:b/0")
	if got, _ := m.receive(t); got != "FDSTOREREMOVE=1\nFDNAME=listen/a%3Ab/0" {
		t.Errorf("got %q", got)
	}
	long := "listen/" + strings.Repeat("é", 100) + "/0"
	if err := s.store(long, fd); err == nil || !strings.Contains(err.Error(), "609 bytes, 255 are allowed") {
		t.Errorf("with a name too long: %v", err)
	}
	s.unstore(long)
	s.flush()
	m.nothing(t)
}

// inode returns what two descriptors of one socket have in common.
func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// Names of the store: systemd wants ASCII from the space to the tilde, without the colon.
func TestStoreNames(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, name := range []string{
		"", "listen/alpha/0", "50%", "%3A", "a:b", "a\nFDNAME=b", "café", "a b",
		string(all[:32]), string(all[32:100]), string(all[100:180]), string(all[180:]),
	} {
		encoded, err := encodeStoreName(name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if i := strings.IndexFunc(encoded, func(r rune) bool { return r < ' ' || r > '~' || r == ':' }); i >= 0 {
			t.Errorf("%q becomes %q, which systemd refuses", name, encoded)
		}
		if got := decodeStoreName(encoded); got != name {
			t.Errorf("%q becomes %q becomes %q", name, encoded, got)
		}
	}
	if got := decodeStoreName("100%.socket"); got != "100%.socket" {
		t.Errorf("a name of another origin becomes %q", got)
	}
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
		got, err := newServiceManager().watchdog(c.successor)
		if got != c.want || err != nil || os.Getenv(envWatchdogPID) != c.wantPID {
			t.Errorf("%s: every %s, %v, pid %q; want every %s, pid %q",
				c.name, got, err, os.Getenv(envWatchdogPID), c.want, c.wantPID)
		}
	}
	for _, usec := range []string{"0", "-1", "x"} {
		t.Setenv("WATCHDOG_USEC", usec)
		if got, err := newServiceManager().watchdog(true); err == nil || got != 0 {
			t.Errorf("%q: every %s, %v", usec, got, err)
		}
	}
}
