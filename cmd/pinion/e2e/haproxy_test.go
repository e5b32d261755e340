// HAProxy in front of two Pinions: each leaves and comes back while clients work, and nobody gets an error.

package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// haproxyChecks is how often HAProxy looks; the numbers in BALANCERS.md are of PINION_HAPROXY=1s.
func haproxyChecks(t *testing.T) time.Duration {
	text := os.Getenv("PINION_HAPROXY")
	if text == "" {
		return 100 * time.Millisecond
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// haproxy is one with two servers, a and b.
type haproxy struct{ address, control string }

// haproxyConfig returns the first example of BALANCERS.md, for other addresses and with checks that come sooner.
func haproxyConfig(t *testing.T, checks time.Duration, control, address, a, b string) string {
	t.Helper()
	text, err := os.ReadFile("../../../packaging/doc/BALANCERS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```haproxy\n")
	example, _, _ = strings.Cut(example, "```")
	for _, change := range [][2]string{
		{"bind :6379", "bind " + address}, {"inter 1s", fmt.Sprintf("inter %dms", checks.Milliseconds())},
		{"10.0.0.1:22121", a}, {"10.0.0.2:22121", b},
	} {
		if strings.Count(example, change[0]) != 1 {
			t.Fatalf("the first example of BALANCERS.md has no %q:\n%s", change[0], example)
		}
		example = strings.Replace(example, change[0], change[1], 1)
	}
	return "global\n\tstats socket " + control + " level admin\n" + example
}

func startHAProxy(t *testing.T, checks time.Duration, a, b string) *haproxy {
	t.Helper()
	dir := rig.ShortDir(t)
	h := &haproxy{address: rig.FreeAddress(t), control: filepath.Join(dir, "haproxy")}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(haproxyConfig(t, checks, h.control, h.address, a, b)), 0o600); err != nil {
		t.Fatal(err)
	}
	rig.Start(t, rig.Program(t, "haproxy"), "-f", file).Answers("tcp", h.address)
	return h
}

// wants waits until HAProxy takes a server for UP or DOWN.
func (h *haproxy) wants(t *testing.T, server, status string) {
	t.Helper()
	rig.Eventually(t, server+" is "+status, func() error {
		conn, err := net.Dial("unix", h.control)
		if err != nil {
			return err
		}
		defer conn.Close()
		io.WriteString(conn, "show stat\n")
		text, err := io.ReadAll(conn)
		for line := range strings.Lines(string(text)) {
			if columns := strings.Split(line, ","); columns[0] == "redis" && columns[1] == server && columns[17] == status {
				return nil
			}
		}
		return fmt.Errorf("%v\n%s", err, text)
	})
}

// regulars come to HAProxy: some stay and ask again and again, as a library with a pool of connections does, and others
// connect for one request.
type regulars struct {
	t        *testing.T
	at       string
	done     chan struct{}
	group    sync.WaitGroup
	requests atomic.Int64
	again    atomic.Int64 // requests that met the end of the connection and were sent once more
	moved    atomic.Int64 // connections that had ended between two requests
}

func startRegulars(t *testing.T, at string) *regulars {
	r := &regulars{t: t, at: at, done: make(chan struct{})}
	for i := range 16 {
		r.group.Go(func() { r.stay(fmt.Sprint("regular", i)) })
	}
	for i := range 2 {
		r.group.Go(func() { r.comeAndGo(fmt.Sprint("guest", i)) })
	}
	return r
}

func (r *regulars) leave() {
	close(r.done)
	r.group.Wait()
}

func (r *regulars) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stay writes and reads a key over one connection for as long as that lives.
func (r *regulars) stay(key string) {
	var c *regular
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for i := 0; !r.isDone(); i++ {
		value := fmt.Sprint(i)
		for _, one := range []struct{ request, want string }{
			{rig.Request("SET", key, value), "+OK\r\n"}, {rig.Request("GET", key), rig.Bulk(value)},
		} {
			var err error
			if c, err = r.ask(c, one.request, one.want); err != nil {
				r.t.Errorf("%s, request %d: %v", key, i, err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (r *regulars) comeAndGo(key string) {
	for i := 0; !r.isDone(); i++ {
		c, err := r.ask(nil, rig.Request("SET", key, "v"), "+OK\r\n")
		if err != nil {
			r.t.Errorf("%s, request %d: %v", key, i, err)
			return
		}
		c.Close()
	}
}

// ask asks over c, or over a new connection where that is nil. If the connection ends before anything has come it asks once
// more, over another one.
func (r *regulars) ask(c *regular, request, want string) (*regular, error) {
	r.requests.Add(1)
	if c != nil && c.ended() {
		r.moved.Add(1)
		c.Close()
		c = nil
	}
	for again := false; ; again = true {
		fresh := c == nil
		if fresh {
			conn, err := net.Dial("tcp", r.at)
			if err != nil {
				return nil, err
			}
			c = &regular{conn, bufio.NewReader(conn)}
		}
		got, err := c.ask(request)
		switch {
		case err == nil && got == want:
			return c, nil
		case err == nil:
			return c, fmt.Errorf("got %q, want %q", got, want)
		case fresh || again:
			return c, fmt.Errorf("over a new connection: %w", err)
		}
		r.again.Add(1)
		c.Close()
		c = nil
	}
}

// regular is a connection.
type regular struct {
	net.Conn
	in *bufio.Reader
}

func (c *regular) ask(request string) (string, error) {
	c.SetDeadline(time.Now().Add(rig.Patience))
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	return rig.ReadRESP(c.in)
}

// ended tells whether the other side has closed the connection, as libraries look before they use one.
func (c *regular) ended() (ended bool) {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	var b [1]byte
	raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n >= 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN)
	})
	return ended
}

// A drain that is taken back, an upgrade during it, and an end on SIGTERM with another start.
func TestE2EHAProxy(t *testing.T) {
	t.Parallel()
	checks, server := haproxyChecks(t), rig.RedisServer(t)
	a, addressA := leavingPool(t, server, "  drain_delay: 0\n")
	b, addressB := leavingPool(t, server, fmt.Sprintf("  drain_delay: %d\n", 15*checks.Milliseconds()))
	h := startHAProxy(t, checks, addressA, addressB)
	h.wants(t, "a", "UP")
	h.wants(t, "b", "UP")
	clients := startRegulars(t, h.address)

	a.commands(t, "drain", "--after", "10m")
	h.wants(t, "a", "DOWN")
	a.commands(t, "upgrade")
	a.commands(t, "drain", "--undo")
	h.wants(t, "a", "UP")

	b.Signal(syscall.SIGTERM)
	h.wants(t, "b", "DOWN")
	if err := b.Wait(); err != nil {
		t.Errorf("b ended with %v\n%s", err, b.Output.String())
	}
	b.startAgain(t)
	h.wants(t, "b", "UP")

	clients.leave()
	t.Logf("%d requests, %d of them sent again; %d connections were closed between two requests", clients.requests.Load(), clients.again.Load(), clients.moved.Load())
	if clients.moved.Load()+clients.again.Load() == 0 {
		t.Error("nobody had to leave b")
	}
}
