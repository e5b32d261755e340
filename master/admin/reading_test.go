package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestReadingPath(t *testing.T) {
	for path, want := range map[string]string{
		"/run/pinion/ctl.sock": "/run/pinion/ctl-status.sock", "ctl": "ctl-status", "/a.b/ctl": "/a.b/ctl-status", "x.y.z": "x.y-status.z",
	} {
		if got := ReadingPath(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// Whatever the umask is, the group may connect and nobody else; one socket takes the place of another without a moment between; what is
// no socket stays.
func TestListenForReading(t *testing.T) {
	path := ReadingPath(socketPath(t))
	for _, umask := range []int{0, 0o777} {
		before := syscall.Umask(umask)
		fd, err := ListenForReading(path, os.Getegid())
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		defer sock.Close(fd)
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != os.ModeSocket|0o660 || info.Sys().(*syscall.Stat_t).Gid != uint32(os.Getegid()) {
			t.Errorf("umask %03o: %v, %v", umask, info.Mode(), err)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file: "it exists and is not a socket; remove it", "/nowhere/ctl-status.sock": "no such file or directory", "/" + strings.Repeat("x", 104): "too long",
	} {
		if fd, err := ListenForReading(path, os.Getegid()); fd != -1 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d, %v, want %s", path, fd, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "x" {
		t.Errorf("the file in the way has %q, %v", text, err)
	}
}

// The socket for reading passes on questions, and refuses what commands with the path where that belongs.
func TestServeForReading(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	asks, done := make(chan *Ask), make(chan struct{})
	s := ServeForReading(l, asks, others(), done, "/run/pinion/ctl.sock")
	t.Cleanup(func() { s.Close(0) })
	go func() {
		for a := range asks {
			a.Reply <- Outcome{Status: &Status{PID: 7}}
		}
	}()
	for request, want := range map[string]string{
		"GET /status":         "200 OK",
		"POST /reload":        "403 Forbidden",
		"POST /stop?now=1":    "403 Forbidden",
		"POST /status":        "403 Forbidden",
		"POST /clients/kill":  "403 Forbidden",
		"POST /slowlog/reset": "403 Forbidden",
		"GET /monitor":        "403 Forbidden",
		"GET /other":          "403 Forbidden",
		"GET /":               "403 Forbidden",
	} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s HTTP/1.0\r\n\r\n", request)
		answer, err := io.ReadAll(c)
		c.Close()
		if err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %q, %v, want %s", request, answer, err, want)
		}
		if strings.HasPrefix(want, "403") && !strings.Contains(string(answer), "it is for /run/pinion/ctl.sock, which user ") {
			t.Errorf("%s: the answer does not say where that belongs: %s", request, answer)
		}
	}
	close(asks)
}

// Permissions that somebody has widened do not widen who may command.
func TestStrangersCommandNothing(t *testing.T) {
	own := os.Geteuid()
	for _, test := range []struct {
		of      caller
		refused bool
	}{
		{caller{pid: 7, uid: own}, false},
		{caller{pid: 7, uid: 0, other: own != 0}, false},
		{caller{pid: 7, uid: own + 1, other: true}, true},
		{caller{pid: 0, uid: 65534, other: true}, false}, // of another namespace: the kernel has let it connect
	} {
		r := httptest.NewRequest(http.MethodPost, "/stop", nil)
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, test.of))
		if why := (&Server{}).forbids(r); (why != "") != test.refused {
			t.Errorf("%+v: %q", test.of, why)
		}
	}
}

// In use is what the kernel says of a path with a file that is no socket, too: nobody serves there.
func TestListenErrorOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "it exists and is not a socket; remove it", dir + "/none": "another Pinion is alive there"} {
		if err := ListenError(path, syscall.EADDRINUSE); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
