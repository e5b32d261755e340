// A follower: what becomes of everything that the sentinels of a pool say, and of their silence.

package discover

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// failuresLogged is how many questions in a row a sentinel does not answer before that is logged: on a busy machine one that works
// may miss one.
const failuresLogged = 3

// leaveAfter is how long a sentinel that the configuration does not name may be silent before it is asked no more.
const leaveAfter = 30 * time.Second

// News is what a follower tells: what has come to be known, and what is to be logged.
type News struct {
	Servers   []link.ServerTopology // of all servers of the pool; none: nothing has changed
	Sentinels []Sentinel            // all that are asked; none: nothing has changed
	Problems  []string              // something does not work
	Notices   []string              // something has changed
}

func (n *News) any() bool {
	return len(n.Servers)+len(n.Sentinels)+len(n.Problems)+len(n.Notices) > 0
}

// answer is what a sentinel has answered.
type answer struct {
	from    string      // the address at which it is asked
	reached string      // the same without a host name
	id      string      // its own; empty: it does not tell
	failure error       // it does not answer, for this reason
	masters []statement // about each master
	others  []peer      // the sentinels that it knows and that work; none: it was not asked
}

// statement is what a sentinel says of a master.
type statement struct {
	master  string
	place   place
	failure error // it says nothing of it, for this reason

	replicas  []place       // those that it knows; nil: it was not asked
	changing  bool          // it has begun to make a replica the master
	downAfter time.Duration // for how long a master is silent before the sentinel calls it down; 0: not known
}

// peer is a sentinel of which another one tells.
type peer struct{ address, id string }

// effects is what a follower does to the world around it.
type effects struct {
	watch func(sentinel string)        // begin to ask it
	leave func(sentinel string)        // cease to
	ask   func()                       // ask all now
	look  func(master, address string) // ask the server there what it is
	tell  func(News)

	inquire func(master, address string) // likewise, once, and of whom it is a replica

	// seek asks replicas, for a while, whether one has become the master in place of that at an address, where nobody listens.
	seek func(master, from string, replicas []place)
}

// watched is a sentinel that is asked.
type watched struct {
	configured bool
	id         string // empty: not known
	reached    string // the address without a host name; empty: not known
	voter      string // as which the judges know it
	failures   int    // questions in a row that it did not answer
	trouble    string // why it does not answer, as logged; empty: it does
	answered   time.Time

	failure string      // why the last question was not answered; empty: it was
	counts  bool        // what it says is heard by the judges
	says    []statement // its last answer; none: there was none
}

// follower is the state of a pool's discovery. It belongs to one goroutine.
type follower struct {
	pool      *link.Pool
	effects   effects
	sentinels map[string]*watched // by address
	named     map[string][]peer   // by sentinel of the configuration: whom it has named last
	judges    []*judge            // of different masters
	unknown   map[string]bool     // "sentinel master": it was logged that the one does not know the other
	hasty     map[string]bool     // by master: it was logged that requests do not wait for the end of a failover
	reported  []Sentinel          // as told last
}

// newFollower returns a follower that begins with what is known of the servers.
func newFollower(p *link.Pool, known []link.ServerTopology, e effects, now time.Time) *follower {
	at := link.PoolTopology{Servers: known}
	f := &follower{pool: p, effects: e, sentinels: map[string]*watched{}, named: map[string][]peer{}, unknown: map[string]bool{}, hasty: map[string]bool{}}
	for _, s := range p.Servers {
		if f.judgeOf(s.Address) == nil {
			f.judges = append(f.judges, newJudge(s.Address, len(p.Sentinels), at.Server(s.Name), now))
		}
	}
	for _, address := range p.Sentinels {
		f.watch(address, true, now)
	}
	return f
}

func (f *follower) judgeOf(master string) *judge {
	for _, j := range f.judges {
		if j.master == master {
			return j
		}
	}
	return nil
}

// located tells whether the place of every master is known.
func (f *follower) located() bool {
	return !slices.ContainsFunc(f.judges, func(j *judge) bool { return j.at.address == "" })
}

func (f *follower) watch(address string, configured bool, now time.Time) {
	f.sentinels[address] = &watched{configured: configured, voter: address, answered: now}
	f.effects.watch(address)
}

