// Clients who count what happens to them while the program that serves them is replaced by another one.

package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// residents are clients who stay connected, and connect again when their connection is closed.
type residents struct {
	address  string
	thinks   time.Duration // between two requests
	gone     chan struct{}
	all      sync.WaitGroup
	answered atomic.Int64
	cut      atomic.Int64 // connections that have had replies, and were closed
	lost     atomic.Int64 // of those, where a request was under way
	refused  atomic.Int64 // connections that were not made, or closed without a reply
	why      atomic.Value // of the latest refusal
}

var errClosed = errors.New("it was closed between two requests")

func newResidents(address string, n int) *residents {
	r := &residents{address: address, thinks: 20 * time.Millisecond * time.Duration(1+n/100), gone: make(chan struct{})}
	for range n {
		r.all.Go(r.live)
	}
	return r
}

func (r *residents) live() {
	for !r.left() {
		served, lost, err := r.stay()
		switch {
		case err == nil:
		case served:
			r.cut.Add(1)
			if lost {
				r.lost.Add(1)
			}
		default:
			r.refused.Add(1)
			r.why.Store(err.Error())
			time.Sleep(time.Millisecond)
		}
	}
}

func (r *residents) left() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// stay asks over one connection until that ends, and tells whether it was ever answered there, and whether a request was not.
func (r *residents) stay() (served, lost bool, err error) {
	dialed, err := net.Dial("tcp", r.address)
	if err != nil {
		return false, true, err
	}
	conn := dialed.(*net.TCPConn)
	defer conn.Close()
	const request, reply = "*2\r\n$3\r\nGET\r\n$5\r\nstays\r\n", "$1\r\nv\r\n"
	got := make([]byte, len(reply))
	for !r.left() {
		if _, err := io.WriteString(conn, request); err != nil {
			return served, true, err
		}
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != reply {
			return served, true, fmt.Errorf("reply %q, %w", got, err)
		}
		served = true
		r.answered.Add(1)
		if r.think(conn) {
			return served, false, errClosed
		}
	}
	return served, false, nil
}

// think waits for a while, and tells whether the connection has ended meanwhile. On a busy machine that has to be asked last of all.
func (r *residents) think(conn *net.TCPConn) (ended bool) {
	time.Sleep(r.thinks)
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = err != syscall.EAGAIN
	})
	return ended || err != nil
}

// serve waits until they have been answered a number of times more.
func (r *residents) serve(t *testing.T, n int64) {
	t.Helper()
	until := r.answered.Load() + n
	rig.Eventually(t, "serving the clients", func() error {
		if at := r.answered.Load(); at < until {
			return fmt.Errorf("%d of %d", at, until)
		}
		return nil
	})
}

func (r *residents) leave() {
	close(r.gone)
	r.all.Wait()
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
