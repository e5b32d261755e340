// The link between the two masters of an upgrade: a SOCK_SEQPACKET socket, which keeps message borders and carries
// descriptors.

package master

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	maxLinkBytes = 64 << 10 // in one message; a longer one travels as a memory file
	maxLinkFDs   = 250      // below the kernel's 253
)

// masterLink leads to a master in another process. No method but flush blocks.
type masterLink struct {
	transmit    func(msg message)                         // takes over the descriptors
	listen      func(report func(msg message, err error)) // reports from other goroutines; an error is the last report, or an *unsent
	hangUp      func()                                    // once everything is sent
	stopReading func()                                    // ends the reports once everything that has arrived is reported
	flush       func()                                    // hangs up and waits for that, some seconds at most
}

// send queues a message. If one cannot be sent, that is reported and no later one is sent.
func (l *masterLink) send(msg message) { l.transmit(msg) }

func (l *masterLink) close() { l.hangUp() }

// newMasterLink returns the link over a connected SOCK_SEQPACKET socket, which it takes over.
func newMasterLink(fd int) *masterLink {
	file := os.NewFile(uintptr(fd), "exchange")
	s := newSender(file, sendTimeout)
	return &masterLink{
		transmit: s.put,
		listen: func(report func(message, error)) {
			s.tell(func(err error) { report(message{}, err) })
			go receive(file, report)
		},
		hangUp:      s.closeWhenSent,
		stopReading: func() { stopReading(file) },
		flush:       s.flush,
	}
}

// longMessage is sent in place of a JSON text that is in a memory file. No JSON text begins like this.
const longMessage = 'M'

// receive reports messages until the other end is gone.
func receive(file *os.File, report func(message, error)) {
	raw, err := file.SyscallConn()
	if err != nil {
		report(message{}, err)
		return
	}
	buf := make([]byte, maxLinkBytes+1)
	fds := make([]int, maxLinkFDs+1)
	for {
		var n, got int
		var truncated bool
		var errReceive error
		err := raw.Read(func(fd uintptr) bool {
			n, got, truncated, errReceive = sock.RecvFDs(int(fd), buf, fds)
			return !sock.Again(errReceive)
		})
		came := append([]int(nil), fds[:got]...)
		switch err = errors.Join(err, errReceive); {
		case err == nil && n == 0:
			err = io.EOF
		case err == nil && truncated:
			err = errors.New("the other master: descriptors are missing: raise LimitNOFILE= (ulimit -n)")
		}
		if err != nil {
			closeFDs(came)
			report(message{}, err)
			return
		}
		msg, err := unpack(buf[:n], came)
		if err != nil {
			report(message{}, fmt.Errorf("the other master: %w", err))
			return
		}
		report(msg, nil)
	}
}

// stopReading makes receive end once everything is read. Closing the other end does not: this process may hold it open for a
// child.
func stopReading(file *os.File) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) })
	}
}

// closeFDs closes descriptors that nobody will use.
func closeFDs(fds []int) {
	for _, fd := range fds {
		sock.Close(fd)
	}
}

// unpack decodes what a sender has sent. The message owns the descriptors.
func unpack(text []byte, fds []int) (msg message, err error) {
	if len(text) == 1 && text[0] == longMessage && len(fds) > 0 {
		text, err = sock.ReadAll(fds[0])
		sock.Close(fds[0])
		fds = fds[1:]
	}
	if err == nil {
		msg, err = parseMessage(text)
	}
	if err != nil {
		closeFDs(fds)
		return msg, err
	}
	msg.fds = fds
	return msg, nil
}
