package sock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A queue of two is filled by three, as the kernel counts; who comes then is dropped.
func TestAcceptQueue(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 2); err != nil {
		t.Fatal(err)
	}
	if q, err := AcceptQueueOf(fd); err != nil || q != (AcceptQueue{Limit: 2}) {
		t.Fatalf("at first %+v, %v", q, err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer Close(c)
		if err := unix.Connect(c, at); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
	var q AcceptQueue
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until) && (q.Waiting < 3 || q.Dropped < 3); time.Sleep(time.Millisecond) {
		if q, err = AcceptQueueOf(fd); err != nil {
			t.Fatal(err)
		}
	}
	if q.Waiting != 3 || q.Limit != 2 || q.Dropped < 3 {
		t.Errorf("got %+v", q)
	}
}

func TestAcceptQueueOfOthers(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	if q, err := AcceptQueueOf(fd); err == nil {
		t.Errorf("got %+v", q)
	}
}
