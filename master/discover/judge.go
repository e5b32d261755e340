// The judgement where one master is: sentinels may be dead, asleep, cut off from the others or meant for something else, so one
// answer is no proof, and nobody is believed who would go back in time.

package discover

import (
	"cmp"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// firstPatience is how long the first answers are waited for where nothing is known yet, unless most sentinels agree
	// earlier.
	firstPatience = time.Second
	// lookTime is how long a server has to say that it is a master. One that is to become it may need a moment.
	lookTime = time.Second
	// staleAfter is how long no sentinel answers before what is known is called stale.
	staleAfter = 3 * time.Second
	// lookPause is the time between two looks at a server that did not say so.
	lookPause = time.Second
	// revokeAfter is how long most sentinels, and none against them, must name an earlier failover, or another master than the one that
	// servers have named: the last one was undone, or they were set up anew. Sentinels that have only not heard of it have, by then.
	revokeAfter = 10 * time.Second
)

// place is where a master is, or is said to be.
type place struct {
	address string // "host:port", as the sentinels name it; empty: not known
	key     string // the same for two names of one address
	epoch   uint64 // of the failover that has led there
}

// isAt tells whether two places are at one address, whatever it is called.
func (p place) isAt(q place) bool { return p.address == q.address || p.key != "" && p.key == q.key }

// role is what a server says that it is.
type role string

const (
	roleMaster  role = "master"
	roleReplica role = "replica"
	roleUnknown role = "unknown" // it does not say
	roleGone    role = "gone"    // nobody listens there
)

// judge decides about one master. Its times are those that it is told.
type judge struct {
	master     string
	configured int              // sentinels that the configuration names
	said       map[string]claim // by sentinel: those that answer, and what they have said last
	found      map[string]bool  // of said: sentinels that the configuration does not name

	at       place
	replicas []place // of the master at at, by address
	last     relocation
	stale    bool
	asked    time.Time // when the judgement began
	silent   time.Time // since when no sentinel answers; zero: one does
	opposed  time.Time // since when most name an earlier failover; zero: they do not
	trial    trial
	heir     heir
	doubt    doubt
	disputed bool // sentinels do not agree, and that was said
}

// trial is about a place that the master may be at: the server there is asked first.
type trial struct {
	place   place // zero: there is no trial
	began   time.Time
	looking bool
	looked  time.Time // when the last look ended; zero: there was none
	role    role      // empty: nothing is known yet
	warned  bool
}

// claim is what a sentinel says, and since when it names that address.
type claim struct {
	place
	since    time.Time
	replicas []place // when it was last asked for them; nil: it was not
	changing bool    // it has begun to make a replica the master
}

// relocation is a change of a master's address; the zero value: there was none.
type relocation struct {
	from   string    // the address before
	saidAt time.Time // when a sentinel first named the new one; zero: servers said so first
	at     time.Time // when that was taken to be right
}

// newJudge returns a judge who begins with what is known; nil: nothing is.
func newJudge(master string, configured int, known *link.ServerTopology, now time.Time) *judge {
	j := &judge{master: master, configured: configured, said: map[string]claim{}, found: map[string]bool{}, asked: now, silent: now}
	if known == nil || len(known.Endpoints) == 0 {
		return j
	}
	at := known.Endpoints[0].Address
	j.replicas = replicasOfTopology(known)
	j.at, j.stale, j.heir.rules = place{address: at, key: at, epoch: known.Epoch}, known.Stale, known.Unnamed
	if known.MovedAt != 0 {
		j.last = relocation{from: known.MovedFrom, at: time.UnixMilli(known.MovedAt)}
		if known.SaidAt != 0 {
			j.last.saidAt = time.UnixMilli(known.SaidAt)
		}
	}
	return j
}

