// The new side of a handoff: it makes the next generation, which takes over. Until it has settled, whatever goes wrong
// ends with its workers handing back what they have taken.

package master

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

type newPhase uint8

const (
	newCalling   newPhase = iota // upgrade: has said hello
	newPreparing                 // workers start and connect to their servers
	newPrepared                  // waits for the old side to go ahead
	newAccepting                 // workers accept, and take what is handed to them
	newSettling                  // upgrade: everything is taken, the old side decides
	newReturning                 // workers hand back
)

var newPhaseNames = [...]string{"calling", "preparing", "prepared", "taking", "settling", "returning"}

func (p newPhase) String() string { return newPhaseNames[p] }

// acceptSlack is how much longer than its old side may take a new side serves side by side with it: who is silent for longer has
// forgotten it.
const acceptSlack = time.Minute

// acceptTimeout returns how long the new side waits for everything to be moved. The old side waits for the patience that it was
// told and moveTimeout, once more for what it kills, and longer while it cannot tell whether a worker hangs.
func (t *newSide) acceptTimeout() time.Duration {
	return t.g.config.Global.HandoffPatience + 2*moveTimeout + stillHangs*pulseEvery + settleTimeout + acceptSlack
}

// newSide is one attempt to take over. Only the goroutine of Run touches it.
type newSide struct {
	m     *master
	other counterpart
	g     *generation // nil until the configuration is read

	phase       newPhase
	until       time.Time // deadline of the phase
	strict      bool
	clients     int // that the old side has
	unreachable []link.Unreachable
	died        map[int]bool  // slots whose worker has died while taking
	again       map[int]int   // for each slot, how many times its worker needed other connections
	returned    map[int]bool  // slots that have handed back all that they could
	kept        int           // clients that could not be handed back
	awaited     map[pair]bool // connections that the new worker has not said it has
	losses      losses
	following   totals.Following     // servers that the old workers watch, too
	moved       *admin.HandoffStatus // everything has moved, but a worker has died of which nothing is known yet; nil: no
	failure     error                // why clients go back
	stored      []string             // upgrade: what the service manager keeps of the old side's generation
	obeys       bool                 // upgrade: the old side tells the service manager about this master
	old         int                  // upgrade: pid of the old master
	left        []*generation        // upgrade: the old side's and those before it that still have workers, the latest first
	unreadable  bool                 // upgrade: counters that stand before those of left are not read
	result      *admin.HandoffStatus // upgrade: how far the old side is; nil: it has not said so
	lostSaid    int                  // upgrade: clients that the old master knows to be lost
	may         bool                 // upgrade: it agrees that this one takes over
	asked       bool                 // upgrade: somebody may have made this process the main one of the service
	link        *masterLink          // upgrade: the way to the old master
	welcome     message              // upgrade: with Kind once it has come
	held        []intent             // upgrade: what was asked for before the welcome
}

// serves tells whether the workers have clients, or may have.
func (t *newSide) serves() bool { return t.phase == newAccepting || t.phase == newSettling }

// engaged tells whether workers of the old side may have handed clients to these: they can be faster than the message that says so.
func (t *newSide) engaged() bool { return t.serves() || t.phase == newPrepared && t.awaited != nil }

func (t *newSide) enter(phase newPhase, timeout time.Duration) {
	t.phase, t.until = phase, t.m.world.now().Add(timeout)
}

// handle takes what the old side says.
func (t *newSide) handle(msg message) {
	switch {
	case msg.Kind == messageWelcome && t.phase == newCalling:
		t.welcomed(msg)
	case msg.Kind == messageSockets && t.phase == newCalling:
		t.m.addSockets(msg)
		if !msg.More {
			t.load()
		}
	case msg.Kind == messageCounters && t.phase == newPrepared:
		t.mapOldCounters(msg)
	case msg.Kind == messageTopology:
		t.m.learn(msg.Topology)
	case msg.Kind == messagePeer:
		t.introduce(msg)
	case msg.Kind == messageGo && t.phase == newPrepared && t.failure == nil:
		t.accept(msg)
	case msg.Kind == messageSuspect && t.phase == newAccepting:
		t.suspect(msg)
	case msg.Kind == messageMoved && t.phase == newAccepting:
		t.settle(msg.Result)
	case msg.Kind == messageAgreed && t.phase == newSettling:
		t.agreed()
	case msg.Kind == messageAbort && msg.Intent == intentNames[stop] && t.link != nil:
		t.stop()
	case msg.Kind == messageAbort:
		t.abort(msg.Reason, msg.Unmoved)
	}
}

// prepare makes the generation of a configuration, up to the first spawn of every worker.
func (t *newSide) prepare(cfg *config.Config) {
	m := t.m
	t.enter(newPreparing, waitTimeout)
	if m.generations.serving != nil {
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
	m.generations.coming = t.g
	err := m.listeners.Claim(t.g.layout(), m.patience())
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
		if m.newSide == t { // else a spawn before has failed
			m.fill(s)
		}
	}
}

