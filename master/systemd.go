// What the master says to systemd and what it is given by it: the messages of sd_notify(3), the watchdog, the file
// descriptor store and the sockets of socket activation. How messages get there is in notify.go.

package master

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// What systemd sets for the process; see sd_notify(3) and sd_watchdog_enabled(3).
const (
	envNotifySocket = "NOTIFY_SOCKET"
	envWatchdogPID  = "WATCHDOG_PID"
)

const (
	barrierTimeout = 2 * time.Second // until systemd has taken in all messages

	maxStatusBytes    = 1024 // far less than the 4096 of a whole message, which is ignored if it is longer
	maxStoreNameBytes = 255
)

// serviceManager is systemd as the master sees it. Without NOTIFY_SOCKET nobody is told anything. No method waits, but for
// flush: see notifier.
type serviceManager struct {
	notifier
	barrierTimeout time.Duration
}

func newServiceManager() *serviceManager {
	return &serviceManager{
		notifier:       notifier{timeout: notifyTimeout, pause: notifyPause},
		barrierTimeout: barrierTimeout,
	}
}

// ready says that a start, a reload or an upgrade has come to its end, a good one or not. The watchdog's time begins
// anew, which READY=1 alone does not do: with upgrades one after the other no ping would be due before it is over.
func (s *serviceManager) ready(status string) {
	s.say(noticeState, daemon.SdNotifyReady, daemon.SdNotifyWatchdog, statusLine(status))
}

// status changes the line that systemctl status shows.
func (s *serviceManager) status(text string) { s.say(noticeStatus, statusLine(text)) }

// reloading says that a reload begins; ready ends it. The time tells Type=notify-reload which of several. Until then a
// systemctl stop runs no ExecStop=, so this is for those who wait for it.
func (s *serviceManager) reloading(status string) {
	now := strings.TrimSpace(daemon.SdNotifyMonotonicUsec())
	s.say(noticeReloading, daemon.SdNotifyReloading, now, statusLine(status))
}

// stopping says that the service ends, asked to or not.
func (s *serviceManager) stopping(status string) {
	s.say(noticeState, daemon.SdNotifyStopping, statusLine(status))
}