// hear is called with what a sentinel says.
func (j *judge) hear(sentinel string, configured bool, said statement, now time.Time) {
	c := claim{said.place, now, said.replicas, said.changing}
	if before, ok := j.said[sentinel]; ok && before.isAt(c.place) {
		c.since = before.since
		if c.replicas == nil {
			c.replicas = before.replicas
		}
	}
	j.said[sentinel] = c
	if configured {
		delete(j.found, sentinel)
	} else {
		j.found[sentinel] = true
	}
}

// forget is called when a sentinel does not answer, or knows no such master.
func (j *judge) forget(sentinel string) {
	delete(j.said, sentinel)
	delete(j.found, sentinel)
}

// verdict is what a decision has changed.
type verdict struct {
	moved   bool    // at is another address
	news    bool    // something that others are told of has changed
	look    string  // an address at which to look whether there is a master; empty: none
	seek    []place // among which a sentinel is about to make one the master; none: nobody knows of any
	problem string  // for the log
	notice  string  // likewise
}

// decide draws the conclusions from all that was said.
func (j *judge) decide(now time.Time) (v verdict) {
	j.noteSilence(now, &v)
	defer j.noteReplicas(&v)
	v.seek = j.candidates(now)
	next, ok := j.proposal(now, &v)
	if h, is := j.successor(now); is && (!ok || next.epoch <= j.at.epoch) {
		next, ok = h, true
	}
	if !ok {
		j.trial = trial{}
		return v
	}
	if !next.isAt(j.trial.place) {
		j.trial = trial{place: next, began: now}
	}
	j.trial.place.epoch = next.epoch // the address stays what it is called where somebody looks
	switch {
	case j.trial.role == roleMaster, j.trial.role == roleUnknown && now.Sub(j.trial.began) >= lookTime && j.insists(next):
		j.move(j.trial.place, now, &v)
	case j.trial.role == roleReplica && now.Sub(j.trial.began) >= lookTime && !j.trial.warned:
		j.trial.warned = true
		v.problem = fmt.Sprintf("the sentinels name %s as master %q, which says that it is a replica", next.address, j.master)
	}
	if t := &j.trial; t.place.address != "" && !t.looking && (t.looked.IsZero() || now.Sub(t.looked) >= lookPause) {
		j.trial.looking = true
		v.look = next.address
	}
	return v
}

// looked is called with what a server says that it is; done: it is not asked again.
func (j *judge) looked(address string, says role, done bool, now time.Time) {
	if j.trial.place.address != address {
		return
	}
	j.trial.role = says
	if done {
		j.trial.looking, j.trial.looked = false, now
	}
}

// noteSilence notes whether any sentinel answers.
func (j *judge) noteSilence(now time.Time, v *verdict) {
	if len(j.said) > 0 {
		j.silent = time.Time{}
		if j.stale {
			j.stale, v.news = false, true
			v.notice = fmt.Sprintf("sentinels answer again for master %q", j.master)
		}
		return
	}
	if j.silent.IsZero() {
		j.silent = now
	}
	if !j.stale && now.Sub(j.silent) >= staleAfter {
		j.stale, v.news = true, true
		where := "nobody knows where that is"
		if j.at.address != "" {
			where = "the last address that is known stays: " + j.at.address
		}
		v.problem = fmt.Sprintf("no sentinel answers for master %q; %s", j.master, where)
	}
}

// proposal returns where the master should be, if that is not where it is taken to be.
func (j *judge) proposal(now time.Time, v *verdict) (next place, ok bool) {
	most, votes := j.mostNamed()
	opposed := j.opposed
	j.opposed = time.Time{}
	known := j.configured + len(j.found)
	ofAll, ofAnswers := 2*votes > known, 2*votes > len(j.said)
	if votes > 0 && !ofAnswers {
		j.noteDispute(now, v)
	} else if votes > 0 {
		j.disputed = false
	}
	switch {
	case votes == 0:
		return next, false
	case j.at.address == "":
		return most, ofAll || now.Sub(j.asked) >= firstPatience && (ofAnswers || j.isLatest(most))
	case most.isAt(j.at):
		j.heir.rules = j.heir.rules && !ofAnswers
		if ofAnswers && most.epoch > j.at.epoch || ofAll && most.epoch < j.at.epoch && j.persists(opposed, now) {
			j.at.epoch, v.news = most.epoch, true
		}
		return next, false
	case most.epoch > j.at.epoch:
		return most, ofAnswers
	case most.epoch == j.at.epoch:
		return most, ofAll && (!j.heir.rules || j.persists(opposed, now))
	case !ofAll || j.isNamed(j.at):
		return next, false
	}
	return most, j.persists(opposed, now)
}

