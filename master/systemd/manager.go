// What the master says to systemd: the messages of sd_notify(3) and the watchdog. How they get there is in notifier.go.

package systemd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/pinion-proxy/pinion/worker/fault"
)

// What systemd sets for the process; see sd_notify(3) and sd_watchdog_enabled(3).
const (
	EnvNotifySocket = "NOTIFY_SOCKET"
	envWatchdogPID  = "WATCHDOG_PID"
)

const (
	barrierTimeout = 2 * time.Second // until systemd has processed all messages

	maxStatusBytes = 1024 // far less than the 4096 of a whole message, which is ignored if it is longer
)

// Manager is systemd as the master sees it. Without NOTIFY_SOCKET every method does nothing. No method waits, but for Flush:
// see notifier.
type Manager struct {
	notifier
	barrierTimeout time.Duration
}

// New returns the one that the environment of the process tells of.
func New() *Manager {
	return &Manager{
		notifier:       notifier{timeout: notifyTimeout, pause: notifyPause},
		barrierTimeout: barrierTimeout,
	}
}

// Ready says that a start, a reload or an upgrade has come to its end, a good one or not. The watchdog's time begins
// anew, which READY=1 alone does not do: with upgrades one after the other no ping would be due before it is over.
func (s *Manager) Ready(status string) {
	s.say(noticeState, daemon.SdNotifyReady, daemon.SdNotifyWatchdog, statusLine(status))
}

// Status changes the line that systemctl status shows.
func (s *Manager) Status(text string) { s.say(noticeStatus, statusLine(text)) }

// Reloading says that a reload begins; ready ends it. The time tells Type=notify-reload which of several. Until then a
// systemctl stop runs no ExecStop=, so this is for those who wait for it.
func (s *Manager) Reloading(status string) {
	now := strings.TrimSpace(daemon.SdNotifyMonotonicUsec())
	s.say(noticeReloading, daemon.SdNotifyReloading, now, statusLine(status))
}

// Stopping says that the service ends, asked to or not.
func (s *Manager) Stopping(status string) {
	s.say(noticeState, daemon.SdNotifyStopping, statusLine(status))
}

// ExtendTimeout asks for at least d from now on before a start or a stop is taken for hanging.
func (s *Manager) ExtendTimeout(d time.Duration) {
	s.say(noticeTimeout, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// MainPID makes a process the main one of the service, whose end is that of the service. systemd believes the one that is
// the main process now, and others of the service only with NotifyAccess=all; it does not say when it does not listen.
func (s *Manager) MainPID(pid int) {
	fault.At("notify.mainpid")
	s.say(noticeMainPID, "MAINPID="+strconv.Itoa(pid))
}

// Watchdog returns how often to ping, several times within WatchdogSec=; 0 = never. A successor has been started by the
// master that the variables of the environment are about, and takes its place.
func (s *Manager) Watchdog(successor bool) (time.Duration, error) {
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

// Ping pings the watchdog.
func (s *Manager) Ping() {
	fault.At("watchdog")
	s.say(noticePing, daemon.SdNotifyWatchdog)
}

// Barrier has done called, by another goroutine, when systemd has taken in all messages so far: then it closes the
// descriptor that came with this one. The error says that nobody knows.
func (s *Manager) Barrier(done func(error)) {
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

func (s *Manager) beginBarrier() (ours *os.File, sent <-chan error, err error) {
	if !s.Present() {
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
func (s *Manager) awaitBarrier(ours *os.File, sent <-chan error) error {
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
