package master

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// The permissions are the same whatever the umask is, which is 0 for a daemon.
func TestListenAdminPermissions(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		path := socketPath(t)
		before := syscall.Umask(umask)
		fd, err := listenAdmin(path, nil, listen.LockPatience)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		defer sock.Close(fd)
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("umask %03o: %v, %v", umask, info.Mode(), err)
		}
	}
}

// A socket that somebody listens on is left alone; one that was left behind is replaced.
func TestListenAdminTwice(t *testing.T) {
	path := socketPath(t)
	first, err := listenAdmin(path, nil, listen.LockPatience)
	if err != nil {
		t.Fatal(err)
	}
	if fd, err := listenAdmin(path, nil, listen.LockPatience); fd != -1 || err == nil || !strings.Contains(err.Error(),
		`" (admin socket): address already in use; another Pinion is alive there; see pinion status --control `+path) {
		t.Errorf("got %d, %v", fd, err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first does not listen any more: %v", err)
	} else {
		c.Close()
	}
	sock.Close(first)
	second, err := listenAdmin(path, nil, listen.LockPatience)
	if err != nil {
		t.Fatal(err)
	}
	sock.Close(second)
}

func TestListenAdminErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 107))
	for path, want := range map[string]string{
		filepath.Join(dir, "none/ctl.sock"): `no such file or directory; create the directory "` + filepath.Join(dir, "none") +
			`", or choose another path with --control, or control in the file`,
		filepath.Join(file, "ctl.sock"): "not a directory; choose another path with --control, or control in the file",
		file:                            "exists and is not a socket; remove it or choose another path",
		long:                            "is too long for a socket, which takes 107; choose a shorter one with --control",
	} {
		fd, err := listenAdmin(path, nil, listen.LockPatience)
		if fd != -1 || err == nil || !strings.HasPrefix(err.Error(), `listening on "`+path+`" (admin socket): `) ||
			!strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %d, %v, want %s", fd, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file in the way has %q, %v", text, err)
	}
	_, err := admin.Listen("/run/ctl.sock", func(func() error) error { return syscall.EACCES }) // root is never denied
	if !strings.HasSuffix(err.Error(), `permission denied; let user `+strconv.Itoa(os.Geteuid())+` write to the directory "/run", `+
		"or choose another path with --control, or control in the file") {
		t.Errorf("got %v", err)
	}
}

// A path of the greatest length that is allowed works.
func TestListenAdminLongestPath(t *testing.T) {
	path := socketPath(t)
	path += strings.Repeat("x", 107-len(path)) // see unix(7)
	fd, err := listenAdmin(path, nil, listen.LockPatience)
	if err != nil {
		t.Fatal(err)
	}
	sock.Close(fd)
}

// The listener is a copy: the socket outlives it, stays non-blocking, and who connected meanwhile is served by the next.
func TestAdminListenerIsACopy(t *testing.T) {
	path := socketPath(t)
	fd, err := listenAdmin(path, nil, listen.LockPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(fd)
	for range 2 {
		l, err := admin.Listener(fd)
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("unix", path) // the second time before anybody has accepted on the new listener
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("after the end of the listener: %v", err)
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		if errno != 0 || flags&syscall.O_NONBLOCK == 0 {
			t.Errorf("flags %#x, %v: blocking", flags, errno)
		}
		waiting, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("connecting while nobody accepts: %v", err)
		}
		defer waiting.Close()
	}
}

// socketPath returns a path that is short enough for a socket, whatever the name of the test is.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "ctl.sock")
}
