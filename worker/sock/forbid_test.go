// What a filter forbids is tried by a process of its own: there is no way back for it.

package sock

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const forbidVariable = "PINION_TEST_FORBID"

func TestForbid(t *testing.T) {
	if os.Getenv(forbidVariable) != "" {
		attemptForbidden(t)
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestForbid$", "-test.v")
	c.Env = append(os.Environ(), forbidVariable+"=1")
	out, err := c.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "attempts made") {
		if strings.Contains(text, "--- SKIP") {
			t.Skip(text)
		}
		t.Errorf("%v\n%s", err, text)
	}
}

func attemptForbidden(t *testing.T) {
	if err := refusal(unix.SYS_EXECVE); err != unix.EFAULT {
		t.Fatalf("executing nothing before the filter: %v, want %v", err, unix.EFAULT)
	}
	confined := make(chan struct{})
	var threads sync.WaitGroup
	for range 4 {
		ready := make(chan struct{})
		threads.Go(func() {
			runtime.LockOSThread()
			close(ready)
			<-confined
			attemptOnThread(t)
		})
		<-ready
	}
	if err := Forbid(); errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		t.Skip("no filters here: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	close(confined)
	threads.Wait()
	for range 4 {
		threads.Go(func() { attemptOnThread(t) })
	}
	threads.Wait()
	if err := Forbid(); err != nil {
		t.Errorf("forbidding once more: %v", err)
	}
	t.Log("attempts made")
}

// attemptOnThread takes the thread for good: others must be started for those that come later.
func attemptOnThread(t *testing.T) {
	runtime.LockOSThread()
	for _, call := range slices.Concat(append(forbidden, forbiddenHere)...) {
		if runtime.GOARCH == "amd64" && (call == 57 || call == 58) {
			continue // fork and vfork, whose child would go on with this program, were they allowed; clone(2) is tried below
		}
		if err := refusal(uintptr(call)); err != unix.EPERM {
			t.Errorf("system call %d: %v, want %v", call, err, unix.EPERM)
		}
	}
	for call, want := range map[uintptr]unix.Errno{
		unix.SYS_CLONE3: unix.ENOSYS, foreignCalls + unix.SYS_GETPID: unix.EPERM, 1 << 31: unix.EPERM, foreignCalls - 1: unix.ENOSYS,
	} {
		if err := refusal(call); err != want {
			t.Errorf("system call %#x: %v, want %v", call, err, want)
		}
	}
	if pid, _, err := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); err == 0 && pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	} else if err != unix.EPERM {
		t.Errorf("starting a process: %v, want %v", err, unix.EPERM)
	}
	checkAllowed(t)
}

// refusal makes a call with arguments by which none does harm, should it be allowed.
func refusal(call uintptr) unix.Errno {
	const nothing = ^uintptr(0)
	_, _, err := unix.RawSyscall6(call, nothing, nothing, nothing, nothing, nothing, nothing)
	return err
}

// checkAllowed does what a worker does: memory that is shared, the passing of descriptors, timers. Names are tried by worker/sandbox.
func checkAllowed(t *testing.T) {
	memory, mapped, err := MemfdShared("test", 4096)
	if err != nil {
		t.Error(err)
		return
	}
	defer Close(memory)
	defer Unmap(mapped)
	event, err := Eventfd()
	if err != nil {
		t.Error(err)
		return
	}
	defer Close(event)
	a, b, err := SeqpacketPair()
	if err != nil {
		t.Error(err)
		return
	}
	defer CloseAll([]int{a, b})
	if err := SendFDs(a, []byte("x"), []int{memory, event}); err != nil {
		t.Error(err)
	}
	fds := make([]int, 2)
	if _, got, _, err := RecvFDs(b, make([]byte, 8), fds); err != nil || got != 2 {
		t.Errorf("receiving descriptors: got %d, %v", got, err)
	}
	CloseAll(fds)
	time.Sleep(time.Microsecond)
	runtime.GC()
}
