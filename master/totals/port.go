// The statistics port: whoever connects gets the text, which the loop makes.

package totals

import (
	"errors"
	"io"
	"net"
	"time"
)

const (
	scrapeTimeout = 2 * time.Second        // for a reader to take everything
	maxScrapes    = 64                     // answered at a time; more are closed unanswered
	acceptPause   = 100 * time.Millisecond // after an accept that failed, for want of descriptors most likely
)

// Accept hands connections to the loop, until the listener is closed or the loop is done.
func Accept(l net.Listener, scrapes chan<- *Scrape, done <-chan struct{}) {
	room := make(chan struct{}, maxScrapes)
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(acceptPause):
				continue
			case <-done:
				return
			}
		}
		select {
		case room <- struct{}{}:
		default:
			c.Close()
			continue
		}
		s := &Scrape{conn: c, room: room}
		select {
		case scrapes <- s:
		case <-done:
			s.close()
			return
		}
	}
}

// Scrape is a connection to the statistics port, which makes room for another when it is closed.
type Scrape struct {
	conn net.Conn
	room <-chan struct{}
}

func (s *Scrape) close() {
	s.conn.Close()
	<-s.room
}

// Answer writes the text, and takes as long as its reader, up to scrapeTimeout.
func (s *Scrape) Answer(text []byte) {
	defer s.close()
	s.conn.SetDeadline(time.Now().Add(scrapeTimeout))
	if _, err := s.conn.Write(text); err != nil {
		return
	}
	// Closing with unread input resets the connection and can cost the reader the end of the text, so one that has sent
	// something, an HTTP request perhaps, is let to close first.
	if tcp, ok := s.conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		io.Copy(io.Discard, tcp)
	}
}
