// Who speaks first on the statistics port. Tools for nutcracker connect and read; whoever sends a request of HTTP within a moment gets
// an answer by HTTP.

package totals

import (
	"bytes"
	"net"
	"sync"
	"time"
)

const (
	// listenFor is how long a client has to say something, from when its connection stands. One that is silent gets the text then:
	// that is what tools for nutcracker wait longer than with nutcracker.
	listenFor = 20 * time.Millisecond
	// longestMethod is more than the longest method of HTTP has, and a space.
	longestMethod = 8
)

// speaksHTTP waits for the first bytes of a client, and tells whether they begin a request of HTTP. One that has nothing more to say
// is not waited for.
func (s *Scrape) speaksHTTP() bool {
	first := make([]byte, longestMethod)
	s.conn.SetReadDeadline(time.Now().Add(listenFor))
	n, _ := s.conn.Read(first)
	s.conn.SetReadDeadline(time.Time{})
	s.first = first[:n]
	for _, method := range [...]string{"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS "} {
		if n > 0 && (bytes.HasPrefix(s.first, []byte(method)) || bytes.HasPrefix([]byte(method), s.first)) {
			return true
		}
	}
	return false
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