// ready follows when a worker could serve.
func (t *newSide) ready(s *slot, body link.ReadyBody) {
	m := t.m
	s.become(slotPrepared, time.Time{})
	t.unreachable = append(t.unreachable, body.Unreachable...)
	if t.serves() {
		m.serve(s)
		t.other.send(message{Kind: messageAgain, Slot: s.index})
		return
	}
	if t.phase != newPreparing || t.g.count(slotPrepared) < len(t.g.slots) {
		return
	}
	t.enter(newPrepared, waitTimeout)
	msg := message{
		Kind: messagePrepared, Build: m.opts.Build, Slots: len(t.g.slots), Strict: t.strict,
		Unreachable: distinct(t.unreachable), Patience: t.g.config.Global.HandoffPatience, Serves: t.g.listensAt(),
	}
	if t.link != nil {
		if err := m.nameSockets(&msg, func(l *listen.Listener) bool { return l.Fresh }); err != nil {
			t.fail(err)
			return
		}
		if counters, err := m.countersMessage(t.g); err == nil { // else they are missing until this one serves
			t.other.send(counters)
		}
	}
	t.at("nm.prepared")
	t.other.send(msg)
}

// at is a point at which a new master may be made to break.
func (t *newSide) at(point string) {
	if t.link != nil {
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

// introduce passes a worker its end of a connection to a worker of the old side.
func (t *newSide) introduce(msg message) {
	if t.g == nil || msg.Slot < 0 || msg.Slot >= len(t.g.slots) || len(msg.fds) != 1 {
		return
	}
	s := t.g.slots[msg.Slot]
	switch s.state {
	case slotPrepared, slotServing:
		if t.awaited == nil {
			t.awaited = map[pair]bool{}
		}
		t.awaited[pair{msg.From, msg.Slot}] = true
		err := t.m.pass(s, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: msg.From, Share: msg.Share})}, msg.fds[0])
		if err != nil {
			t.fail(fmt.Errorf("connecting %v: %w", pair{msg.From, msg.Slot}, err))
		}
	}
}

// joined notes that a new worker has its end of a connection.
func (t *newSide) joined(s *slot, p pair) {
	delete(t.awaited, p)
	t.checkJoined(s)
}

// checkJoined has a worker accept once it has all its connections. Those who come to it could not go back otherwise.
func (t *newSide) checkJoined(s *slot) {
	if t.phase != newAccepting || s.state != slotPrepared {
		return
	}
	for p := range t.awaited {
		if p.to == s.index {
			return
		}
	}
	t.m.serve(s)
}

// accept lets the workers accept, side by side with the old ones.
func (t *newSide) accept(msg message) {
	m := t.m
	t.enter(newAccepting, t.acceptTimeout())
	if msg.Legacy != nil {
		t.g.counters.InheritLiveness(msg.Legacy)
		switch {
		case t.link == nil:
			t.following = totals.Follow(m.generations.serving.counters, t.g.counters)
		case len(t.left) > 0:
			t.following = totals.Follow(t.left[0].counters, t.g.counters)
		}
	}
	if t.link != nil {
		m.totals.Past = t.pastTotals(msg)
		m.totals.Balance = msg.Balance
	}
	m.restate()
	if err := m.listeners.Listen(t.g.layout()); err != nil {
		t.fail(err)
		return
	}
	for _, s := range t.g.slots {
		t.checkJoined(s)
	}
}

// pastTotals returns what generations of the old master have counted that it does not have any more.
func (t *newSide) pastTotals(msg message) *totals.Sums {
	switch {
	case len(t.left) == 0:
		return msg.Legacy
	case msg.Past == nil || t.unreadable:
		return t.left[len(t.left)-1].counters.Inherited()
	}
	return msg.Past
}

// serve has a prepared worker accept.
func (m *master) serve(s *slot) {
	s.become(slotServing, time.Time{})
	s.readyAt = m.world.now()
	m.pass(s, link.Message{Kind: link.Serve})
}

// expire follows when a phase lasts too long.
func (t *newSide) expire() {
	switch t.phase {
	case newReturning:
		t.sayReturned()
		t.cancel(fmt.Errorf("%w; clients could not be given back within %s", t.failure, returnTimeout))
	case newAccepting:
		if t.failure == nil {
			t.fail(fmt.Errorf("nothing was heard of the old generation for %s", t.acceptTimeout()))
			return
		}
		t.abort("the other side is silent", false)
	case newSettling:
		if t.may {
			t.takeOver()
			return
		}
		t.oldMasterSilent()
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
func (t *newSide) settle(result *admin.HandoffStatus) {
	t.serveAll()
	if t.moved = nil; t.mourns() { // first it must be known how many clients that has cost
		t.moved = result
		return
	}
	if t.link != nil {
		t.ask(result)
		return
	}
	t.established()
	t.other.send(message{Kind: messageSettled})
}

// serveAll has those accept, too, that have not said yet that they have their connections: nobody comes back any more, and
// the old workers do not accept.
func (t *newSide) serveAll() {
	for _, s := range t.g.slots {
		if s.state == slotPrepared {
			t.m.serve(s)
		}
	}
}

// mourns tells whether a worker is dead, or about to be, whose end has not been reported. The old workers can have noticed
// earlier than this process.
func (t *newSide) mourns() bool {
	for _, s := range t.g.slots {
		if s.process != nil && (s.state == slotDying || t.m.dead(s)) {
			return true
		}
	}
	return false
}

// established has the workers keep what they have taken.
func (t *newSide) established() {
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
	t := m.newSide
	m.newSide, m.generations.coming = nil, nil
	old := m.generations.serving
	m.generations.serving = t.g
	m.generations.retired = append(m.generations.retired, old)
	m.settleListeners(t.g)
	m.storeEverything()
	m.unstore(old.storedNames())
	m.storeAgain()
	m.watch()
	m.scheduleSummary()
	m.restate()
	m.bury()
}
