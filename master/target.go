// The target of a handoff: it makes the next generation, which takes over. Until it has settled, whatever goes wrong
// ends with its workers giving back what they have taken.

package master

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

type targetPhase uint8

const (
	targetCalling   targetPhase = iota // upgrade: has said hello
	targetPreparing                    // workers start and connect to their servers
	targetPrepared                     // waits for the source to go ahead
	targetTaking                       // workers accept, and take what they are given
	targetSettling                     // upgrade: everything is taken, the source decides
	targetReturning                    // workers give back
)

var targetPhaseNames = [...]string{"calling", "preparing", "prepared", "taking", "settling", "returning"}

func (p targetPhase) String() string { return targetPhaseNames[p] }

// takeSlack is how much longer than its source may take a target serves side by side with it: who is silent for longer has
// forgotten it.
const takeSlack = time.Minute

// takeTimeout returns how long the target waits for everything to be moved. The source waits for the patience that it was
// told and giveTimeout, once more for what it kills, and longer while it cannot tell whether a worker hangs.
func (t *target) takeTimeout() time.Duration {
	return t.g.config.Global.HandoffPatience + 2*giveTimeout + stillHangs*pulseEvery + settleTimeout + takeSlack
}

// target is one attempt to take over. Only the goroutine of Run touches it.
type target struct {
	m      *master
	source counterpart
	g      *generation // nil until the configuration is read

	phase       targetPhase
	until       time.Time // deadline of the phase
	strict      bool
	clients     int // that the source has
	unreachable []link.Unreachable
	died        map[int]bool  // slots whose worker has died while taking
	again       map[int]int   // for each slot, how many times its worker needed other connections
	returned    map[int]bool  // slots that have given back all that they could
	kept        int           // clients that could not be given back
	awaited     map[pair]bool // connections that the new worker has not said it has
	losses      losses
	following   totals.Following     // servers that the old workers watch, too
	moved       *admin.HandoffStatus // everything has moved, but a worker has died of which nothing is known yet; nil: no
	failure     error                // why clients go back
	stored      []string             // upgrade: what the service manager keeps of the source's generation
	obeys       bool                 // upgrade: the source tells the service manager about this master
	old         int                  // upgrade: pid of the old master
	left        []*generation        // upgrade: the source's and those before it that still have workers, the latest first
	unreadable  bool                 // upgrade: counters that stand before those of left are not read
	result      *admin.HandoffStatus // upgrade: how far the source is; nil: it has not said so
	confessed   int                  // upgrade: clients that the old master knows to be lost
	may         bool                 // upgrade: it agrees that this one takes over
	asked       bool                 // upgrade: somebody may have made this process the main one of the service
	exchange    *exchange            // upgrade: the way to the old master
	welcome     word                 // upgrade: with Kind once it has come
	held        []intent             // upgrade: what was asked for before the welcome
}

// serves tells whether the workers have clients, or may have.
func (t *target) serves() bool { return t.phase == targetTaking || t.phase == targetSettling }

// engaged tells whether workers of the source may have given clients to these: they can be faster than the word that says so.
func (t *target) engaged() bool { return t.serves() || t.phase == targetPrepared && t.awaited != nil }

func (t *target) enter(phase targetPhase, timeout time.Duration) {
	t.phase, t.until = phase, t.m.world.now().Add(timeout)
}

// hear takes what the source says.
func (t *target) hear(w word) {
	switch {
	case w.Kind == wordWelcome && t.phase == targetCalling:
		t.welcomed(w)
	case w.Kind == wordSockets && t.phase == targetCalling:
		t.m.addSockets(w)
		if !w.More {
			t.load()
		}
	case w.Kind == wordCounters && t.phase == targetPrepared:
		t.remember(w)
	case w.Kind == wordTopology:
		t.m.learn(w.Topology)
	case w.Kind == wordPeer:
		t.introduce(w)
	case w.Kind == wordGo && t.phase == targetPrepared && t.failure == nil:
		t.take(w)
	case w.Kind == wordSuspect && t.phase == targetTaking:
		t.suspect(w)
	case w.Kind == wordMoved && t.phase == targetTaking:
		t.settle(w.Result)
	case w.Kind == wordAgreed && t.phase == targetSettling:
		t.agreed()
	case w.Kind == wordAbort && w.Intent == intentNames[stop] && t.exchange != nil:
		t.stop()
	case w.Kind == wordAbort:
		t.abort(w.Reason, w.Unmoved)
	}
}

