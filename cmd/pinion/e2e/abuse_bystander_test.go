// Who looks on while a worker is attacked, and notices whether it is kept waiting.
//
// How long a reply takes is no measure where tests run side by side: most of it is time in which somebody else has the
// CPU. So what is judged is what the worker can help: the CPU time that it spends, on whomever, between the arrival of
// the question and that of the reply. The watcher reads the worker's CPU clock before it asks and after it has got the
// reply, both of which it may come to late. How late, it knows: from the clock on the wall, around the question, and from
// the time that the kernel notes when bytes arrive. In that time the worker can have spent no more than all of it, so it
// is taken off. What is left is spent for certain, on a quiet machine and on a busy one.

package e2e_test

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

const (
	// bystanderCPU is how much of the worker's CPU time may pass while a bystander waits for a reply.
	bystanderCPU = 50 * time.Millisecond
	// bystanderDelay is when a bystander counts as forgotten, by somebody who spends no CPU time on it.
	bystanderDelay = 30 * time.Second
)

// bystander asks the same question again and again, on one connection.
type bystander struct {
	watcher   *rig.Client
	raw       syscall.RawConn // of the watcher
	worker    int             // its pid
	ask, want string
	replies   atomic.Int64
	stop      chan struct{}
	done      chan struct{}
	longest   time.Duration // of a reply; valid once done is closed
	spent     time.Duration // the most CPU time of the worker during one; valid once done is closed
	err       error         // valid once done is closed
}

func lookOn(t *testing.T, p *rig.Proxy, worker int, memcache bool) *bystander {
	t.Helper()
	b := &bystander{watcher: p.Dial(), worker: worker, stop: make(chan struct{}), done: make(chan struct{})}
	if memcache {
		b.ask, b.want = "get k3\r\n", "VALUE k3 0 2\r\nok\r\nEND\r\n"
		b.watcher.Send("set k3 0 0 2\r\nok\r\n")
	} else {
		b.ask, b.want = rig.Request("GET", "k3"), rig.Bulk("ok")
		b.watcher.Send(rig.Request("SET", "k3", "ok"))
	}
	if got := b.watcher.Reply(); got != "STORED\r\n" && got != "+OK\r\n" {
		t.Fatalf("the bystander's first reply is %q", got)
	}
	var err error
	if b.raw, err = b.watcher.Conn.(*net.TCPConn).SyscallConn(); err == nil {
		err = noteArrivals(b.raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "having the kernel note arrivals, which it begins to do in its own time", b.question)
	go b.run()
	t.Cleanup(func() { b.watcher.Conn.Close(); <-b.done })
	b.meanwhile(1)
	return b
}

func (b *bystander) run() {
	defer close(b.done)
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-pause.C:
		}
		if b.err = b.question(); b.err != nil {
			return
		}
		b.replies.Add(1)
	}
}

// question asks once.
func (b *bystander) question() error {
	b.watcher.Conn.SetDeadline(time.Now().Add(rig.Patience))
	before, err := cpuTime(b.worker)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := io.WriteString(b.watcher.Conn, b.ask); err != nil {
		return err
	}
	asked := time.Now()
	got, arrived, err := readNoted(b.raw, len(b.want))
	if err != nil || got != b.want {
		return fmt.Errorf("got %.200q (%v)", got, err)
	}
	after, err := cpuTime(b.worker)
	if err != nil {
		return err
	}
	late := asked.Sub(start) + max(time.Since(arrived), 0)
	b.longest = max(b.longest, arrived.Sub(start))
	b.spent = max(b.spent, after-before-late)
	return nil
}

// cpuTime returns what a process has used of CPU time, all its threads together, to the nanosecond (its clock is that of
// clock_getcpuclockid(3)).
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var at syscall.Timespec
	clock := int32(^pid<<3 | scheduler)
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&at)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, errno)
	}
	return time.Duration(at.Nano()), nil
}

// noteArrivals has the kernel note when bytes arrive.
func noteArrivals(raw syscall.RawConn) (err error) {
	return cmp.Or(raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	}), err)
}

// readNoted reads n bytes and returns when the last of them arrived.
func readNoted(raw syscall.RawConn, n int) (text string, arrived time.Time, err error) {
	space, notes := make([]byte, n), make([]byte, 128)
	for got := 0; got < n && err == nil; {
		var read, noted int
		failed := raw.Read(func(fd uintptr) bool {
			read, noted, _, _, err = syscall.Recvmsg(int(fd), space[got:], notes, 0)
			return err != syscall.EAGAIN
		})
		switch {
		case failed != nil:
			err = failed
		case err == nil && read == 0:
			err = io.EOF
		}
		if err != nil {
			return string(space[:got]), arrived, err
		}
		got += read
		arrived, err = arrival(notes[:noted])
	}
	return string(space), arrived, err
}

// arrival reads the note of noteArrivals.
func arrival(notes []byte) (time.Time, error) {
	messages, err := syscall.ParseSocketControlMessage(notes)
	for _, m := range messages {
		if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_TIMESTAMPNS {
			at := (*syscall.Timespec)(unsafe.Pointer(unsafe.SliceData(m.Data)))
			return time.Unix(at.Unix()), nil
		}
	}
	return time.Time{}, fmt.Errorf("the kernel does not say when bytes arrived (%v)", err)
}

// meanwhile waits until the bystander has got n more replies, each of which takes a millisecond or more: a thousand take
// their time where others have the CPU, so that patience is for one of them, not for all.
func (b *bystander) meanwhile(n int64) {
	b.watcher.T.Helper()
	for goal := b.replies.Load() + n; b.replies.Load() < goal; {
		next := b.replies.Load() + 1
		rig.Eventually(b.watcher.T, "serving the bystander", func() error {
			select {
			case <-b.done:
				b.watcher.T.Fatalf("the bystander, after %d replies: %v", b.replies.Load(), b.err)
			default:
			}
			if n := b.replies.Load(); n < next {
				return fmt.Errorf("%d replies so far", n)
			}
			return nil
		})
	}
}

// leave ends the bystander's questions and judges the replies.
func (b *bystander) leave() {
	t := b.watcher.T
	t.Helper()
	b.meanwhile(10)
	close(b.stop)
	<-b.done
	t.Logf("the bystander: %d replies, the slowest in %v, the most CPU time spent meanwhile %v", b.replies.Load(),
		b.longest.Round(100*time.Microsecond), b.spent.Round(100*time.Microsecond))
	if b.err != nil || b.longest >= bystanderDelay {
		t.Errorf("the bystander waited %v, may wait %v; %v", b.longest, bystanderDelay, b.err)
	}
	if b.spent > bystanderCPU {
		t.Errorf("the worker spent %v of CPU time while the bystander waited for a reply, may spend %v", b.spent, bystanderCPU)
	}
}
