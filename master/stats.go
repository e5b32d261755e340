// The statistics port: nutcracker's JSON, byte for byte in names, order and spacing (src/nc_stats.c), to whoever
// connects. It is always current: the counters are words in memory that the workers write.

package master

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	scrapeTimeout = 2 * time.Second        // for a reader to take everything
	maxScrapes    = 64                     // answered at a time; more are closed unanswered
	acceptPause   = 100 * time.Millisecond // after an accept that failed, for want of descriptors most likely
)

// acceptScrapes hands connections to the loop, until the listener is closed or the loop is done.
func acceptScrapes(l net.Listener, scrapes chan<- *scrape, done <-chan struct{}) {
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
		s := &scrape{conn: c, room: room}
		select {
		case scrapes <- s:
		case <-done:
			s.close()
			return
		}
	}
}

// scrape is a connection that makes room for another when it is closed.
type scrape struct {
	conn net.Conn
	room <-chan struct{}
}

func (s *scrape) close() {
	s.conn.Close()
	<-s.room
}

// answer reads the counters now and writes them from a goroutine of its own, so that a slow reader delays nobody.
func (m *master) answer(s *scrape) {
	now := m.world.now()
	m.refresh()
	text := m.generation.appendStats(nil, statsHead{
		source:    m.hostname,
		version:   m.opts.Build,
		uptime:    int64(now.Sub(m.startedAt) / time.Second),
		timestamp: now.Unix(),
	})
	go s.send(text)
}

func (s *scrape) send(text []byte) {
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

// statsHead is what stands before the counters.
type statsHead struct {
	source    string
	version   string
	uptime    int64 // s
	timestamp int64 // s since the epoch
}

// appendStats appends the text. The service stays "nutcracker": tools look for it.
func (g *generation) appendStats(b []byte, h statsHead) []byte {
	b = append(b, `{"service":"nutcracker", "source":`...)
	b = appendString(b, h.source)
	b = append(b, `, "version":`...)
	b = appendString(b, h.version)
	b = append(b, `, "uptime":`...)
	b = strconv.AppendInt(b, h.uptime, 10)
	b = append(b, `, "timestamp":`...)
	b = strconv.AppendInt(b, h.timestamp, 10)
	b = append(b, ", "...)
	b = appendCounters(b, link.WorkerCounters[:], g.shared.SumWorker)
	for pool := range g.pools {
		b = append(b, separator(pool)...)
		b = g.appendPool(b, pool)
	}
	return append(b, "}\n"...)
}

func (g *generation) appendPool(b []byte, pool int) []byte {
	b = appendString(b, g.pools[pool].Name)
	b = append(b, ": {"...)
	b = appendCounters(b, link.PoolCounters[:], func(counter int) uint64 {
		if counter == link.ClientConnections {
			return g.shared.Clients(pool)
		}
		return g.shared.SumPool(pool, counter)
	})
	for server := range g.pools[pool].Servers {
		b = append(b, separator(server)...)
		b = appendString(b, g.pools[pool].Servers[server].Name)
		b = append(b, ": {"...)
		b = appendCounters(b, link.ServerCounters[:], func(counter int) uint64 {
			return g.shared.SumServer(pool, server, counter)
		})
		b = append(b, '}')
	}
	return append(b, '}')
}

// separator is what nutcracker puts before the i-th object of a level: a space follows the comma only after a counter.
func separator(i int) string {
	if i == 0 {
		return ", "
	}
	return ","
}

func appendCounters(b []byte, infos []link.CounterInfo, sum func(counter int) uint64) []byte {
	for i, info := range infos {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '"')
		b = append(b, info.Name...)
		b = append(b, `":`...)
		b = strconv.AppendUint(b, sum(i), 10)
	}
	return b
}

// appendString appends s as a JSON string. A name is mostly plain; one that is not would break nutcracker's own output.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has a form
	return append(b, text...)
}

// serveStats begins to answer who asks for the statistics.
func (m *master) serveStats() {
	if m.stats == nil && m.statsFD >= 0 {
		var err error
		if m.stats, err = m.world.listenerOf(m.statsFD); err != nil {
			m.log.Printf(logfile.Error, "inheriting the statistics port: %v", err)
		}
		m.world.close(m.statsFD)
		m.statsFD = -1
	}
	if m.stats != nil {
		go acceptScrapes(m.stats, m.scrapes, m.done)
	}
}