// hear is called with the answer of a sentinel, or with its failure to answer.
func (f *follower) hear(a answer, now time.Time) {
	s := f.sentinels[a.from]
	if s == nil {
		return
	}
	news := News{}
	f.noteTrouble(s, &a, &news)
	if a.failure != nil {
		f.forget(s)
		s.failure, s.says = a.failure.Error(), nil
		if !s.configured && now.Sub(s.answered) >= leaveAfter {
			f.leave(a.from)
		}
		f.decide(now, news)
		return
	}
	s.answered, s.reached, s.failure, s.says = now, a.reached, "", a.masters
	f.identify(s, a.from, a.id)
	if f.sentinels[a.from] == nil { // it is asked at another address, too
		return
	}
	if s.configured && len(a.others) > 0 {
		f.named[a.from] = a.others
	}
	s.counts = s.configured || f.isVouchedFor(a.from, s)
	for _, said := range a.masters {
		j := f.judgeOf(said.master)
		if j == nil {
			continue
		}
		f.noteUnknown(a.from, &said, &news)
		f.noteHaste(&said, &news)
		if said.failure != nil || !s.counts {
			j.forget(s.voter)
			continue
		}
		j.hear(s.voter, s.configured, said, now)
	}
	for _, p := range a.others {
		f.meet(p, now)
	}
	f.decide(now, news)
}

// forget takes back what a sentinel has said.
func (f *follower) forget(s *watched) {
	for _, j := range f.judges {
		j.forget(s.voter)
	}
}

// identify notes who is asked at an address: a sentinel with two addresses has one vote.
func (f *follower) identify(s *watched, address, id string) {
	if id == s.id {
		return
	}
	f.forget(s)
	s.id, s.voter = id, cmp.Or(id, address)
	for other, o := range f.sentinels {
		switch {
		case o == s || o.id != id || id == "":
		case o.configured && !s.configured:
			f.leave(address)
			return
		case !o.configured:
			f.leave(other)
		}
	}
}

func (f *follower) leave(address string) {
	s := f.sentinels[address]
	delete(f.sentinels, address)
	f.effects.leave(address)
	if !slices.ContainsFunc(f.voters(), func(voter string) bool { return voter == s.voter }) {
		f.forget(s)
	}
}

func (f *follower) voters() (all []string) {
	for _, s := range f.sentinels {
		all = append(all, s.voter)
	}
	return all
}

// meet is called with a sentinel of which another one tells: it is asked, too, unless it is already.
func (f *follower) meet(p peer, now time.Time) {
	if f.sentinels[p.address] != nil {
		return
	}
	for _, s := range f.sentinels {
		if s.id == p.id && p.id != "" || s.reached == p.address {
			return
		}
	}
	f.watch(p.address, false, now)
}

// isVouchedFor tells whether most sentinels of the configuration name one that it does not name. Else a single one that lies could
// outvote them, with as many friends as it likes. An id is no proof: anybody may say one.
func (f *follower) isVouchedFor(address string, s *watched) bool {
	vouchers := 0
	for _, named := range f.named {
		if slices.ContainsFunc(named, func(p peer) bool { return p.address == address || p.address == s.reached }) {
			vouchers++
		}
	}
	return 2*vouchers > len(f.pool.Sentinels)
}

// noteTrouble logs that a sentinel does not answer any more, or does again.
func (f *follower) noteTrouble(s *watched, a *answer, news *News) {
	if a.failure == nil {
		if s.trouble != "" {
			news.Notices = append(news.Notices, fmt.Sprintf("pool %q: sentinel %s answers again", f.pool.Name, a.from))
		}
		s.failures, s.trouble = 0, ""
		return
	}
	if s.failures++; s.failures == failuresLogged {
		s.trouble = a.failure.Error()
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: sentinel %s: %s", f.pool.Name, a.from, s.trouble))
	}
}

// noteUnknown logs, once, that a sentinel knows nothing of a master.
func (f *follower) noteUnknown(sentinel string, said *statement, news *News) {
	what := sentinel + " " + said.master
	if said.failure == nil {
		delete(f.unknown, what)
	} else if !f.unknown[what] {
		f.unknown[what] = true
		news.Problems = append(news.Problems, fmt.Sprintf("pool %q: sentinel %s about master %q: %v", f.pool.Name, sentinel, said.master, said.failure))
	}
}

