// The control socket: what the master says, and what it is told.

package worker

import (
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Levels of log lines, as twemproxy numbers them (nc_log.h).
const (
	levelError  = 3
	levelWarn   = 4
	levelNotice = 5
	levelInfo   = 6
	levelDebug  = 7
)

// control is the worker's end of the socket to the master. Loop only.
type control struct {
	l    *loop
	fd   int
	buf  []byte
	lost uint64 // log lines for which the socket had no room
}

func newControl(l *loop, fd int) (*control, error) {
	c := &control{l: l, fd: fd, buf: make([]byte, link.MaxMessageBytes)}
	_, err := l.register(fd, c)
	return c, err
}

func (c *control) ready(poll.Event) {
	for {
		n, err := sock.Recv(c.fd, c.buf)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			c.orphaned(err)
			return
		}
		m, err := link.ParseMessage(c.buf[:n])
		if err != nil {
			c.l.logf(levelError, "%v", err)
			continue
		}
		c.told(m)
	}
}

func (c *control) told(m link.Message) {
	switch m.Kind {
	case link.Drain:
		deadline, err := link.ParseDrain(m.Body)
		if err != nil {
			c.l.logf(levelError, "%v", err)
			return
		}
		c.l.drain(time.Duration(deadline) * time.Millisecond)
	case link.Verbosity:
		if len(m.Body) == 1 {
			c.l.spec.Verbosity = int(m.Body[0])
		}
	}
}

// orphaned is told that the master is dead. Nobody would restart or reconfigure this worker, so it serves the clients
// that it has until they are idle and makes room.
func (c *control) orphaned(err error) {
	if err == nil {
		err = io.EOF
	}
	c.l.poller.Remove(c.fd)
	c.l.control = nil
	c.l.drain(c.l.spec.ShutdownTimeout)
}

// say sends the master a message, or drops it: the loop never waits for the master.
func (c *control) say(kind link.Kind, body []byte) bool {
	_, err := sock.Send(c.fd, link.AppendMessage(nil, link.Message{Kind: kind, Body: body}))
	return err == nil
}

// logf has the master log a line, if the verbosity asks for it.
func (l *loop) logf(level int, format string, args ...any) {
	c := l.control
	if c == nil || level > l.spec.Verbosity {
		return
	}
	if c.lost > 0 && c.say(link.Log, fmt.Appendf([]byte{levelWarn}, "%d log lines were lost: the master was busy", c.lost)) {
		c.lost = 0
	}
	if !c.say(link.Log, fmt.Appendf([]byte{byte(level)}, format, args...)) {
		c.lost++
	}
}