// extendTimeout asks for at least d from now on before a start or a stop is taken for hanging.
func (s *serviceManager) extendTimeout(d time.Duration) {
	s.say(noticeTimeout, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// mainPID makes a process the main one of the service, whose end is that of the service. systemd believes the one that is
// the main process now, and others of the service only with NotifyAccess=all; it does not say when it does not listen.
func (s *serviceManager) mainPID(pid int) {
	fault.At("notify.mainpid")
	s.say(noticeMainPID, "MAINPID="+strconv.Itoa(pid))
}

// watchdog returns how often to ping, several times within WatchdogSec=; 0 = never. A successor has been started by the
// master that the variables of the environment are about, and takes its place.
func (s *serviceManager) watchdog(successor bool) (time.Duration, error) {
	if successor && os.Getenv(envWatchdogPID) != "" {
		if err := os.Setenv(envWatchdogPID, strconv.Itoa(os.Getpid())); err != nil {
			return 0, err
		}
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("reading the limit of the watchdog: %w", err)
	}
	return limit / 3, nil
}

// ping says that the master lives.
func (s *serviceManager) ping() {
	fault.At("watchdog")
	s.say(noticePing, daemon.SdNotifyWatchdog)
}

// store has systemd keep a copy of a descriptor, which the next process of the service inherits under the same name,
// even after a crash. FileDescriptorStoreMax= limits how many are kept; systemd does not say when it keeps no more.
// Storing again changes nothing: a file in the store keeps its first name. A socket of a .socket unit is kept by systemd
// anyway, and would come back twice. The error is of a name or a descriptor that cannot be stored.
func (s *serviceManager) store(name string, fd int) error {
	encoded, err := encodeStoreName(name)
	if err != nil || !s.present() {
		return err
	}
	own, err := sock.Dup(fd)
	if err != nil {
		return fmt.Errorf("storing %q: %w", name, err)
	}
	s.add(notice{text: "FDSTORE=1\nFDNAME=" + encoded, kind: noticeStore, name: name, fd: own})
	return nil
}

// unstore has systemd close its copies of all descriptors of that name.
func (s *serviceManager) unstore(name string) {
	if encoded, err := encodeStoreName(name); err == nil { // else it has none
		s.add(notice{text: "FDSTOREREMOVE=1\nFDNAME=" + encoded, kind: noticeUnstore, name: name, fd: -1})
	}
}

// barrier has done called, by another goroutine, when systemd has taken in all messages so far: then it closes the
// descriptor that came with this one. The error says that nobody knows.
func (s *serviceManager) barrier(done func(error)) {
	ours, sent, err := s.beginBarrier()
	go func() {
		if ours != nil {
			err = s.awaitBarrier(ours, sent)
		}
		if err != nil {
			err = fmt.Errorf("waiting for the service manager: %w", err)
		}
		done(err)
	}()
}

func (s *serviceManager) beginBarrier() (ours *os.File, sent <-chan error, err error) {
	if !s.present() {
		return nil, nil, nil
	}
	if err := fault.Error("notify.barrier"); err != nil {
		return nil, nil, err
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, nil, err
	}
	outcome := make(chan error, 1)
	s.add(notice{text: "BARRIER=1", kind: noticeBarrier, fd: ends[1], sent: outcome}) // nothing else may be in it
	return os.NewFile(uintptr(ends[0]), "barrier"), outcome, nil
}

// awaitBarrier waits for the end of the pipe, which means something only after its other end was sent.
func (s *serviceManager) awaitBarrier(ours *os.File, sent <-chan error) error {
	defer ours.Close()
	ours.SetReadDeadline(time.Now().Add(s.barrierTimeout))
	if _, err := io.Copy(io.Discard, ours); err != nil {
		return fmt.Errorf("no answer within %s", s.barrierTimeout)
	}
	return <-sent
}

// statusLine makes one short line of a text that can have several, as the problems of a configuration do: systemd reads
// each line as an assignment, and ignores what is not UTF-8.
func statusLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxStatusBytes {
		text = text[:maxStatusBytes]
	}
	return "STATUS=" + strings.ToValidUTF8(text, "")
}

// encodeStoreName writes what systemd does not allow in the name of a descriptor, and the percent sign, as in a URL.
func encodeStoreName(name string) (string, error) {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f || c == ':' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() > maxStoreNameBytes {
		return "", fmt.Errorf("storing %q: as the name of a descriptor it has %d bytes, %d are allowed",
			name, b.Len(), maxStoreNameBytes)
	}
	return b.String(), nil
}

// decodeStoreName reads a name as encodeStoreName has written it. Others, from a .socket unit, are what they are.
func decodeStoreName(name string) string {
	if decoded, err := url.PathUnescape(name); err == nil {
		return decoded
	}
	return name
}

// passedSocket is a descriptor that systemd has passed to the process, from a .socket unit or from the store.
type passedSocket struct {
	name      string // as stored; or FileDescriptorName=, by default the name of the .socket unit; not always unique
	fd        int    // non-blocking, close-on-exec, the caller's
	network   string // "tcp" or "unix"; empty: neither
	address   string // in the form of config.Listen, for matching by address; empty: it has none
	listening bool
}

// inherited returns the sockets that systemd has passed to this very process, in its order. To be called once, before
// any process is started: it removes LISTEN_FDS and its kin from the environment, since they are not about a worker or
// a later master. The error is of those that are missing in the result.
func (s *serviceManager) inherited() (sockets []passedSocket, err error) {
	for _, f := range activation.Files(true) {
		p, errOne := adopt(f)
		if errOne != nil {
			err = errors.Join(err, fmt.Errorf("inheriting %q: %w", f.Name(), errOne))
			continue
		}
		sockets = append(sockets, p)
	}
	return sockets, err
}

// adopt takes the descriptor out of a file, whose own is closed: the runtime would watch it along with the workers. Not
// with Fd, which may switch O_NONBLOCK off for all who share the socket.
func adopt(f *os.File) (p passedSocket, err error) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return p, err
	}
	var errDup error
	err = raw.Control(func(fd uintptr) { p.fd, errDup = syscall.Dup(int(fd)) })
	if err := errors.Join(err, errDup); err != nil {
		return p, err
	}
	if err := sock.SetInherited(p.fd); err != nil {
		sock.Close(p.fd)
		return p, err
	}
	p.name = decodeStoreName(f.Name())
	p.network, p.address = boundTo(p.fd)
	accepts, err := syscall.GetsockoptInt(p.fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	p.listening = err == nil && accepts != 0 && !sock.Unrouted(p.fd) // an error is that of no socket
	return p, nil
}

// boundTo returns the network and the canonical address of a stream socket, and nothing for any other descriptor.
func boundTo(fd int) (network, address string) {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil || kind != syscall.SOCK_STREAM {
		return "", ""
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return "", ""
	}
	switch a := bound.(type) {
	case *syscall.SockaddrInet4:
		return "tcp", netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *syscall.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.ZoneId)))
		}
		return "tcp", netip.AddrPortFrom(ip, uint16(a.Port)).String()
	case *syscall.SockaddrUnix:
		if strings.HasPrefix(a.Name, "/") {
			return "unix", path.Clean(a.Name)
		}
		return "unix", a.Name // abstract, relative, or none
	}
	return "", ""
}