// prepare makes the generation of a configuration, up to the first spawn of every worker.
func (t *target) prepare(cfg *config.Config) {
	m := t.m
	t.enter(targetPreparing, waitTimeout)
	if m.generation != nil {
		m.recount() // who is on the way is known from here on
	}
	t.g = m.generate(cfg)
	if w := t.welcome.Topology; w != nil {
		t.g.follow(w, t.welcome.Pools)
	}
	t.strict = t.strict || cfg.Global.UnreachableServers == config.UnreachableStrict
	for i := range t.g.specs {
		t.g.specs[i].Takeover = true
		t.g.specs[i].Clients = 2 * t.clients / len(t.g.slots) // they may be spread unevenly
	}
	m.coming = t.g
	err := m.claim(t.g)
	if err == nil {
		t.at("nm.listen_added")
		err = t.g.share(m.world)
	}
	if err != nil {
		t.fail(err)
		return
	}
	t.g.counters.InheritFound(totals.Found(m.counted().All, t.welcome.Found))
	for _, s := range t.g.slots {
		if m.target == t { // else a spawn before has failed
			m.fill(s)
		}
	}
}

// ready follows when a worker could serve.
func (t *target) ready(s *slot, body link.ReadyBody) {
	m := t.m
	s.become(slotPrepared, time.Time{})
	t.unreachable = append(t.unreachable, body.Unreachable...)
	if t.serves() {
		m.serve(s)
		t.source.say(word{Kind: wordAgain, Slot: s.index})
		return
	}
	if t.phase != targetPreparing || t.g.count(slotPrepared) < len(t.g.slots) {
		return
	}
	t.enter(targetPrepared, waitTimeout)
	w := word{
		Kind: wordPrepared, Build: m.opts.Build, Slots: len(t.g.slots), Strict: t.strict,
		Unreachable: distinct(t.unreachable), Patience: t.g.config.Global.HandoffPatience, Serves: t.g.listensAt(),
	}
	if t.exchange != nil {
		if err := m.nameSockets(&w, func(l *listener) bool { return l.fresh }); err != nil {
			t.fail(err)
			return
		}
		if counters, err := m.whereCounted(t.g); err == nil { // else they are missing until this one serves
			t.source.say(counters)
		}
	}
	t.at("nm.prepared")
	t.source.say(w)
}

// at is a point at which a new master may be made to break.
func (t *target) at(point string) {
	if t.exchange != nil {
		fault.At(point)
	}
}

// distinct leaves out what several workers say alike.
func distinct(unreachable []link.Unreachable) []link.Unreachable {
	slices.SortFunc(unreachable, func(a, b link.Unreachable) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Server, b.Server))
	})
	return slices.CompactFunc(unreachable, func(a, b link.Unreachable) bool { return a.Pool == b.Pool && a.Server == b.Server })
}

// introduce passes a worker its end of a connection to a worker of the source.
func (t *target) introduce(w word) {
	if t.g == nil || w.Slot < 0 || w.Slot >= len(t.g.slots) || len(w.fds) != 1 {
		return
	}
	s := t.g.slots[w.Slot]
	switch s.state {
	case slotPrepared, slotServing:
		if t.awaited == nil {
			t.awaited = map[pair]bool{}
		}
		t.awaited[pair{w.From, w.Slot}] = true
		err := t.m.pass(s, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: w.From, Share: w.Share})}, w.fds[0])
		if err != nil {
			t.fail(fmt.Errorf("connecting %v: %w", pair{w.From, w.Slot}, err))
		}
	}
}

// joined notes that a new worker has its end of a connection.
func (t *target) joined(s *slot, p pair) {
	delete(t.awaited, p)
	t.checkJoined(s)
}

