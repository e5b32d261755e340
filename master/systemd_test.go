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
	s.notifyTimeout, s.barrierTimeout = patience, patience
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
				say  func() error
				want string
			}{
				{func() error { return s.ready("serving") }, "READY=1\nWATCHDOG=1\nSTATUS=serving"},
				{func() error { return s.stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
				{func() error { return s.status("2 workers") }, "STATUS=2 workers"},
				{func() error { return s.status("") }, "STATUS="},
				{func() error { return s.extendTimeout(1500 * time.Millisecond) }, "EXTEND_TIMEOUT_USEC=1500000"},
				{func() error { return s.ping() }, "WATCHDOG=1"},
				{func() error { return s.unstore("listen/a/0") }, "FDSTOREREMOVE=1\nFDNAME=listen/a/0"},
			} {
				if err := c.say(); err != nil {
					t.Fatalf("%q: %v", c.want, err)
				}
				if got, fds := m.receive(t); got != c.want || len(fds) > 0 {
					t.Errorf("got %q and descriptors %v, want %q", got, fds, c.want)
				}
			}
			m.nothing(t)
		})
	}
}

// systemd takes a time before its own signal for that of an earlier reload, so it must be the time of the call.
func TestNotifyReloading(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	before := monotonic()
	if err := s.reloading("reloading"); err != nil {
		t.Fatal(err)
	}
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

// everything lets the master say all that it ever says; fd is any descriptor.
func everything(s *serviceManager, fd int) map[string]error {
	return map[string]error{
		"READY=1":            s.ready("x"),
		"RELOADING=1":        s.reloading("x"),
		"STOPPING=1":         s.stopping("x"),
		"STATUS=x":           s.status("x"),
		"EXTEND_TIMEOUT":     s.extendTimeout(time.Second),
		"WATCHDOG=1":         s.ping(),
		"MAINPID=":           s.mainPID("x"),
		"FDSTORE=1":          s.store("x", fd),
		"FDSTOREREMOVE=1":    s.unstore("x"),
		"BARRIER=1, as such": s.barrier(),
	}
}

func TestNobodyToNotify(t *testing.T) {
	t.Setenv(envNotifySocket, "")
	for message, err := range everything(patientManager(), 0) {
		if err != nil {
			t.Errorf("%s: %v", message, err)
		}
	}
}

func TestNotifySocketGone(t *testing.T) {
	path := notifyPath(t)
	t.Setenv(envNotifySocket, path)
	freeAddress(t) // the runtime's own descriptors are open from here on
	before := descriptors(t)
	s := patientManager()
	for message, err := range everything(s, 0) {
		assignment, _, _ := strings.Cut(message, ",")
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "sending "+assignment) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", message, err)
		}
	}
	if after := descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
	m := listenNotify(t, path)
	if err := s.ready("back"); err != nil {
		t.Errorf("when it listens again: %v", err)
	}
	m.receive(t)
}

// A service manager that hangs has a full queue sooner or later. The master goes on without it, and talks to it again
// when it reads again.
func TestNotifySocketFull(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), newServiceManager()
	s.notifyTimeout = 10 * time.Millisecond
	sent := 0
	var err error
	for err == nil && sent < 10_000 {
		if err = s.status(strconv.Itoa(sent)); err == nil {
			sent++
		}
	}
	if !errors.Is(err, errNotifyStuck) {
		t.Fatalf("after %d messages: %v", sent, err)
	}
	for message, err := range everything(s, 0) {
		if !errors.Is(err, errNotifyStuck) {
			t.Errorf("%s: %v", message, err)
		}
	}
	for i := range sent + 1 { // the last one has been under way since
		if got, _ := m.receive(t); got != fmt.Sprintf("STATUS=%d", i) {
			t.Errorf("message %d is %q", i, got)
		}
	}
	s.notifyTimeout = patience
	eventually(t, "room for a message", func() bool { return s.status("again") == nil })
	if got, _ := m.receive(t); got != "STATUS=again" {
		t.Errorf("got %q", got)
	}
	m.nothing(t)
}

func TestMainPID(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), patientManager()
	done := make(chan error, 1)
	go func() { done <- s.mainPID("upgraded") }()
	want := fmt.Sprintf("MAINPID=%d\nREADY=1\nWATCHDOG=1\nSTATUS=upgraded", os.Getpid())
	if got, fds := m.receive(t); got != want || len(fds) > 0 {
		t.Errorf("got %q and descriptors %v, want %q", got, fds, want)
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

func TestMainPIDUnanswered(t *testing.T) {
	m, s := listenNotify(t, notifyPath(t)), newServiceManager()
	s.barrierTimeout = 10 * time.Millisecond
	before := descriptors(t)
	if err := s.mainPID("x"); err == nil || err.Error() != "waiting for the service manager: no answer within 10ms" {
		t.Errorf("got %v", err)
	}
	if after := descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
	m.receive(t)
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
	if err := s.unstore("listen/a:b/0"); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.receive(t); got != "FDSTOREREMOVE=1\nFDNAME=listen/a%3Ab/0" {
		t.Errorf("got %q", got)
	}
	long := "listen/" + strings.Repeat("é", 100) + "/0"
	for _, err := range []error{s.store(long, fd), s.unstore(long)} {
		if err == nil || !strings.Contains(err.Error(), "609 bytes, 255 are allowed") {
			t.Errorf("with a name too long: %v", err)
		}
	}
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
