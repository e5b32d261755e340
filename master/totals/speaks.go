// Who speaks first on the statistics port. Tools for nutcracker connect and read; whoever sends a request of HTTP within a moment gets
// an answer by HTTP.

package totals

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// listenFor is how long a client has to say something, from when its connection stands. One that is silent gets the text then:
	// that is what tools for nutcracker wait longer than with nutcracker.
	listenFor = 50 * time.Millisecond
	// longestMethod is more than the longest method of HTTP has, and a space.
	longestMethod = 8
)

// speaksHTTP waits for the first bytes of a client, and tells whether they begin a request of HTTP. One that has nothing more to say
// is not waited for.
func (s *Scrape) speaksHTTP() bool {
	first := make([]byte, longestMethod)
	s.conn.SetReadDeadline(time.Now().Add(listenFor))
	n, err := s.conn.Read(first)
	s.conn.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		n = readAtHand(s.conn, first)
	}
	s.first = first[:n]
	for _, method := range [...]string{"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS "} {
		if n > 0 && (bytes.HasPrefix(s.first, []byte(method)) || bytes.HasPrefix([]byte(method), s.first)) {
			return true
		}
	}
	return false
}

// readAtHand reads what has arrived and waits for nothing. On a busy machine the moment may be over before the first look, and a
// read whose time is over does not look.
func readAtHand(c net.Conn, into []byte) int {
	conn, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	raw.Read(func(fd uintptr) bool {
		n, _ = sock.Recv(int(fd), into)
		return true
	})
	return n
}

// spoken is a connection of which some bytes have been read, and which makes room for another when it is closed.
type spoken struct {
	net.Conn
	scrape *Scrape
	once   sync.Once
}

func (c *spoken) Read(b []byte) (n int, err error) {
	if len(c.scrape.first) == 0 {
		return c.Conn.Read(b)
	}
	n = copy(b, c.scrape.first)
	c.scrape.first = c.scrape.first[n:]
	return n, nil
}

func (c *spoken) Close() error {
	c.once.Do(c.scrape.close)
	return nil
}

// CloseWrite lets a server end its answer, so that none of it is lost should the client still send something.
func (c *spoken) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
