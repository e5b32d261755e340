// Package poll waits for readiness of descriptors with epoll, edge-triggered.
//
// An edge is reported once per change. Its receiver reads until the kernel has no more (a short read says so) and writes
// until it takes no more; after that the next edge is certain. Every descriptor is watched for both directions from the
// start, so that backpressure costs no system call: a connection that is not to be read is just not read.
//
// A registration is identified by a Token, never by the descriptor's number: numbers are reused at once, and an event may be
// in flight for the descriptor that had it before.
package poll

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// Token identifies one registration: an index into the caller's table and the sequence number of its use.
type Token struct{ Index, Seq uint32 }

// Event is what has become possible on a descriptor.
type Event struct {
	Token    Token
	Readable bool // data, end of stream or error: read to learn which
	Writable bool
	Broken   bool // the connection is reset
	Hangup   bool // the peer has closed or the connection broke: a short read is not the last
}

// Poller is one epoll instance. Loop only.
type Poller struct {
	fd    int
	timer int   // of Alarm
	alarm int64 // when it is due, ns of CLOCK_MONOTONIC; 0 = off
	raw   []unix.EpollEvent
	out   []Event
	calm  bool          // the last wait ended without an event
	ts    unix.Timespec // of the wait under way; here, since the kernel's argument must not lie on a stack that may move
}

const eventsPerWait = 512

// New makes a Poller.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &Poller{fd: fd, raw: make([]unix.EpollEvent, eventsPerWait), out: make([]Event, 0, eventsPerWait)}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err == nil {
		err = p.control(unix.EPOLL_CTL_ADD, p.timer, alarmToken, unix.EPOLLIN|unix.EPOLLET)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close ends the Poller; the descriptors stay open.
func (p *Poller) Close() error {
	if p.timer > 0 {
		unix.Close(p.timer)
	}
	return unix.Close(p.fd)
}

// Sleep looks away for a moment: unlike Wait it does not end with the first event. It is meant for less than a
// millisecond, and not announced to the Go scheduler. A signal ends it early.
func (p *Poller) Sleep(d time.Duration) {
	p.ts = unix.NsecToTimespec(int64(d))
	unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&p.ts)), 0, 0, 0)
}

// alarmToken is what the timer is registered with; no caller's table is that long.
var alarmToken = Token{Index: 1<<32 - 1}

// Alarm has a Wait end at that time, in ns of CLOCK_MONOTONIC, or before. The timer is the kernel's and stays armed over
// any number of waits: a timeout would be armed and cancelled with each of them, which costs more than the wait.
func (p *Poller) Alarm(at int64) error {
	if p.alarm != 0 && p.alarm <= at {
		return nil
	}
	p.alarm = at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(at, 1))}
	return unix.TimerfdSettime(p.timer, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

// Add watches fd for both directions, edge-triggered.
func (p *Poller) Add(fd int, token Token) error {
	if _, err := fault.Call("watch", fd, 0); err != nil {
		return err
	}
	return p.control(unix.EPOLL_CTL_ADD, fd, token, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// AddListener watches a listening socket, level-triggered: a queue that was not emptied is reported again. With shared
// only one of the processes that watch the socket is woken for a connection.
func (p *Poller) AddListener(fd int, token Token, shared bool) error {
	if _, err := fault.Call("watch", fd, 0); err != nil {
		return err
	}
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
	if errno == unix.EINTR { // events may have come all the same, as with the signal that ends a stop
		n, errno = p.wait(0)
	}
	if timeout != 0 {
		p.calm = n <= 0 // a signal is no event
	}
	p.out = p.out[:0]
	if errno != 0 && errno != unix.EINTR {
		return nil, errno
	}
	for i := range p.raw[:n] {
		if ev := decode(&p.raw[i]); ev.Token != alarmToken {
			p.out = append(p.out, ev)
		} else {
			p.alarm = 0 // and need not be read: the next expiry is a new edge
		}
	}
	return p.out, nil
}

// wait is one epoll_pwait2, whose timeout has the resolution of the kernel's timers. Before Linux 5.11 there is only
// epoll_pwait, in whole milliseconds.
//
// A wait is announced to the Go scheduler only after one that brought nothing. Between announced waits of a loop with
// work to do, the runtime's monitor would take its processor away every 10 ms and then look after it every 20 µs, which
// is up to a tenth of the CPU time. A wait that is not announced it ends after 10 to 20 ms, with a signal, as it ends
// any code that runs for so long; so a loop that has become idle still gives its processor back.
func (p *Poller) wait(timeout time.Duration) (n int, errno unix.Errno) {
	var limit *unix.Timespec
	if timeout >= 0 {
		p.ts = unix.NsecToTimespec(int64(timeout))
		limit = &p.ts
	}
	call := unix.Syscall6
	if timeout == 0 || !p.calm {
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
		Broken:   raw.Events&unix.EPOLLERR != 0,
		Hangup:   raw.Events&broken != 0,
	}
}
