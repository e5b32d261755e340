// The HTTP address, as the loop uses it: where the master itself answers, beside the loop.

package master

import (
	"net/http"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/web"
)

// httpBacklog is how many scrapers may wait, as while one master replaces another.
const httpBacklog = 128

// httpSide is the address, who answers there, and what is asked.
type httpSide struct {
	httpSocket
	guard  web.Guard     // of the generation that serves
	next   httpSocket    // of the generation that is to follow, where that has another address
	server *web.Server   // nil: nobody answers yet, or another master does
	former []*web.Server // answer nobody new any more; they finish what is under way
	pages  *http.ServeMux
	live   *web.Live
	asks   chan *web.Ask
}

// httpSocket listens at an address; without a network, it is none.
type httpSocket struct {
	at config.Listen
	listen.Socket
}

func (s *httpSocket) open() bool { return s.at.Network != "" }

// historyName is what the name of the history's file has more than that of the admin socket, beside which it lies.
const historyName = ".history"

func newHTTPSide(done <-chan struct{}, complain func(string)) httpSide {
	asks := make(chan *web.Ask)
	live := web.NewLive(asks, done, complain)
	return httpSide{asks: asks, pages: live.Pages(), live: live}
}

// historyFile returns where the history is kept; empty: nowhere, as the admin socket has no path.
func (m *master) historyFile() string {
	if m.opts.Control == "" || admin.Abstract(m.opts.Control) {
		return ""
	}
	return m.opts.Control + historyName
}

// complainOfHTTP logs what goes wrong with answers, from beside the loop. Who complains does not wait until it is heard: the loop may have ended.
func (m *master) complainOfHTTP(text string) {
	go m.world.report(event{then: func() { m.log.Event(logfile.HTTPTrouble, text) }})
}

// refuseHTTP logs who was refused, from beside the loop.
func (m *master) refuseHTTP(address, why string) {
	go m.world.report(event{then: func() { m.log.Event(logfile.HTTPRefused, address, why) }})
}

// claimHTTP opens the HTTP address of a configuration, unless this master has it.
func (m *master) claimHTTP(at config.Listen) error {
	if at.Network == "" || at.ID() == m.http.at.ID() {
		return nil
	}
	own := m.listeners.Own(at)
	if m.http.open() {
		own = append(slices.Clone(own), m.http.Inode)
	}
	err := m.world.sockets.Probe(at, own)
	var s listen.Socket
	if err == nil {
		s, err = m.world.sockets.Bind(at, own, m.patience())
	}
	if err == nil {
		m.http.next = httpSocket{at, s}
		err = m.world.sockets.Listen(s.FD, httpBacklog)
	}
	if err != nil {
		m.dropHTTP()
		return listen.HTTPError(at, err)
	}
	return nil
}

// settleHTTP is called when a generation serves: the master answers at the address that its configuration has, and at no
// other.
func (m *master) settleHTTP(g *generation) {
	at := g.config.Global.HTTP
	if s := &m.http.httpSocket; s.at.Network == "unix" && s.Unlink == nil { // it was another master's until now
		s.Unlink = m.world.sockets.UnlinkAt(s.at.Address, s.Spot)
	}
	switch {
	case m.http.next.open():
		m.releaseHTTP()
		m.http.httpSocket, m.http.next = m.http.next, httpSocket{}
		m.log.Event(logfile.HTTPOpen, at.Text)
	case m.http.open() && at.ID() != m.http.at.ID():
		m.releaseHTTP()
		m.log.Event(logfile.HTTPClosed)
	case m.http.open() && at.Perm != m.http.at.Perm && at.Perm != 0:
		if err := m.world.sockets.Chmod(at.Address, at.Perm); err != nil {
			m.log.Event(logfile.HTTPPermissions, at.Address, err)
		}
	}
	m.http.at = at
	m.guardHTTP(&g.config.Global)
	m.serveHTTP()
}

// guardHTTP has those be asked for TLS and a login who ask from now on. Those who watch the page come back, and are asked, too.
func (m *master) guardHTTP(g *config.Global) {
	guard := web.Guard{TLS: g.HTTPTLS, User: g.HTTPUser, Password: g.HTTPPassword, Certificate: g.HTTPAsksCertificate()}
	if guard == m.http.guard {
		return
	}
	m.http.guard = guard
	if s := m.http.server; s != nil {
		s.Guard(guard)
		m.http.live.Stop()
		m.http.live.Start(m.historyFile())
	}
}

