// The statistics port: whoever connects gets the text, which the loop makes, unless he speaks HTTP.

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

// Port is the statistics port. It may be accepted from again after its listener was closed.
type Port struct {
	Scrapes chan *Scrape // who is to be answered by the loop

	http func(net.Conn)  // gets who speaks HTTP
	done <-chan struct{} // closed when the loop answers no more
	room chan struct{}   // an element for each connection
}

// NewPort returns a port.
func NewPort(http func(net.Conn), done <-chan struct{}) *Port {
	return &Port{Scrapes: make(chan *Scrape), http: http, done: done, room: make(chan struct{}, maxScrapes)}
}

// Open returns how many connections there are.
func (p *Port) Open() int { return len(p.room) }

// Accept hands connections to the loop, or to http if the client speaks it, until the listener is closed or the loop is done.
func (p *Port) Accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(acceptPause):
				continue
			case <-p.done:
				return
			}
		}
		select {
		case p.room <- struct{}{}:
			go p.receive(&Scrape{conn: c, room: p.room})
		default:
			c.Close()
		}
	}
}

// receive finds out what the client wants.
func (p *Port) receive(s *Scrape) {
	if s.speaksHTTP() {
		p.http(&spoken{Conn: s.conn, scrape: s})
		return
	}
	select {
	case p.Scrapes <- s:
	case <-p.done:
		s.close()
	}
}

// Scrape is a connection to the statistics port, which makes room for another when it is closed.
type Scrape struct {
	conn  net.Conn
	room  <-chan struct{}
	first []byte // what the client has said
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
	// something is let to close first.
	if tcp, ok := s.conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		io.Copy(io.Discard, tcp)
	}
}