// failoverTime is what a failover takes once sentinels call a master down.
const failoverTime = 1500 * time.Millisecond

// noteHaste logs, once, that requests wait for less time than it takes until another server is the master.
func (f *follower) noteHaste(said *statement, news *News) {
	wait := f.pool.FailoverWait
	if wait == 0 || said.downAfter == 0 || said.downAfter+failoverTime <= wait || f.hasty[said.master] {
		return
	}
	f.hasty[said.master] = true
	news.Notices = append(news.Notices, fmt.Sprintf("pool %q: master %q is called down after %v, and requests wait for %v only (failover_wait): "+
		"should it die, they fail before there is another one", f.pool.Name, said.master, said.downAfter, wait))
}

// switched is called when a sentinel has published that a master is elsewhere. What it published has no epoch, and the other
// sentinels may know: all are asked.
func (f *follower) switched(master string) {
	if f.judgeOf(master) != nil {
		f.effects.ask()
	}
}

// looked is called with what a server says of itself that may be a master now; done: it is not asked again for the moment.
func (f *follower) looked(master, address string, says role, done bool, now time.Time) {
	f.judgeOf(master).looked(address, says, done, now)
	f.decide(now, News{})
}

// doubtPause is the least time between two questions because of doubts about a master. It is doubled up to mostDoubtPause, as long as
// there are doubts and they lead to nothing.
const (
	doubtPause     = 100 * time.Millisecond
	mostDoubtPause = 3200 * time.Millisecond
)

// doubt is called when what is at the address of a master does not do a master's work.
func (f *follower) doubt(master string, now time.Time) {
	j := f.judgeOf(master)
	if j == nil || j.at.address == "" || !j.mayDoubt(now) {
		return
	}
	f.effects.ask()
	f.effects.inquire(master, j.at.address)
}

// inquired is called with what a server says of itself that was doubted; of: whose replica it is.
func (f *follower) inquired(master, address string, says role, of place, now time.Time) {
	f.judgeOf(master).inquired(address, says, of, now)
	f.decide(now, News{})
}

// sought is called when replicas were asked for long enough, or one has become the master.
func (f *follower) sought(master, from string, found place, now time.Time) {
	f.judgeOf(master).sought(from, found, now)
	f.decide(now, News{})
}

// tick is called now and then.
func (f *follower) tick(now time.Time) { f.decide(now, News{}) }

// decide tells what is new.
func (f *follower) decide(now time.Time, news News) {
	changed := false
	for _, j := range f.judges {
		v := j.decide(now)
		changed = changed || v.news
		if v.problem != "" {
			news.Problems = append(news.Problems, fmt.Sprintf("pool %q: %s", f.pool.Name, v.problem))
		}
		if v.notice != "" {
			news.Notices = append(news.Notices, fmt.Sprintf("pool %q: %s", f.pool.Name, v.notice))
		}
		if v.look != "" {
			f.effects.look(j.master, v.look)
		}
		if len(v.seek) > 0 {
			f.effects.seek(j.master, j.at.address, v.seek)
		}
	}
	if changed {
		news.Servers = f.servers()
	}
	news.Sentinels = f.newReport()
	if news.any() {
		f.effects.tell(news)
	}
}

// servers returns where the servers of the pool are.
func (f *follower) servers() (all []link.ServerTopology) {
	for _, s := range f.pool.Servers {
		j := f.judgeOf(s.Address)
		t := link.ServerTopology{Server: s.Name, Endpoints: []link.Endpoint{}, Epoch: j.at.epoch, Stale: j.stale, Unnamed: j.heir.rules}
		if j.at.address != "" {
			t.Endpoints = append(t.Endpoints, link.Endpoint{Network: "tcp", Address: j.at.address, Role: link.Primary})
			for _, r := range j.replicas {
				t.Endpoints = append(t.Endpoints, link.Endpoint{Network: "tcp", Address: r.address, Role: link.Replica})
			}
		}
		if !j.last.at.IsZero() {
			t.MovedFrom, t.MovedAt = j.last.from, j.last.at.UnixMilli()
		}
		if !j.last.saidAt.IsZero() {
			t.SaidAt = j.last.saidAt.UnixMilli()
		}
		all = append(all, t)
	}
	return all
}
