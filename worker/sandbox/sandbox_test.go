//go:build !fault

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	kernel "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/pinion-proxy/pinion/worker/link"
)

// confinedVariable tells a process of this test that it is the one to be confined: there is no way back for it. Its
// value is the directory of its parent.
const confinedVariable = "PINION_TEST_CONFINED"

// Each attempt is made by a thread that was there before and by one that comes later.
func TestConfine(t *testing.T) {
	if dir := os.Getenv(confinedVariable); dir != "" {
		attemptAll(t, dir)
		return
	}
	if abi, err := kernel.LandlockGetABIVersion(); err != nil || abi < 4 {
		t.Skipf("the kernel's Landlock has version %d, ports need 4 (%v)", abi, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	abstract, err := net.Listen("unix", abstractName("parent", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	for _, kind := range []string{"addresses", "names", "discovered"} {
		c := exec.Command(os.Args[0], "-test.run=^TestConfine$", "-test.v")
		c.Env = append(os.Environ(), confinedVariable+"="+dir, "PINION_TEST_SERVERS="+kind)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		reach(abstractName("child", c.Process.Pid))
		if err := c.Wait(); err != nil || !strings.Contains(out.String(), "attempts made") {
			t.Errorf("%s: %v\n%s", kind, err, out.String())
		}
	}
}

func abstractName(whose string, pid int) string { return fmt.Sprintf("@pinion-test-%s-%d", whose, pid) }

// reach connects to a process that is to be confined, as soon as that listens.
func reach(name string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if c, err := net.Dial("unix", name); err == nil {
			c.Close()
			return
		}
	}
}

func attemptAll(t *testing.T, dir string) {
	tcp, other := listenTCP(t), listenTCP(t)
	path := filepath.Join(dir, os.Getenv("PINION_TEST_SERVERS")+".sock")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	servers := []link.Server{{Network: "tcp", Address: tcp}, {Network: "unix", Address: path}}
	kind := os.Getenv("PINION_TEST_SERVERS")
	discovered := kind == "discovered"
	named := kind == "names" || discovered // who knows what will be discovered
	if kind == "names" {
		servers = append(servers, link.Server{Network: "tcp", Address: "localhost:6379"})
	}

	type attempt struct {
		what    string
		allowed bool
		do      func() error
	}
	attempts := []attempt{
		{"connecting to a server", true, connectTo("tcp", tcp)},
		{"connecting to a server's unix socket", true, connectTo("unix", path)},
		{"connecting to another port", discovered, connectTo("tcp", other)},
		{"listening", false, listenOnce},
		{"reading a file", false, func() error { _, err := os.ReadFile(filepath.Join(dir, "secret")); return err }},
		{"writing a file", false, func() error { return os.WriteFile(filepath.Join(dir, "new"), nil, 0o644) }},
		{"removing a file", false, func() error { return os.Remove(filepath.Join(dir, "secret")) }},
		{"reading /proc", false, func() error { _, err := os.ReadFile("/proc/self/environ"); return err }},
		{"executing", false, func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) }},
		{"reading what the resolver reads", named, func() error { _, err := os.ReadFile("/etc/hosts"); return err }},
		{"writing there", false, func() error { _, err := os.OpenFile("/etc/hosts", os.O_WRONLY, 0); return err }},
	}
	if abi, _ := kernel.LandlockGetABIVersion(); abi >= 6 {
		attempts = append(attempts, []attempt{
			{"signalling the master", false, func() error { return syscall.Kill(os.Getppid(), 0) }},
			{"signalling itself", true, func() error { return syscall.Kill(os.Getpid(), 0) }},
			{"connecting to an abstract socket", false, connectTo("unix", abstractName("parent", os.Getppid()))},
		}...)
	} else {
		t.Logf("the kernel's Landlock has version %d, signals and abstract sockets need 6", abi)
	}
	try := func(thread string) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for _, a := range attempts {
			err := a.do()
			if a.allowed && err != nil {
				t.Errorf("%s, %s: %v, want no error", thread, a.what, err)
			}
			if !a.allowed && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EPERM) {
				t.Errorf("%s, %s: %v, want it refused", thread, a.what, err)
			}
		}
	}
	confined := make(chan struct{})
	var threads sync.WaitGroup
	for i := range 4 {
		ready := make(chan struct{})
		threads.Go(func() {
			runtime.LockOSThread()
			close(ready)
			<-confined
			try(fmt.Sprint("early thread ", i))
		})
		<-ready
	}
	pools := []link.Pool{{Servers: servers}}
	topology := link.StaticTopology(pools)
	topology.Pools[0].Discovers = discovered
	if err := Confine(&link.Spec{Pools: pools, Topology: topology}); err != nil {
		t.Fatal(err)
	}
	close(confined)
	threads.Wait()
	for i := range 4 {
		threads.Go(func() { try(fmt.Sprint("late thread ", i)) })
	}
	threads.Wait()
	// An orphan offers itself like this: it binds an abstract name, and the next master connects.
	offer, err := net.Listen("unix", abstractName("child", os.Getpid()))
	if err == nil {
		offer.(*net.UnixListener).SetDeadline(time.Now().Add(20 * time.Second))
		_, err = offer.Accept()
	}
	if err != nil {
		t.Errorf("being reached at an abstract socket: %v", err)
	}
	if addrs, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", "localhost"); named && (err != nil || len(addrs) == 0) {
		t.Errorf("looking up localhost: %v %v", addrs, err)
	}
	t.Log("attempts made")
}

func listenTCP(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func connectTo(network, address string) func() error {
	return func() error {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
		}
		return err
	}
}

// listenOnce asks for no multipath TCP, of which Landlock knows nothing.
func listenOnce() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// The successor of a file that is allowed by its directory is allowed, too.
func TestReadableOfLinks(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/file", link); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(readable([]string{link}))
	for _, want := range []string{dir, filepath.Join(dir, "sub")} {
		if !strings.Contains(got, want+" ") && !strings.Contains(got, want+"]") {
			t.Errorf("a link and its target allow %s, want %s among it", got, want)
		}
	}
}