// serveHTTP begins to answer, if that is to be.
func (m *master) serveHTTP() {
	if !m.http.open() || m.http.server != nil {
		return
	}
	l, err := m.world.listenerOf(m.http.FD)
	if err != nil {
		m.log.Event(logfile.HTTPFailed, m.http.at.Text, err)
		return
	}
	m.http.server = web.ServeGuarded(l, m.http.pages, m.complainOfHTTP, m.http.guard, m.refuseHTTP)
	m.http.live.Start(m.historyFile())
}

// declineHTTP leaves those who connect from now on to the new master.
func (m *master) declineHTTP() {
	if m.http.server == nil {
		return
	}
	m.http.live.Stop()
	m.http.server.Leave()
	m.http.former = append(m.http.former, m.http.server)
	m.http.server = nil
}

// releaseHTTP gives up the address. What is under way is finished beside the loop.
func (m *master) releaseHTTP() {
	if s := m.http.server; s != nil {
		m.http.live.Stop()
		m.http.server = nil
		go s.Close(answerWithin)
	}
	m.closeHTTPSocket(&m.http.httpSocket)
}

// dropHTTP closes what was opened for a generation that will not serve.
func (m *master) dropHTTP() { m.closeHTTPSocket(&m.http.next) }

func (m *master) closeHTTPSocket(s *httpSocket) {
	if !s.open() {
		return
	}
	m.world.close(s.FD)
	if s.Unlink != nil {
		s.Unlink()
	}
	*s = httpSocket{}
}

// finishHTTP ends with the process. Who is waiting at an address that another master has is answered by that one.
func (m *master) finishHTTP() {
	saved := m.http.live.Stop()
	defer func() {
		select {
		case <-saved:
		case <-time.After(answerWithin):
		}
	}()
	if m.http.server != nil {
		m.http.former = append(m.http.former, m.http.server)
	}
	for _, s := range m.http.former {
		s.Close(m.lastPatience())
	}
	m.dropHTTP()
	if m.masters.leaveAll {
		m.http.Unlink = nil
	}
	m.closeHTTPSocket(&m.http.httpSocket)
}

// lastAnswers is how long a master that leaves answers those who had connected before, at most. It looks every lookAgain whether all
// of them have gone.
const (
	lastAnswers = 2 * time.Second
	lookAgain   = 2 * time.Millisecond
)

// answerLast answers whoever has connected to a master that leaves, and has not asked it yet: the new one has not got him.
func (m *master) answerLast() {
	late := time.NewTimer(lastAnswers)
	defer late.Stop()
	for m.masters.leaveAll && m.err == nil && m.statistics.clients.Open()+m.openHTTP() > 0 {
		select {
		case scrape := <-m.statistics.clients.Scrapes:
			m.answerScrape(scrape)
		case a := <-m.http.asks:
			m.answerWeb(a)
		case <-time.After(lookAgain): // some may have what they wanted
		case <-late.C:
			return
		}
	}
}

// openHTTP returns how many connections there are to the HTTP address.
func (m *master) openHTTP() (n int) {
	for _, s := range m.http.former {
		n += s.Open()
	}
	return n
}

// answerWeb answers what a handler asks.
func (m *master) answerWeb(a *web.Ask) {
	s := web.State{Unready: m.unready()}
	if a.View {
		s.View = m.view()
	}
	if a.Page {
		s.Page = m.page()
	}
	if a.Statistics && m.generations.serving != nil && m.generations.serving.counters != nil {
		s.Statistics = m.statisticsText()
	}
	a.Reply <- s
}

// unready returns why load balancers should send nobody any more; empty: they should.
func (m *master) unready() string {
	switch {
	case m.masters.leaveAll: // another master serves
		return ""
	case m.announced():
		return "about to drain, at " + m.departure.at.Format(time.TimeOnly)
	case m.phase == draining && !m.departure.until.IsZero():
		return "draining, until " + m.departure.until.Format(time.TimeOnly)
	case m.phase != serving:
		return m.phase.String()
	case m.endAfter != nothing:
		return "about to end"
	case !slices.ContainsFunc(m.generations.slots(), (*slot).serves):
		return "no worker serves"
	}
	return ""
}

// serves reports whether a worker of the slot has clients to serve, and is not about to end. One that moves its clients has a
// successor that accepts.
func (s *slot) serves() bool { return s.state == slotGiving || s.accepts() }