// checkJoined has a worker accept once it has all its connections. Those who come to it could not go back otherwise.
func (t *target) checkJoined(s *slot) {
	if t.phase != targetTaking || s.state != slotPrepared {
		return
	}
	for p := range t.awaited {
		if p.to == s.index {
			return
		}
	}
	t.m.serve(s)
}

// take lets the workers accept, side by side with the old ones.
func (t *target) take(w word) {
	m := t.m
	t.enter(targetTaking, t.takeTimeout())
	if w.Legacy != nil {
		t.g.counters.InheritLiveness(w.Legacy)
		switch {
		case t.exchange == nil:
			t.following = totals.Follow(m.generation.counters, t.g.counters)
		case len(t.left) > 0:
			t.following = totals.Follow(t.left[0].counters, t.g.counters)
		}
	}
	if t.exchange != nil {
		m.totals.Past = t.bygone(w)
		m.totals.Balance = w.Balance
	}
	m.restate()
	if err := m.queue(t.g); err != nil {
		t.fail(err)
		return
	}
	for _, s := range t.g.slots {
		t.checkJoined(s)
	}
}

// bygone returns what generations of the old master have counted that it does not have any more.
func (t *target) bygone(w word) *totals.Sums {
	switch {
	case len(t.left) == 0:
		return w.Legacy
	case w.Past == nil || t.unreadable:
		return t.left[len(t.left)-1].counters.Inherited()
	}
	return w.Past
}

// serve has a prepared worker accept.
func (m *master) serve(s *slot) {
	s.become(slotServing, time.Time{})
	s.readyAt = m.world.now()
	m.pass(s, link.Message{Kind: link.Serve})
}

// expire follows when a phase lasts too long.
func (t *target) expire() {
	switch t.phase {
	case targetReturning:
		t.sayReturned()
		t.cancel(fmt.Errorf("%w; clients could not be given back within %s", t.failure, returnTimeout))
	case targetTaking:
		if t.failure == nil {
			t.fail(fmt.Errorf("nothing was heard of the old generation for %s", t.takeTimeout()))
			return
		}
		t.abort("the other side is silent", false)
	case targetSettling:
		if t.may {
			t.takeOver()
			return
		}
		t.deserted()
	default:
		if t.failure != nil {
			t.abort("the other side is silent", false)
			return
		}
		t.fail(fmt.Errorf("waited in vain while %s", t.phase))
	}
}

// settle follows when everything has moved. Of a reload it is the point of no return: from here on the generation serves
// alone.
func (t *target) settle(result *admin.HandoffStatus) {
	t.serveAll()
	if t.moved = nil; t.mourns() { // first it must be known how many clients that has cost
		t.moved = result
		return
	}
	if t.exchange != nil {
		t.ask(result)
		return
	}
	t.established()
	t.source.say(word{Kind: wordSettled})
}

// serveAll has those accept, too, that have not said yet that they have their connections: nobody comes back any more, and
// the old workers do not accept.
func (t *target) serveAll() {
	for _, s := range t.g.slots {
		if s.state == slotPrepared {
			t.m.serve(s)
		}
	}
}

// mourns tells whether a worker is dead, or about to be, whose end has not been reported. The old workers can have noticed
// earlier than this process.
func (t *target) mourns() bool {
	for _, s := range t.g.slots {
		if s.process != nil && (s.state == slotDying || t.m.dead(s)) {
			return true
		}
	}
	return false
}

// established has the workers keep what they have taken.
func (t *target) established() {
	t.following.CatchUp()
	t.serveAll()
	for _, s := range t.g.slots {
		if s.state == slotServing {
			t.m.pass(s, link.Message{Kind: link.Settle})
		}
	}
	t.g.established()
}

// succeed makes the generation that has taken over from one of the same master the one that serves.
func (m *master) succeed() {
	t := m.target
	m.target, m.coming = nil, nil
	old := m.generation
	m.generation = t.g
	m.retired = append(m.retired, old)
	m.keep(t.g)
	m.storeEverything()
	m.unstore(old.storedNames())
	m.storeAgain()
	m.watch()
	m.scheduleSummary()
	m.restate()
	m.bury()
}
