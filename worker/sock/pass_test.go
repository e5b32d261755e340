// Descriptors that travel: they arrive, fit for the receiver, and none gets lost when there is no room for all.

package sock

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func seqpacket(t *testing.T) (a, b int) {
	t.Helper()
	a, b, err := SeqpacketPair()
	opened(t, a, err)
	opened(t, b, nil)
	return a, b
}

func closeAll(fds []int) {
	for _, fd := range fds {
		Close(fd)
	}
}

func TestPassing(t *testing.T) {
	for _, count := range []int{0, 1, 2, 3, 252, MaxFDs} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			before := openDescriptors(t)
			a, b := seqpacket(t)
			var sent []int
			for range count {
				fd, err := Eventfd()
				sent = append(sent, opened(t, fd, err))
			}
			if err := SendFDs(a, []byte("hello"), sent); err != nil {
				t.Fatal(err)
			}
			buf, fds := make([]byte, 100), make([]int, MaxFDs)
			n, got, truncated, err := RecvFDs(b, buf, fds)
			defer closeAll(fds[:got])
			if string(buf[:n]) != "hello" || got != count || truncated || err != nil {
				t.Fatalf("received %q, %d descriptors, truncated %v, %v", buf[:n], got, truncated, err)
			}
			for i, fd := range fds[:got] {
				checkFlags(t, "received", fd, false)
				Wake(sent[i])
				var word [8]byte
				if n, err := unix.Read(fd, word[:]); n != 8 || err != nil {
					t.Errorf("descriptor %d is not what was sent: %d, %v", i, n, err)
				}
			}
			if now := openDescriptors(t); now != before+2+2*count {
				t.Errorf("%d descriptors are open, want %d", now, before+2+2*count)
			}
		})
	}
}

func TestTooManyToPass(t *testing.T) {
	a, _ := seqpacket(t)
	if err := SendFDs(a, []byte("x"), make([]int, MaxFDs+1)); err != unix.EINVAL {
		t.Errorf("%d descriptors: %v", MaxFDs+1, err)
	}
}

// What has no room is said to be missing, and what has come is there to be closed.
func TestTruncated(t *testing.T) {
	for room := range 4 {
		before := openDescriptors(t)
		a, b := seqpacket(t)
		fd, err := Eventfd()
		opened(t, fd, err)
		if err := SendFDs(a, []byte("x"), []int{fd, fd, fd, fd}); err != nil {
			t.Fatal(err)
		}
		fds := make([]int, room)
		n, got, truncated, err := RecvFDs(b, make([]byte, 1), fds)
		if n != 1 || got != room || !truncated || err != nil {
			t.Errorf("room for %d: %d bytes, %d descriptors, truncated %v, %v", room, n, got, truncated, err)
		}
		closeAll(fds[:got])
		if now := openDescriptors(t); now != before+3 {
			t.Errorf("room for %d: %d descriptors are open, want %d", room, now, before+3)
		}
	}
}

// A process that may open no more descriptors learns so, and still gets the message.
func TestTruncatedByLimit(t *testing.T) {
	a, b := seqpacket(t)
	fd, err := Eventfd()
	opened(t, fd, err)
	if err := SendFDs(a, []byte("x"), []int{fd, fd, fd}); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	lowest, err := unix.Dup(fd)
	opened(t, lowest, err)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest) + 2, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	fds := make([]int, 3)
	n, got, truncated, err := RecvFDs(b, make([]byte, 1), fds)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	closeAll(fds[:got])
	if n != 1 || got >= 3 || !truncated || err != nil {
		t.Errorf("%d bytes, %d descriptors, truncated %v, %v", n, got, truncated, err)
	}
}

func TestPassingEnds(t *testing.T) {
	a, b, err := SeqpacketPair()
	if err != nil {
		t.Fatal(err)
	}
	opened(t, b, nil)
	buf, fds := make([]byte, 10), make([]int, 1)
	if _, _, _, err := RecvFDs(b, buf, fds); err != unix.EAGAIN {
		t.Errorf("before anything was sent: %v", err)
	}
	for err = nil; err == nil; {
		err = SendFDs(a, []byte("full"), nil)
	}
	if err != unix.EAGAIN {
		t.Errorf("a full socket: %v", err)
	}
	Close(a)
	for {
		n, _, _, err := RecvFDs(b, buf, fds)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if string(buf[:n]) != "full" {
			t.Fatalf("received %q", buf[:n])
		}
	}
	if err := SendFDs(b, []byte("x"), nil); err != unix.EPIPE {
		t.Errorf("sending to nobody: %v", err)
	}
}

func TestMemfdGathered(t *testing.T) {
	var many [][]byte
	for i := range 3000 {
		many = append(many, fmt.Appendf(nil, "%d,", i))
	}
	big := bytes.Repeat([]byte("0123456789"), 300_000)
	for _, parts := range [][][]byte{
		nil, {nil}, {[]byte("a")}, {nil, []byte("a"), nil, nil, []byte("bc"), nil}, many, {big, []byte("x"), big},
	} {
		want := bytes.Join(parts, nil)
		fd, err := MemfdGathered("test", parts)
		opened(t, fd, err)
		if got, err := ReadAll(fd); !bytes.Equal(got, want) || err != nil {
			t.Errorf("read %d bytes, want %d, %v", len(got), len(want), err)
		}
		mem, err := MapSealed(fd)
		if err != nil || !bytes.Equal(mem, want) {
			t.Errorf("mapped %d bytes, want %d, %v", len(mem), len(want), err)
		}
		if err := Unmap(mem); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(bytes.Join(parts, nil), want) {
			t.Error("writing has changed what was written")
		}
	}
}

// A mapping of a file that its owner can still cut would kill who reads it.
func TestMapSealed(t *testing.T) {
	fd, mem, err := MemfdShared("test", 4096)
	opened(t, fd, err)
	defer Unmap(mem)
	if _, err := MapSealed(fd); err == nil {
		t.Error("what is not sealed can be mapped")
	}
	event, err := Eventfd()
	opened(t, event, err)
	if _, err := MapSealed(event); err == nil {
		t.Error("what is no memory file can be mapped")
	}
}
