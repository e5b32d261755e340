// The statistics port, as the loop uses it.

package master

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/master/web"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// statistics is the statistics port and its scrapes.
type statistics struct {
	port    net.Listener // nil: not open, or another master's
	address string       // of port, as it was asked for; empty: an earlier version has not told
	next    net.Listener // of the generation that is to follow; nil: it has the same address
	fd      int          // of the port, inherited and not served yet; -1: none
	clients *totals.Port // those who connect there
	http    *web.Server  // answers those of them who speak HTTP
	host    string
}

func newStatistics(asks chan<- *web.Ask, done <-chan struct{}, complain func(string)) statistics {
	host, _ := os.Hostname() // without one the statistics have an empty "source", as nutcracker's
	funnel := web.NewFunnel()
	return statistics{fd: -1, clients: totals.NewPort(funnel.Put, done), http: web.Serve(funnel, web.StatisticsPages(asks, done), complain), host: host}
}

// listenStats opens the statistics port beside the loop, since its address may be a name, and then goes on.
func (m *master) listenStats(try func(func() error) error, then func(error)) {
	if m.statistics.fd >= 0 { // it was taken from another program
		then(nil)
		return
	}
	address := m.statisticsAddress(m.generations.serving.config)
	m.statistics.address = address
	programs := m.takenFrom.programs
	m.world.aside(func() func() {
		var l net.Listener
		var fd int
		var sharer *takeover.Program
		err := try(func() (err error) {
			l, err = m.world.listenStats(address)
			if errors.Is(err, syscall.EADDRINUSE) && len(programs) > 0 {
				var errShare error
				if fd, sharer, errShare = m.world.shareStatistics(programs, address); errShare == nil {
					return nil
				}
			}
			return err
		})
		return func() {
			switch {
			case err != nil:
				then(statisticsError(address, err))
				return
			case sharer != nil:
				m.statistics.fd, m.takenFrom.stats = fd, sharer
			default:
				m.statistics.port = l // closed at the end, also if that has begun
			}
			then(nil)
		}
	})
}

// listenStatistics listens on exactly an address. Package net takes 0.0.0.0 for all of IPv6, too, where nutcracker could not follow.
func listenStatistics(address string) (net.Listener, error) {
	network := "tcp"
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		network = "tcp4"
	}
	return net.Listen(network, address)
}

func statisticsError(address string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; choose another port with -s, or statistics in the file"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; no interface of this machine has that address; choose another with -a, or statistics in the file"
	}
	return fmt.Errorf("listening on %q (statistics): %w%s", address, listen.Cause(err), hint)
}

// statisticsAddress returns where the statistics are by a configuration; the command line comes before it.
func (m *master) statisticsAddress(cfg *config.Config) string {
	if at := cfg.Global.Statistics.Address; at != "" && !m.opts.StatsGiven {
		return at
	}
	return net.JoinHostPort(m.opts.StatsAddr, strconv.Itoa(m.opts.StatsPort))
}

// statisticsMove returns where the statistics are by a configuration, and whether they are elsewhere now.
func (m *master) statisticsMove(cfg *config.Config) (address string, moves bool) {
	address = m.statisticsAddress(cfg)
	unsaid := m.statistics.address == "" && cfg.Global.Statistics.Address == ""
	return address, !m.opts.StatsGiven && address != m.statistics.address && !unsaid
}

// claimStatistics opens the port of a configuration, unless it is the one that there is.
func (m *master) claimStatistics(cfg *config.Config) error {
	m.dropStatistics()
	address, moves := m.statisticsMove(cfg)
	if !moves {
		return nil
	}
	l, err := m.world.listenStats(address) // a number, not a name
	if err != nil {
		return statisticsError(address, err)
	}
	m.statistics.next = l
	return nil
}

// settleStatistics is called when a generation serves: the statistics are where its configuration has them.
func (m *master) settleStatistics(cfg *config.Config) {
	s := &m.statistics
	if s.next == nil {
		return
	}
	if s.port != nil {
		s.port.Close()
	}
	if s.fd >= 0 {
		m.world.close(s.fd)
	}
	s.port, s.next, s.fd, s.address = s.next, nil, -1, m.statisticsAddress(cfg)
	m.unshareStatistics() // another program keeps the former address
	m.log.Event(logfile.StatisticsMoved, s.address)
}

// dropStatistics closes what was opened for a generation that will not serve.
func (m *master) dropStatistics() {
	if m.statistics.next != nil {
		m.statistics.next.Close()
		m.statistics.next = nil
	}
}

// answerScrape reads the counters now and writes them from another goroutine, so that a slow reader does not delay the loop.
func (m *master) answerScrape(s *totals.Scrape) { go s.Answer(m.statisticsText()) }

// statisticsText returns what nutcracker's tools read.
func (m *master) statisticsText() []byte {
	now := m.world.now()
	m.refresh()
	return m.generations.serving.counters.AppendJSON(nil, totals.Head{
		Source:    m.statistics.host,
		Version:   m.opts.Build,
		Uptime:    int64(now.Sub(m.startedAt) / time.Second),
		Timestamp: now.Unix(),
		Topology:  &m.generations.serving.topology,
		Sentinels: m.countSentinels,
	})
}

// serveStats begins to answer scrapes of the statistics port.
func (m *master) serveStats() {
	if m.takenFrom.stats != nil {
		return
	}
	if m.statistics.port == nil && m.statistics.fd >= 0 {
		var err error
		if m.statistics.port, err = m.world.listenerOf(m.statistics.fd); err != nil {
			m.log.Event(logfile.StatisticsNotInherited, err)
		}
		m.world.close(m.statistics.fd)
		m.statistics.fd = -1
	}
	if m.statistics.port != nil {
		go m.statistics.clients.Accept(m.statistics.port)
	}
}

// copyStats returns a copy of the statistics port, which this master may not serve yet.
func (m *master) copyStats() (fd int, err error) {
	if m.statistics.port == nil {
		return m.world.dup(m.statistics.fd)
	}
	return m.world.fdOf(m.statistics.port)
}

// declineScrapes leaves scrapes to the new master. If both answered, totals would go back and forth, since only the new one
// has the latest counts of its workers.
func (m *master) declineScrapes() {
	if m.statistics.port == nil {
		return
	}
	fd, err := m.world.fdOf(m.statistics.port)
	if err != nil {
		m.log.Event(logfile.StatisticsNotCopied, err)
		return
	}
	m.statistics.port.Close()
	m.statistics.port, m.statistics.fd = nil, fd
}

// fdOf returns a copy of a listener's descriptor. Not by File, which would switch O_NONBLOCK off for all who share it.
func fdOf(l net.Listener) (fd int, err error) {
	conn, ok := l.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("%T has no descriptor", l)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var errDup error
	err = raw.Control(func(own uintptr) { fd, errDup = sock.Dup(int(own)) })
	return fd, errors.Join(err, errDup)
}

// listenerOf returns a listener on a copy of fd.
func listenerOf(fd int) (net.Listener, error) {
	own, err := sock.Dup(fd)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(own), "listener")
	defer file.Close()
	return net.FileListener(file)
}
