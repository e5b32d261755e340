// The worker of the process tests: this test binary, executed again by the master under test.

package master

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		work()
		return
	}
	os.Unsetenv(systemd.EnvNotifySocket) // the tests may run in a service, which is not theirs
	os.Exit(m.Run())
}

// self is what a worker tells every client about itself, as one line of JSON.
type self struct {
	PID, Group  int
	Args, Env   []string
	CPUs        []int // that it may run on
	Procs       int   // GOMAXPROCS
	Spec        link.Spec
	Descriptors map[int]string // number: what it is
	NonBlocking []bool         // of each listener
	CloseOnExec map[int]bool   // of each descriptor: set on the worker's own, not on what it inherits
}

// panicLines is how many lines a panicking worker adds to its first one: more than are read before it is dead.
const panicLines = 1000

// work is a small worker: it says Ready, tells every client about itself, panics for a client of the unix socket,
// drains at once, and ends with its master.
func work() {
	me := examine()
	shared, err := sock.Map(link.FDShared, link.SharedBytes(link.ServerCounts(me.Spec.Pools), me.Spec.Slots))
	fatal(err)
	counters, err := link.OpenShared(shared, link.ServerCounts(me.Spec.Pools), me.Spec.Slots)
	fatal(err)
	text, err := json.Marshal(me)
	fatal(err)
	for i, l := range me.Spec.Listeners {
		f := os.NewFile(uintptr(link.FDListen+i), l.Address)
		go accept(f, func(c *os.File) {
			if l.Shared {
				panic("as told" + strings.Repeat("\nand more", panicLines))
			}
			atomic.AddUint64(counters.Worker(me.Spec.Slot)[link.TotalConnections], 1)
			c.Write(append(text, '\n'))
		})
	}
	master := os.NewFile(link.FDMaster, "worker link")
	master.Write(link.AppendMessage(nil, link.Message{Kind: link.Log, Body: []byte("\x05hello\nfrom a worker")}))
	master.Write(link.AppendMessage(nil, link.Message{Kind: link.Ready}))
	buf := make([]byte, link.MaxMessageBytes)
	for {
		n, err := master.Read(buf)
		if err != nil {
			os.Exit(0)
		}
		m, err := link.ParseMessage(buf[:n])
		fatal(err)
		if m.Kind == link.Quit {
			os.Exit(0)
		}
		if m.Kind == link.Drain {
			master.Write(link.AppendMessage(nil, link.Message{Kind: link.Drained}))
			os.Exit(0)
		}
	}
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "test worker:", err)
		os.Exit(1)
	}
}

// accept serves one connection after the other and leaves the listener non-blocking.
func accept(l *os.File, serve func(c *os.File)) {
	raw, err := l.SyscallConn()
	fatal(err)
	for {
		var fd int
		raw.Read(func(listener uintptr) bool {
			fd, err = sock.Accept(int(listener))
			return err != syscall.EAGAIN
		})
		fatal(err)
		c := os.NewFile(uintptr(fd), "client")
		serve(c)
		c.Close()
	}
}

// examine looks around before anything is changed.
func examine() self {
	me := self{
		PID:         os.Getpid(),
		Group:       syscall.Getpgrp(),
		Args:        os.Args,
		Env:         os.Environ(),
		Descriptors: map[int]string{},
		CloseOnExec: map[int]bool{},
	}
	text, err := sock.ReadAll(link.FDSpec)
	fatal(err)
	fatal(json.Unmarshal(text, &me.Spec))
	me.CPUs, err = sock.Affinity()
	fatal(err)
	me.Procs = runtime.GOMAXPROCS(0)
	for fd := range 1024 {
		if to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil {
			me.Descriptors[fd] = to
			me.CloseOnExec[fd] = flags(fd, syscall.F_GETFD)&syscall.FD_CLOEXEC != 0
		}
	}
	for i := range me.Spec.Listeners {
		me.NonBlocking = append(me.NonBlocking, flags(link.FDListen+i, syscall.F_GETFL)&syscall.O_NONBLOCK != 0)
	}
	return me
}

func flags(fd, which int) int {
	n, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(which), 0)
	return int(n)
}

// ask connects to a worker and returns what it tells about itself.
func consult(address string) (self, error) {
	var me self
	c, err := net.Dial("tcp", address)
	if err != nil {
		return me, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return me, json.NewDecoder(c).Decode(&me)
}
