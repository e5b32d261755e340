// The new side of a handoff makes the next generation, which takes over. Until it has settled, any failure ends with its
// workers handing their clients back to the old ones.

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
	newCalling   newPhase = iota // upgrade: hello is sent
	newPreparing                 // workers start and connect to their servers
	newPrepared                  // waits for the old side to go ahead
	newAccepting                 // workers accept connections and receive clients
	newSettling                  // upgrade: all clients have moved, the old side decides
	newReturning                 // workers hand clients back
)

var newPhaseNames = [...]string{"calling", "preparing", "prepared", "taking", "settling", "returning"}

func (p newPhase) String() string { return newPhaseNames[p] }

// acceptSlack is what the new side waits beyond the longest time that the old side may take.
const acceptSlack = time.Minute

// acceptTimeout returns how long the new side waits for everything to be moved. The old side waits for the patience that it
// was told and moveTimeout, once more for what it kills, and longer while it cannot tell whether a worker hangs.
func (n *newSide) acceptTimeout() time.Duration {
	return n.g.config.Global.HandoffPatience + 2*moveTimeout + stillHangs*pulseEvery + settleTimeout + acceptSlack
}

// newSide is one attempt to take over. Only the goroutine of Run touches it.
type newSide struct {
	m     *master
	other counterpart
	g     *generation // nil until the configuration is read

	phase          newPhase
	until          time.Time // deadline of the phase
	strict         bool
	clients        int // that the old side has
	unreachable    []link.Unreachable
	died           map[int]bool  // slots whose worker has died while it received clients
	reconnects     map[int]int   // for each slot, how many times its worker needed other connections
	gone           map[int]int   // for each slot, the pid of a worker that may have ended, as an old worker says
	returned       map[int]bool  // slots whose worker has handed back all that it could
	kept           int           // clients that could not be handed back
	awaited        map[pair]bool // connections to old workers that the new worker has not confirmed
	losses         losses
	liveness       totals.Following     // the ejections of servers that old workers use, too
	moved          *admin.HandoffStatus // all clients have moved, but a worker that has died is not reaped yet; nil: not so
	failure        error                // why clients go back
	stored         []string             // upgrade: what the service manager keeps of the old side's generation
	obeys          bool                 // upgrade: the old side tells the service manager about this master
	old            int                  // upgrade: pid of the old master
	oldGenerations []*generation        // upgrade: the old side's and those before it that still have workers, the latest first
	unreadable     bool                 // upgrade: counters of generations before oldGenerations could not be read
	result         *admin.HandoffStatus // upgrade: the old side's result; nil: it has not sent one
	tallied        tally                // upgrade: what of the old side's counts this master's include
	lostSent       int                  // upgrade: lost clients that the old master was told of
	agreedTo       bool                 // upgrade: the old master agrees that this one takes over
	claimed        bool                 // upgrade: the service manager may have been told that this process is the main one
	link           *masterLink          // upgrade: the link to the old master
	welcome        message              // upgrade: its Kind is empty until it has come
	heldIntents    []intent             // upgrade: what was asked for before the welcome
}

// serves reports whether the new workers accept or receive clients.
func (n *newSide) serves() bool { return n.phase == newAccepting || n.phase == newSettling }

// mayHaveClients reports whether old workers may have handed over clients: they can be faster than the message go.
func (n *newSide) mayHaveClients() bool {
	return n.serves() || n.phase == newPrepared && n.awaited != nil
}

func (n *newSide) enter(phase newPhase, timeout time.Duration) {
	n.phase, n.until = phase, n.m.world.now().Add(timeout)
}

// handle handles a message of the old side.
func (n *newSide) handle(msg message) {
	switch {
	case msg.Kind == messageWelcome && n.phase == newCalling:
		n.welcomed(msg)
	case msg.Kind == messageSockets && n.phase == newCalling:
		n.m.addSockets(msg)
		if !msg.More {
			n.loadConfig()
		}
	case msg.Kind == messageCounters && n.phase == newPrepared:
		n.mapOldCounters(msg)
	case msg.Kind == messageTopology && n.g == nil:
		n.welcome.updateTopology(msg.Topology)
	case msg.Kind == messageTopology:
		n.m.takeTopology(msg.Topology)
	case msg.Kind == messagePeer:
		n.passPeer(msg)
	case msg.Kind == messageGo && n.phase == newPrepared && n.failure == nil:
		n.startAccepting(msg)
	case msg.Kind == messageSuspect && n.phase == newAccepting:
		n.suspect(msg)
	case msg.Kind == messageMoved && n.phase == newAccepting:
		n.allMoved(msg.Result)
	case msg.Kind == messageAgreed && n.phase == newSettling:
		n.takeTally(msg.Tally)
		n.m.takeDrain(msg.Drain)
		n.agreed()
	case msg.Kind == messageAbort && msg.Intent == intentNames[stop] && n.link != nil:
		n.stopBoth()
	case msg.Kind == messageAbort:
		n.abort(msg.Reason, msg.Unmoved)
	}
}

// prepare makes the generation of a configuration and spawns its workers.
func (n *newSide) prepare(cfg *config.Config) {
	m := n.m
	n.enter(newPreparing, waitTimeout)
	if m.generations.serving != nil {
		m.recountClients() // clients on the way between workers are counted from here on
	}
	n.g = m.generate(cfg)
	if w := n.welcome.Topology; w != nil {
		n.g.inheritTopology(w, n.welcome.Pools)
	}
	n.strict = n.strict || cfg.Global.UnreachableServers == config.UnreachableStrict
	for i := range n.g.specs {
		n.g.specs[i].Takeover = true
		n.g.specs[i].Clients = 2 * n.clients / len(n.g.slots) // they may be spread unevenly
	}
	m.generations.coming = n.g
	m.locate(n.g, func() {
		if m.newSide == n {
			n.spawn()
		}
	})
}

