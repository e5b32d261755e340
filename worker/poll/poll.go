// Package poll waits for readiness of descriptors with epoll, edge-triggered.
//
// An edge is reported once per change. The one who is told reads until the kernel has no more (a short read says so) and
// writes until it takes no more; after that the next edge is certain. Every descriptor is watched for both directions
// from the start, so that back-pressure costs no system call: who does not want to read just does not read.
//
// A registration is identified by a Token, never by the descriptor's number: numbers are used again at once, and an
// event may be in flight for the one before.
package poll

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Token identifies one registration: an index into the caller's table and the sequence number of its use.
type Token struct{ Index, Seq uint32 }

// Event tells what became possible.
type Event struct {
	Token    Token
	Readable bool // data, end of stream or error: read to learn which
	Writable bool
	Hangup   bool // the peer has closed or the connection broke: a short read is not the last
}

// Poller is one epoll instance. Loop only.
type Poller struct {
	fd  int
	raw []unix.EpollEvent
	out []Event
	ts  unix.Timespec // of the wait under way; here, since the kernel's argument must not lie on a stack that may move
}

const eventsPerWait = 512

// New makes a Poller.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Poller{fd: fd, raw: make([]unix.EpollEvent, eventsPerWait), out: make([]Event, 0, eventsPerWait)}, nil
}

// Close ends the Poller; the descriptors stay open.
func (p *Poller) Close() error { return unix.Close(p.fd) }

// Add watches fd for both directions, edge-triggered.
func (p *Poller) Add(fd int, token Token) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, token, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// AddListener watches a listening socket, level-triggered: a queue that was not emptied is reported again. With shared
// only one of the processes that watch the socket is woken for a connection.
func (p *Poller) AddListener(fd int, token Token, shared bool) error {
	var events uint32 = unix.EPOLLIN
	if shared {
		events |= unix.EPOLLEXCLUSIVE
	}
	return p.control(unix.EPOLL_CTL_ADD, fd, token, events)
}

// Remove ends the watch over fd. It must come before fd is closed or handed to another process, since a registration
// belongs to the open file description and would outlive this number.
func (p *Poller) Remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, Token{}, 0) }

func (p *Poller) control(op, fd int, token Token, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(token.Index), Pad: int32(token.Seq)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Wait returns what became possible, waiting at most for timeout (negative = without end). The events are valid until
// the next Wait. A signal ends the wait early, with no events.
func (p *Poller) Wait(timeout time.Duration) ([]Event, error) {
	n, errno := p.wait(timeout)
	p.out = p.out[:0]
	if errno != 0 {
		if errno == unix.EINTR {
			return p.out, nil
		}
		return nil, errno
	}
	for i := range p.raw[:n] {
		p.out = append(p.out, decode(&p.raw[i]))
	}
	return p.out, nil
}

// wait is one epoll_pwait2, whose timeout has the resolution of the kernel's timers. Before Linux 5.11 there is only
// epoll_pwait, in whole milliseconds. A wait that does not block need not be announced to the Go scheduler.
func (p *Poller) wait(timeout time.Duration) (n int, errno unix.Errno) {
	var limit *unix.Timespec
	if timeout >= 0 {
		p.ts = unix.NsecToTimespec(int64(timeout))
		limit = &p.ts
	}
	call := unix.Syscall6
	if timeout == 0 {
		call = unix.RawSyscall6
	}
	r, _, errno := call(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.raw[0])), uintptr(len(p.raw)),
		uintptr(unsafe.Pointer(limit)), 0, 0)
	if errno != unix.ENOSYS {
		return int(r), errno
	}
	millis := -1
	if timeout >= 0 {
		millis = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	r, _, errno = call(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.raw[0])), uintptr(len(p.raw)),
		uintptr(millis), 0, 0)
	return int(r), errno
}

func decode(raw *unix.EpollEvent) Event {
	const broken = unix.EPOLLERR | unix.EPOLLHUP | unix.EPOLLRDHUP
	return Event{
		Token:    Token{Index: uint32(raw.Fd), Seq: uint32(raw.Pad)},
		Readable: raw.Events&(unix.EPOLLIN|broken) != 0,
		Writable: raw.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0,
		Hangup:   raw.Events&broken != 0,
	}
}
