package admin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// dialVariable has this test, executed again as another user, connect to a name.
const dialVariable = "PINION_TEST_DIAL"

// listenAt opens an admin socket that counts who is accepted.
func listenAt(t *testing.T, name string) (accepted chan struct{}) {
	t.Helper()
	fd, err := Listen(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(fd)
	l, err := Listener(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	accepted = make(chan struct{}, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	return accepted
}

func TestNamesAreFound(t *testing.T) {
	pid := os.Getpid()
	name := Name(pid, 0)
	if want := fmt.Sprintf("@pinion/control/%d/%d", os.Geteuid(), pid); name != want || Name(pid, 1) != want+"-2" {
		t.Fatalf("names %s, %s", name, Name(pid, 1))
	}
	if slices.Contains(Find(os.Geteuid()), name) {
		t.Fatal("found before anybody listens")
	}
	accepted := listenAt(t, name)
	if fd, err := Listen(name, nil); fd != -1 || err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second one: %d, %v", fd, err)
	}
	if !slices.Contains(Find(os.Geteuid()), name) || !slices.Contains(FindAll(), name) {
		t.Errorf("%s is not found among %v", name, FindAll())
	}
	<-accepted
	if slices.Contains(Find(os.Geteuid()+1), name) {
		t.Error("found as another user's")
	}
}

// A master of another pid namespace has another number there, and could not see who asks.
func TestNamesFromElsewhere(t *testing.T) {
	name := Name(os.Getpid()+1, 0)
	listenAt(t, name)
	if names := append(Find(os.Geteuid()), FindAll()...); slices.Contains(names, name) {
		t.Errorf("%s is found", name)
	}
	if _, err := DialSoon(name); !errors.Is(err, ErrElsewhere) {
		t.Errorf("dialling it: %v", err)
	}
	if err := OutOfReach()[name]; !errors.Is(err, ErrElsewhere) {
		t.Errorf("out of reach is %v", err)
	}
}

// A name says whose it is, and nobody else can have it: neither are masters of others found, nor spoken to.
func TestNamesOfOthers(t *testing.T) {
	pretended := fmt.Sprintf("%s%d/%d", namePrefix, os.Geteuid()+1, os.Getpid())
	listenAt(t, pretended)
	if names := append(Find(os.Geteuid()+1), FindAll()...); slices.Contains(names, pretended) {
		t.Errorf("%s is found, which user %d has made", pretended, os.Geteuid())
	}
}

// Another user is not even accepted, and does not speak to a stranger.
func TestOthersAreNotAccepted(t *testing.T) {
	if name := os.Getenv(dialVariable); name != "" {
		dialAsOther(name)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	name := Name(os.Getpid(), 7)
	accepted := listenAt(t, name)
	for uid, want := range map[uint32]string{0: "dial <nil>, accepted", 65534: "dial it belongs to user 0, closed"} {
		c := exec.Command("/proc/self/exe", "-test.run=^TestOthersAreNotAccepted$")
		c.Env = append(os.Environ(), dialVariable+"="+name)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("user %d: %v, %s, want %s", uid, err, out, want)
		}
	}
	if n := len(accepted); n != 2 {
		t.Errorf("%d were accepted, want the two of root", n)
	}
}

// dialAsOther tells whether a client would speak to a master, and whether the master takes one that does.
func dialAsOther(name string) {
	c, err := DialSoon(name)
	if err == nil {
		c.Close()
	}
	if operr, ok := err.(*net.OpError); ok {
		err = operr.Err
	}
	plain, errPlain := net.Dial("unix", name)
	if errPlain != nil {
		fmt.Println(errPlain)
		return
	}
	plain.SetReadDeadline(time.Now().Add(time.Second / 4))
	_, errRead := plain.Read(make([]byte, 1))
	what := map[bool]string{true: "closed", false: "accepted"}[errRead == io.EOF]
	fmt.Printf("dial %v, %s\n", err, what)
}
