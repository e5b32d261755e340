// Every descriptor that this package makes is non-blocking where it can block, and none survives an exec.

package sock

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// opened returns the descriptor of a call that must succeed, and closes it with the test.
func opened(t *testing.T, fd int, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	return fd
}

// at returns where a listener listens.
func at(t *testing.T, fd int) netip.AddrPort {
	t.Helper()
	addr, err := netip.ParseAddrPort(LocalAddress(fd))
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func checkFlags(t *testing.T, what string, fd int, blocking bool) {
	t.Helper()
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	if nonblock := status&unix.O_NONBLOCK != 0; nonblock == blocking {
		t.Errorf("%s: O_NONBLOCK is %v", what, nonblock)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	if flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("%s: FD_CLOEXEC is not set", what)
	}
}

func TestFlags(t *testing.T) {
	tcp, err := ListenTCP(loopback, 1, false)
	checkFlags(t, "ListenTCP", opened(t, tcp, err), false)
	path := filepath.Join(t.TempDir(), "s")
	unixListener, err := ListenUnix(path, 0, 1)
	checkFlags(t, "ListenUnix", opened(t, unixListener, err), false)
	client, _, err := ConnectTCP(at(t, tcp))
	checkFlags(t, "ConnectTCP", opened(t, client, err), false)
	local, _, err := ConnectUnix(path)
	checkFlags(t, "ConnectUnix", opened(t, local, err), false)
	accepted, err := Accept(unixListener)
	checkFlags(t, "Accept", opened(t, accepted, err), false)
	a, b, err := StreamPair()
	checkFlags(t, "StreamPair", opened(t, a, err), false)
	checkFlags(t, "StreamPair", opened(t, b, err), false)
	a, b, err = SeqpacketPair()
	checkFlags(t, "SeqpacketPair", opened(t, a, err), false)
	checkFlags(t, "SeqpacketPair", opened(t, b, err), false)
	event, err := Eventfd()
	checkFlags(t, "Eventfd", opened(t, event, err), false)
	sealed, err := MemfdSealed("test", nil)
	checkFlags(t, "MemfdSealed", opened(t, sealed, err), true)
	shared, mem, err := MemfdShared("test", 4096)
	checkFlags(t, "MemfdShared", opened(t, shared, err), true)
	Unmap(mem)
}

// What an exec and a careless holder have taken away is set again.
func TestSetInherited(t *testing.T) {
	fd, err := ListenTCP(loopback, 1, false)
	opened(t, fd, err)
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	if err := SetInherited(fd); err != nil {
		t.Fatal(err)
	}
	checkFlags(t, "SetInherited", fd, false)
	if err := SetInherited(1 << 20); err != unix.EBADF {
		t.Errorf("of no descriptor: %v", err)
	}
}

func TestReuseport(t *testing.T) {
	first, err := ListenTCP(loopback, 1, true)
	opened(t, first, err)
	second, err := ListenTCP(at(t, first), 1, true)
	opened(t, second, err)
	if at(t, first) != at(t, second) {
		t.Errorf("the group listens on %v and %v", at(t, first), at(t, second))
	}
	if fd, err := ListenTCP(at(t, first), 1, false); err != unix.EADDRINUSE || fd != -1 {
		t.Errorf("joining without reuseport: %d, %v", fd, err)
	}
	lonely, err := ListenTCP(loopback, 1, false)
	opened(t, lonely, err)
	if fd, err := ListenTCP(at(t, lonely), 1, true); err != unix.EADDRINUSE || fd != -1 {
		t.Errorf("joining who does not share: %d, %v", fd, err)
	}
}

func TestUnixPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := ListenUnix(path, 0o640, 1)
	opened(t, fd, err)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
	again, err := ListenUnix(path, 0, 1) // the path of the one before, dead or not
	opened(t, again, err)
	client, done, err := ConnectUnix(path)
	opened(t, client, err)
	if !done {
		t.Error("a connection to a unix socket stands at once")
	}
	if _, err := Accept(fd); err != unix.EAGAIN {
		t.Errorf("the former listener has a client: %v", err)
	}
	accepted, err := Accept(again)
	opened(t, accepted, err)
	if got := PeerAddress(client); got != path+":0" {
		t.Errorf("the peer is %q", got)
	}
}

func TestUnixPathOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir} {
		fd, err := ListenUnix(path, 0, 1)
		if err == nil || fd != -1 || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %d, %v", path, fd, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if _, err := ListenUnix(filepath.Join(dir, "none", "s"), 0, 1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("in no folder: %v", err)
	}
}

func TestConnectRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := ListenUnix(path, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	Close(listener)
	if fd, done, err := ConnectUnix(path); err != unix.ECONNREFUSED || fd != -1 || done {
		t.Errorf("unix: %d, %v, %v", fd, done, err)
	}
	tcp, err := ListenTCP(loopback, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	addr := at(t, tcp)
	Close(tcp)
	fd, done, err := ConnectTCP(addr)
	if err == nil && !done {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		unix.Poll(poll, -1)
		err = Error(fd)
		Close(fd)
	}
	if err != unix.ECONNREFUSED {
		t.Errorf("tcp: %v", err)
	}
}

func TestSendAndReceive(t *testing.T) {
	a, b, err := StreamPair()
	opened(t, a, err)
	opened(t, b, err)
	buf := make([]byte, 16)
	if n, err := Recv(b, buf); n != 0 || err != unix.EAGAIN {
		t.Errorf("with nothing there: %d, %v", n, err)
	}
	if n, err := Send(a, []byte("abc")); n != 3 || err != nil {
		t.Errorf("Send: %d, %v", n, err)
	}
	if n, err := Sendv(a, [][]byte{[]byte("de"), nil, []byte("f"), {}, []byte("ghi")}); n != 6 || err != nil {
		t.Errorf("Sendv: %d, %v", n, err)
	}
	if n, err := Recv(b, buf); string(buf[:n]) != "abcdefghi" || err != nil {
		t.Errorf("Recv: %q, %v", buf[:n], err)
	}
	many := slices.Repeat([][]byte{[]byte("x")}, MaxVectors+5)
	if n, err := Sendv(a, many); n != MaxVectors || err != nil {
		t.Errorf("Sendv of more than it takes: %d, %v", n, err)
	}
	for sent := 0; ; {
		n, err := Send(a, make([]byte, 1<<20))
		if err == unix.EAGAIN && sent > 0 {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	Close(b)
	if _, err := Send(a, []byte("x")); err != unix.EPIPE {
		t.Errorf("Send to who has left: %v", err)
	}
	if _, err := Sendv(a, [][]byte{[]byte("x")}); err != unix.EPIPE {
		t.Errorf("Sendv to who has left: %v", err)
	}
}

func TestEndOfStream(t *testing.T) {
	a, b, err := StreamPair()
	opened(t, a, err)
	opened(t, b, err)
	unix.Shutdown(b, unix.SHUT_WR)
	if n, err := Recv(a, make([]byte, 16)); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if err := Error(a); err != nil {
		t.Errorf("the error of a sound socket: %v", err)
	}
	if err := Error(0x7fff); err != unix.EBADF {
		t.Errorf("the error of no socket: %v", err)
	}
}

func TestOptions(t *testing.T) {
	listener, err := ListenTCP(loopback, 1, false)
	opened(t, listener, err)
	fd, _, err := ConnectTCP(at(t, listener))
	opened(t, fd, err)
	SetNoDelay(fd)
	DelayAcknowledgements(fd)
	if err := SetKeepalive(fd); err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct{ name, level, value int }{
		{unix.TCP_NODELAY, unix.IPPROTO_TCP, 1}, {unix.SO_KEEPALIVE, unix.SOL_SOCKET, 1}, {unix.TCP_QUICKACK, unix.IPPROTO_TCP, 0},
	} {
		if got, err := unix.GetsockoptInt(fd, option.level, option.name); got != option.value || err != nil {
			t.Errorf("option %d is %d, %v", option.name, got, err)
		}
	}
	if got, want := PeerAddress(fd), LocalAddress(listener); got != want {
		t.Errorf("the peer is %s, want %s", got, want)
	}
	if got := PeerAddress(listener); got != "?" {
		t.Errorf("the peer of a listener is %s", got)
	}
}

func TestAddressFamilies(t *testing.T) {
	for _, test := range []struct {
		addr   string
		family int
		want   string
	}{
		{"127.0.0.1:80", unix.AF_INET, "&{80 [127 0 0 1]"},
		{"[::ffff:127.0.0.1]:80", unix.AF_INET, "&{80 [127 0 0 1]"},
		{"[::1]:80", unix.AF_INET6, "&{80 0 [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1]"},
		{"[fe80::1%3]:80", unix.AF_INET6, "&{80 3 [254 128 0 0 0 0 0 0 0 0 0 0 0 0 0 1]"},
		{"[fe80::1%none]:80", unix.AF_INET6, "&{80 0 [254 128 0 0 0 0 0 0 0 0 0 0 0 0 0 1]"},
	} {
		addr := netip.MustParseAddrPort(test.addr)
		if got := family(addr); got != test.family {
			t.Errorf("%s: family %d, want %d", test.addr, got, test.family)
		}
		if got := fmt.Sprint(sockaddr(addr)); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s…", test.addr, got, test.want)
		}
	}
}

func TestAllocations(t *testing.T) {
	a, b, err := StreamPair()
	opened(t, a, err)
	opened(t, b, err)
	one, buf := []byte("x"), make([]byte, 16)
	vectors := [][]byte{one, one}
	if n := testing.AllocsPerRun(100, func() {
		Send(a, one)
		Sendv(a, vectors)
		Recv(b, buf)
		Recv(b, buf)
		Monotonic()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A server connection is probed: the kernel has what SetServerKeepalive says.
func TestServerKeepalive(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := SetServerKeepalive(fd); err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct{ level, option, want int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		if got, err := unix.GetsockoptInt(fd, o.level, o.option); got != o.want || err != nil {
			t.Errorf("option %d of level %d is %d (%v), want %d", o.option, o.level, got, err, o.want)
		}
	}
}
