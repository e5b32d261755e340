// What the master says to systemd and what it is given by it: the messages of sd_notify(3), the watchdog, the file
// descriptor store and the sockets of socket activation.

package master

import (
	"errors"
	"fmt"
	"io"
	"net"
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
	notifyTimeout  = time.Second     // until systemd has room for a message
	barrierTimeout = 2 * time.Second // until systemd has taken in all messages

	maxStatusBytes    = 1024 // far less than the 4096 of a whole message, which is ignored if it is longer
	maxStoreNameBytes = 255
)

var errNotifyStuck = errors.New("the service manager reads no messages")

// serviceManager is systemd as the master sees it. Without NOTIFY_SOCKET nobody is told anything, and that is no error.
// No method takes much longer than the times above, and the same error comes again with each message until systemd
// listens again. One goroutine may call.
type serviceManager struct {
	notifyTimeout  time.Duration
	barrierTimeout time.Duration
	sending        chan struct{} // holds one while a message has not gone out
}

func newServiceManager() *serviceManager {
	return &serviceManager{
		notifyTimeout:  notifyTimeout,
		barrierTimeout: barrierTimeout,
		sending:        make(chan struct{}, 1),
	}
}

// present tells whether there is a service manager that listens.
func (s *serviceManager) present() bool { return os.Getenv(envNotifySocket) != "" }

// ready says that a start, a reload or an upgrade has come to its end, a good one or not. The watchdog's time begins
// anew, which READY=1 alone does not do: with upgrades one after the other no ping would be due before it is over.
func (s *serviceManager) ready(status string) error {
	return s.tell(daemon.SdNotifyReady, daemon.SdNotifyWatchdog, statusLine(status))
}

// reloading says that a reload or an upgrade begins; ready ends it. The time tells Type=notify-reload which of several.
func (s *serviceManager) reloading(status string) error {
	now := strings.TrimSpace(daemon.SdNotifyMonotonicUsec())
	return s.tell(daemon.SdNotifyReloading, now, statusLine(status))
}

// stopping says that the service ends, asked to or not.
func (s *serviceManager) stopping(status string) error {
	return s.tell(daemon.SdNotifyStopping, statusLine(status))
}

// status changes the line that systemctl status shows.
func (s *serviceManager) status(text string) error { return s.tell(statusLine(text)) }

// extendTimeout asks for at least d from now on before a start or a stop is taken for hanging.
func (s *serviceManager) extendTimeout(d time.Duration) error {
	return s.tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// mainPID makes this process the main one of the service, in place of the master that started it, and returns when
// systemd has taken that in: the former one must not leave earlier, or its end would be that of the service. systemd
// listens to a process that is not the main one only with NotifyAccess=all, and does not say when it does not listen.
func (s *serviceManager) mainPID(status string) error {
	fault.At("notify.mainpid")
	main := "MAINPID=" + strconv.Itoa(os.Getpid())
	if err := s.tell(main, daemon.SdNotifyReady, daemon.SdNotifyWatchdog, statusLine(status)); err != nil {
		return err
	}
	return s.barrier()
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
func (s *serviceManager) ping() error {
	fault.At("watchdog")
	return s.tell(daemon.SdNotifyWatchdog)
}

// store has systemd keep a copy of a descriptor, which the next process of the service inherits under the same name,
// even after a crash. FileDescriptorStoreMax= limits how many are kept. Storing again changes nothing: a file in the
// store keeps its first name. A socket of a .socket unit is kept by systemd anyway, and would come back twice.
func (s *serviceManager) store(name string, fd int) error {
	encoded, err := encodeStoreName(name)
	if err != nil {
		return err
	}
	return s.tellWith(fd, "FDSTORE=1", "FDNAME="+encoded)
}

// unstore has systemd close its copies of all descriptors of that name.
func (s *serviceManager) unstore(name string) error {
	encoded, err := encodeStoreName(name)
	if err != nil {
		return err
	}
	return s.tell("FDSTOREREMOVE=1", "FDNAME="+encoded)
}

// tell sends one message of several assignments.
func (s *serviceManager) tell(assignments ...string) error {
	select {
	case s.sending <- struct{}{}:
	default:
		return fmt.Errorf("sending %s: %w", assignments[0], errNotifyStuck)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := daemon.SdNotify(false, strings.Join(assignments, "\n")) // waits for room as long as there is none
		<-s.sending
		sent <- err
	}()
	timer := time.NewTimer(s.notifyTimeout)
	defer timer.Stop()
	select {
	case err := <-sent:
		if err != nil {
			return fmt.Errorf("sending %s: %w", assignments[0], err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("sending %s: %w", assignments[0], errNotifyStuck)
	}
}

// tellWith sends one message with a descriptor.
func (s *serviceManager) tellWith(fd int, assignments ...string) error {
	to := os.Getenv(envNotifySocket)
	if to == "" {
		return nil
	}
	err := s.sendWith(to, fd, strings.Join(assignments, "\n"))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNotifyStuck
	}
	if err != nil {
		return fmt.Errorf("sending %s: %w", assignments[0], err)
	}
	return nil
}

func (s *serviceManager) sendWith(to string, fd int, text string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: to, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn() // WriteMsgUnix refuses datagrams of a connected socket
	if err != nil {
		return err
	}
	conn.SetWriteDeadline(time.Now().Add(s.notifyTimeout))
	var errSend error
	err = raw.Write(func(conn uintptr) bool {
		errSend = syscall.Sendmsg(int(conn), []byte(text), syscall.UnixRights(fd), nil, syscall.MSG_NOSIGNAL)
		return errSend != syscall.EAGAIN
	})
	if err != nil {
		return err
	}
	return errSend
}

// barrier waits until systemd has taken in all messages so far: then it closes the descriptor that came with this one.
func (s *serviceManager) barrier() error {
	if os.Getenv(envNotifySocket) == "" {
		return nil
	}
	if err := fault.Error("notify.barrier"); err != nil {
		return fmt.Errorf("waiting for the service manager: %w", err)
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("waiting for the service manager: %w", err)
	}
	defer ours.Close()
	err = s.tellWithFile(theirs, "BARRIER=1") // nothing else may be in it
	theirs.Close()
	if err != nil {
		return err
	}
	ours.SetReadDeadline(time.Now().Add(s.barrierTimeout))
	if _, err := io.Copy(io.Discard, ours); err != nil {
		return fmt.Errorf("waiting for the service manager: no answer within %s", s.barrierTimeout)
	}
	return nil
}

func (s *serviceManager) tellWithFile(f *os.File, assignments ...string) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errTell error
	if err := raw.Control(func(fd uintptr) { errTell = s.tellWith(int(fd), assignments...) }); err != nil {
		return err
	}
	return errTell
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
	p.listening = err == nil && accepts != 0 // an error is that of no socket
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
