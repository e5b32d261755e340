// Memory files, event descriptors, and what a thread asks of the kernel's scheduler and clock.

package sock

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEventfd(t *testing.T) {
	fd, err := Eventfd()
	opened(t, fd, err)
	readable := func() bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(poll, 0)
		return n == 1
	}
	for range 2 {
		if readable() {
			t.Error("readable before it was woken")
		}
		Wake(fd)
		Wake(fd)
		if !readable() {
			t.Error("not readable after it was woken")
		}
		Calm(fd)
	}
}

func TestAffinity(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, whatever it is bound to by then
	before, err := Affinity()
	if err != nil || len(before) == 0 || !slices.IsSorted(before) {
		t.Fatalf("%v, %v", before, err)
	}
	for _, cpus := range [][]int{before[:1], before[len(before)-1:], before} {
		if err := SetAffinity(cpus); err != nil {
			t.Fatal(err)
		}
		if got, err := Affinity(); !slices.Equal(got, cpus) || err != nil {
			t.Errorf("bound to %v: %v, %v", cpus, got, err)
		}
	}
	if err := SetAffinity(nil); err != unix.EINVAL {
		t.Errorf("bound to no CPU: %v", err)
	}
	if err := SetTimerSlack(1); err != nil {
		t.Error(err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); got != 1 || err != nil {
		t.Errorf("the timer slack is %d, %v", got, err)
	}
}

// The clock is the kernel's, read once, and the runtime's since: the two are compared by processes in milliseconds.
func TestMonotonic(t *testing.T) {
	const apart = int64(10 * time.Millisecond)
	var ts unix.Timespec
	before := Monotonic()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	after := Monotonic()
	if before <= 0 || after < before || ts.Nano() < before-apart || ts.Nano() > after+apart {
		t.Errorf("%d, %d, %d", before, ts.Nano(), after)
	}
}

func TestMemfdSealed(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("0123456789"), 100_000)} {
		fd, err := MemfdSealed("test", data)
		opened(t, fd, err)
		for range 2 { // whoever has read before
			if got, err := ReadAll(fd); !bytes.Equal(got, data) || err != nil {
				t.Errorf("read %d of %d bytes, %v", len(got), len(data), err)
			}
		}
		if _, err := unix.Pwrite(fd, []byte("y"), 0); err != unix.EPERM {
			t.Errorf("writing: %v", err)
		}
		if err := unix.Ftruncate(fd, 1<<20); err != unix.EPERM {
			t.Errorf("growing: %v", err)
		}
		if _, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			t.Error("it can be mapped for writing")
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != unix.EPERM {
			t.Errorf("sealing again: %v", err)
		}
	}
}

func TestMemfdShared(t *testing.T) {
	const size = 3 * 4096
	fd, mem, err := MemfdShared("test", size)
	opened(t, fd, err)
	if len(mem) != size || slices.Max(mem) != 0 {
		t.Errorf("%d bytes of which the greatest is %d", len(mem), slices.Max(mem))
	}
	other, err := Map(fd, size)
	if err != nil {
		t.Fatal(err)
	}
	mem[size-1] = 7
	if other[size-1] != 7 {
		t.Error("the two mappings are not the same memory")
	}
	for _, size := range []int64{0, size - 1, size + 1} {
		if err := unix.Ftruncate(fd, size); err != unix.EPERM {
			t.Errorf("resizing to %d: %v", size, err)
		}
	}
	for _, m := range [][]byte{mem, other} {
		if err := Unmap(m); err != nil {
			t.Error(err)
		}
	}
	if _, err := ReadAll(1 << 20); err != unix.EBADF {
		t.Errorf("reading no descriptor: %v", err)
	}
}

// Memory of another process is mapped only if it stays as long as it is.
func TestMapWhole(t *testing.T) {
	const size = 5000
	fd, mem, err := MemfdShared("test", size)
	opened(t, fd, err)
	mem[size-1] = 7
	got, err := MapWhole(fd)
	if err != nil || len(got) != size || got[size-1] != 7 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, m := range [][]byte{mem, got} {
		if err := Unmap(m); err != nil {
			t.Error(err)
		}
	}
	empty, err := memfd(t, 0, unix.F_SEAL_SHRINK)
	opened(t, empty, err)
	loose, err := memfd(t, size, 0)
	opened(t, loose, err)
	sealed, err := MemfdSealed("test", []byte("x"))
	opened(t, sealed, err)
	socket, _, err := SeqpacketPair()
	opened(t, socket, err)
	for fd, want := range map[int]string{
		empty: "is empty", loose: "is not sealed", sealed: "not permitted", socket: "it is none", 1 << 20: "bad file descriptor",
	} {
		if mem, err := MapWhole(fd); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("descriptor %d: %d bytes, %v, want %q", fd, len(mem), err, want)
		}
	}
}

// memfd makes a memory file with these seals.
func memfd(t *testing.T, size int64, seals int) (int, error) {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err == nil {
		err = unix.Ftruncate(fd, size)
	}
	if err == nil && seals != 0 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	return fd, err
}

// A file whose size makes no sense is not read.
func TestReadAllHuge(t *testing.T) {
	fd, err := memfd(t, maxReadBytes+1, 0)
	opened(t, fd, err)
	if _, err := ReadAll(fd); err == nil || !strings.Contains(err.Error(), "make sense") {
		t.Errorf("got %v", err)
	}
}

// What is in a memory file is for those to whom its descriptor is passed.
func TestMemfdIsClosedToOthers(t *testing.T) {
	sealed, err := MemfdSealed("pinion-test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer Close(sealed)
	shared, mem, err := MemfdShared("pinion-test", 8)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(shared)
	defer Unmap(mem)
	for _, fd := range []int{sealed, shared} {
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&0o777 != 0 {
			t.Errorf("its mode is %o, %v", stat.Mode, err)
		}
	}
}
