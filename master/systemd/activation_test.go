// Socket activation: the test binary, executed again as a process that inherits sockets.

package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/master/testkit"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// envInherit makes the test binary a process that inherits sockets and tells what it got.
const envInherit = "PINION_TEST_INHERIT"

// child is what that process tells, as JSON.
type child struct {
	Sockets []childSocket
	Err     string
	Env     []string       // what is left of LISTEN_…
	Held    map[string]int // how many descriptors each socket has
}

type childSocket struct {
	Name, Network, Address string
	Listening              bool
	NonBlock, CloseOnExec  bool
	Holds                  string // what /proc calls it
}

func init() {
	if os.Getenv(envInherit) != "" {
		fatal(json.NewEncoder(os.Stdout).Encode(inherit()))
		os.Exit(0)
	}
}

func inherit() child {
	me := child{Held: map[string]int{}}
	sockets, err := New().Inherited()
	if err != nil {
		me.Err = err.Error()
	}
	for _, s := range sockets {
		holds, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.FD))
		fatal(err)
		me.Sockets = append(me.Sockets, childSocket{
			Name: s.Name, Network: s.Network, Address: s.Address, Listening: s.Listening, Holds: holds,
			NonBlock:    flags(s.FD, syscall.F_GETFL)&syscall.O_NONBLOCK != 0,
			CloseOnExec: flags(s.FD, syscall.F_GETFD)&syscall.FD_CLOEXEC != 0,
		})
	}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "LISTEN_") {
			me.Env = append(me.Env, e)
		}
	}
	links, err := filepath.Glob("/proc/self/fd/*")
	fatal(err)
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil {
			me.Held[to]++
		}
	}
	return me
}

// runChild runs that process with descriptors from 3 on; pid is what the shell calls it, $$ for the process itself.
func runChild(t *testing.T, pid, count, names string, fds ...int) child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "export LISTEN_PID="+pid+`; exec "$0"`, self)
	cmd.Env = append(os.Environ(), envInherit+"=1", "LISTEN_FDS="+count, "LISTEN_FDNAMES="+names)
	cmd.Stderr = os.Stderr
	for _, fd := range fds {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fd), "passed"))
	}
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	var h child
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return h
}

// bareSocket makes a socket; addr nil: not bound.
func bareSocket(t *testing.T, family, kind int, addr syscall.Sockaddr, listen bool) int {
	t.Helper()
	fd, err := syscall.Socket(family, kind|syscall.SOCK_CLOEXEC, 0)
	if err == nil && addr != nil {
		err = syscall.Bind(fd, addr)
	}
	if err == nil && listen {
		err = syscall.Listen(fd, 8)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// portOf returns the text of a socket's port.
func portOf(t *testing.T, fd int) string {
	t.Helper()
	_, p, err := net.SplitHostPort(sock.LocalAddress(fd))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInherited(t *testing.T) {
	dir := t.TempDir()
	local := [4]byte{127, 0, 0, 1}
	abstract := fmt.Sprintf("@pinion-test-%d", os.Getpid())
	stream, datagram := syscall.SOCK_STREAM, syscall.SOCK_DGRAM
	v4 := bareSocket(t, syscall.AF_INET, stream, &syscall.SockaddrInet4{Addr: local}, true)
	twin := bareSocket(t, syscall.AF_INET, stream, &syscall.SockaddrInet4{}, true)
	path := bareSocket(t, syscall.AF_UNIX, stream, &syscall.SockaddrUnix{Name: dir + "//s"}, true)
	noPath := bareSocket(t, syscall.AF_UNIX, stream, &syscall.SockaddrUnix{Name: abstract}, true)
	bound := bareSocket(t, syscall.AF_INET, stream|syscall.SOCK_NONBLOCK, &syscall.SockaddrInet4{Addr: local}, false)
	udp := bareSocket(t, syscall.AF_INET, datagram, &syscall.SockaddrInet4{Addr: local}, false)
	file, err := sock.MemfdSealed("passed", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []childSocket{
		{Name: "alpha", Network: "tcp", Address: "127.0.0.1:" + portOf(t, v4), Listening: true},
		{Name: "alpha", Network: "tcp", Address: "0.0.0.0:" + portOf(t, twin), Listening: true},
		{Name: "100%.socket", Network: "unix", Address: dir + "/s", Listening: true},
		{Name: "listen/a:é", Network: "unix", Address: abstract, Listening: true},
		{Name: "bound", Network: "tcp", Address: "127.0.0.1:" + portOf(t, bound)},
		{Name: "udp"},
		{Name: "file"},
	}
	h := runChild(t, "$$", "7", "alpha:alpha:100%.socket:listen/a%3A%C3%A9:bound:udp:file",
		v4, twin, path, noPath, bound, udp, file)
	h.check(t, want)
}

// An IPv4 address has one text, whichever family its socket is of.
func TestInheritedIPv6(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == syscall.EAFNOSUPPORT {
		t.Skip("the kernel has no IPv6")
	}
	syscall.Close(fd)
	mapped := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
	v6 := bareSocket(t, syscall.AF_INET6, syscall.SOCK_STREAM, &syscall.SockaddrInet6{}, true)
	v4 := bareSocket(t, syscall.AF_INET6, syscall.SOCK_STREAM, &syscall.SockaddrInet6{Addr: mapped}, true)
	want := []childSocket{
		{Name: "a", Network: "tcp", Address: "[::]:" + portOf(t, v6), Listening: true},
		{Name: "b", Network: "tcp", Address: "127.0.0.1:" + portOf(t, v4), Listening: true},
	}
	runChild(t, "$$", "2", "a:b", v6, v4).check(t, want)
}

// check wants these sockets, each held once, with the flags that a listener needs, and a clean environment.
func (h child) check(t *testing.T, want []childSocket) {
	t.Helper()
	if h.Err != "" || len(h.Env) > 0 || len(h.Sockets) != len(want) {
		t.Fatalf("got %d sockets, error %q, environment %v", len(h.Sockets), h.Err, h.Env)
	}
	for i, got := range h.Sockets {
		if !got.NonBlock || !got.CloseOnExec {
			t.Errorf("%s: non-blocking %v, close-on-exec %v", got.Name, got.NonBlock, got.CloseOnExec)
		}
		if n := h.Held[got.Holds]; n != 1 {
			t.Errorf("%s: %d descriptors hold it", got.Name, n)
		}
		got.NonBlock, got.CloseOnExec, got.Holds = false, false, ""
		if got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
}

// What was meant for a shell that has started this process, or for the master before it, is none of its business.
func TestInheritedByAnother(t *testing.T) {
	fd := bareSocket(t, syscall.AF_INET, syscall.SOCK_STREAM, nil, false)
	if h := runChild(t, "1", "1", "alpha", fd); len(h.Sockets) > 0 || h.Err != "" || len(h.Env) > 0 {
		t.Errorf("got %+v", h)
	}
}

// LISTEN_FDS may promise more than there is.
func TestInheritedMissing(t *testing.T) {
	wakeRuntime(t)
	before := testkit.Descriptors(t)
	if _, err := adopt(os.NewFile(1<<20, "alpha")); !errors.Is(err, syscall.EBADF) {
		t.Errorf("got %v", err)
	}
	if after := testkit.Descriptors(t); !maps.Equal(before, after) {
		t.Errorf("descriptors before: %v\nafter: %v", before, after)
	}
}