// spawn claims what the generation needs and spawns its workers.
func (n *newSide) spawn() {
	m := n.m
	err := m.listeners.Claim(n.g.layout(), m.patience())
	if err == nil {
		err = m.claimHTTP(n.g.config.Global.HTTP)
	}
	if err == nil {
		err = m.claimStatistics(n.g.config)
	}
	if err == nil {
		err = m.claimControl(n.g.config)
	}
	if err == nil {
		n.at("nm.listen_added")
		err = n.g.share(m.world)
	}
	if err != nil {
		n.fail(err)
		return
	}
	m.watchReplicas(n.g)
	n.g.counters.InheritTroubles(m.counted().All)
	n.g.counters.InheritFound(totals.Found(m.counted().All, n.welcome.Found))
	for _, s := range n.g.slots {
		if m.newSide == n { // otherwise an earlier spawn has failed
			m.fill(s)
		}
	}
}

// workerReady is called when a new worker could serve.
func (n *newSide) workerReady(s *slot, body link.ReadyBody) {
	m := n.m
	s.become(slotPrepared, time.Time{})
	n.unreachable = append(n.unreachable, body.Unreachable...)
	if n.serves() {
		m.serve(s)
		n.other.send(message{Kind: messageAgain, Slot: s.index})
		return
	}
	if n.phase != newPreparing || n.g.count(slotPrepared) < len(n.g.slots) {
		return
	}
	n.enter(newPrepared, waitTimeout)
	msg := message{
		Kind: messagePrepared, Build: m.opts.Build, Slots: len(n.g.slots), Strict: n.strict,
		Unreachable: withoutDuplicates(n.unreachable), Patience: n.g.config.Global.HandoffPatience, Serves: n.g.servedSockets(),
	}
	if n.link != nil {
		if err := m.nameSockets(&msg, func(l *listen.Listener) bool { return l.Fresh }); err != nil {
			n.fail(err)
			return
		}
		if counters, err := m.countersMessage(n.g); err == nil { // without them the statistics lack these workers until this master serves
			n.other.send(counters)
		}
	}
	n.at("nm.prepared")
	n.other.send(msg)
}

// at is a point at which a test can make a new master fail.
func (n *newSide) at(point string) {
	if n.link != nil {
		fault.At(point)
	}
}

// withoutDuplicates removes duplicates: several workers report the same server.
func withoutDuplicates(unreachable []link.Unreachable) []link.Unreachable {
	slices.SortFunc(unreachable, func(a, b link.Unreachable) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Server, b.Server))
	})
	return slices.CompactFunc(unreachable, func(a, b link.Unreachable) bool { return a.Pool == b.Pool && a.Server == b.Server })
}

// passPeer passes a new worker its end of a connection to an old worker.
func (n *newSide) passPeer(msg message) {
	if n.g == nil || msg.Slot < 0 || msg.Slot >= len(n.g.slots) || len(msg.fds) != 1 {
		return
	}
	s := n.g.slots[msg.Slot]
	switch s.state {
	case slotPrepared, slotServing:
		if n.awaited == nil {
			n.awaited = map[pair]bool{}
		}
		n.awaited[pair{msg.From, msg.Slot}] = true
		err := n.m.pass(s, link.Message{Kind: link.Peer, Body: link.Body(link.PeerBody{Slot: msg.From, Share: msg.Share})}, msg.fds[0])
		if err != nil {
			n.fail(fmt.Errorf("connecting %v: %w", pair{msg.From, msg.Slot}, err))
		}
	}
}

// workerJoined is called when a new worker confirms a connection.
func (n *newSide) workerJoined(s *slot, p pair) {
	delete(n.awaited, p)
	delete(n.gone, s.index)
	n.checkJoined(s)
}

// checkJoined lets a worker accept once it has confirmed all its connections: without them its clients could not be handed
// back.
func (n *newSide) checkJoined(s *slot) {
	if n.phase != newAccepting || s.state != slotPrepared {
		return
	}
	for p := range n.awaited {
		if p.to == s.index {
			return
		}
	}
	n.m.serve(s)
}

// startAccepting lets the workers accept, side by side with the old ones.
func (n *newSide) startAccepting(msg message) {
	m := n.m
	n.enter(newAccepting, n.acceptTimeout())
	if msg.Legacy != nil {
		n.g.counters.InheritLiveness(msg.Legacy)
		switch {
		case n.link == nil:
			n.liveness = totals.Follow(m.generations.serving.counters, n.g.counters)
		case len(n.oldGenerations) > 0:
			n.liveness = totals.Follow(n.oldGenerations[0].counters, n.g.counters)
		}
	}
	if n.link != nil {
		m.totals.Past = n.pastTotals(msg)
		m.totals.Balance = msg.Balance
		m.totals.Keep(msg.OfGone)
	}
	m.updateInherited()
	if err := m.listeners.Listen(n.g.layout()); err != nil {
		n.fail(err)
		return
	}
	for _, s := range n.g.slots {
		n.checkJoined(s)
	}
}

// pastTotals returns the totals of generations of the old master that have ended.
func (n *newSide) pastTotals(msg message) *totals.Sums {
	switch {
	case len(n.oldGenerations) == 0:
		return msg.Legacy
	case msg.Past == nil || n.unreadable:
		return n.oldGenerations[len(n.oldGenerations)-1].counters.Inherited()
	}
	return msg.Past
}