// persists tells whether most have named an earlier failover for long enough, as they have since then; zero: as they begin to now.
func (j *judge) persists(since, now time.Time) bool {
	if j.opposed = since; since.IsZero() {
		j.opposed = now
	}
	return now.Sub(j.opposed) >= revokeAfter
}

// mostNamed returns what most of the sentinels say that answer, and how many do; where equally many say different things, the
// latest.
func (j *judge) mostNamed() (most place, votes int) {
	for _, p := range j.said {
		n := 0
		for _, q := range j.said {
			if p.isAt(q.place) && p.epoch == q.epoch {
				n++
			}
		}
		if c := cmp.Or(cmp.Compare(n, votes), cmp.Compare(p.epoch, most.epoch), cmp.Compare(most.address, p.address)); c > 0 {
			most, votes = p.place, n
		}
	}
	return most, votes
}

// isLatest tells whether whoever names another place is behind.
func (j *judge) isLatest(p place) bool {
	for _, q := range j.said {
		if !p.isAt(q.place) && q.epoch >= p.epoch {
			return false
		}
	}
	return true
}

func (j *judge) isNamed(p place) bool {
	for _, q := range j.said {
		if p.isAt(q.place) {
			return true
		}
	}
	return false
}

// namedSince returns since when a sentinel names a place; zero: none does.
func (j *judge) namedSince(p place) (since time.Time) {
	for _, c := range j.said {
		if p.isAt(c.place) && (since.IsZero() || c.since.Before(since)) {
			since = c.since
		}
	}
	return since
}

// insists tells whether most sentinels name a place, so that it is taken although the server does not answer: then at least
// nobody writes to the old one any more. What they have not noticed is another matter.
func (j *judge) insists(p place) bool {
	_, votes := j.mostNamed()
	if p.epoch == j.at.epoch && (j.heir.rules || p.isAt(j.heir.place)) {
		return false
	}
	return j.at.address == "" || 2*votes > j.configured+len(j.found)
}

// noteDispute says, once, that nothing is decided. For a moment that is so in each failover.
func (j *judge) noteDispute(now time.Time, v *verdict) {
	if j.disputed || j.at.address != "" || now.Sub(j.asked) < staleAfter {
		return
	}
	j.disputed = true
	v.problem = fmt.Sprintf("the sentinels do not agree where master %q is", j.master)
}

// move takes the master to be elsewhere.
func (j *judge) move(next place, now time.Time, v *verdict) {
	v.moved, v.news = true, true
	says := fmt.Sprintf("epoch %d", next.epoch)
	j.heir.rules = next.isAt(j.heir.place) && !j.isNamed(next)
	switch {
	case j.heir.rules:
		says += "; as the servers say, and no sentinel"
	case j.trial.role != roleMaster:
		says += "; it does not say that it is a master"
	}
	v.notice = fmt.Sprintf("master %q is at %s (%s)", j.master, next.address, says)
	if j.at.address != "" {
		j.last = relocation{j.at.address, j.namedSince(next), now}
		v.notice = fmt.Sprintf("master %q is at %s (%s), and no longer at %s", j.master, next.address, says, j.at.address)
	}
	j.at, j.trial, j.opposed, j.doubt = next, trial{}, time.Time{}, doubt{}
}
