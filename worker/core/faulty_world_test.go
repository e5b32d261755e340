//go:build fault

// Worlds in which things break, by dice: servers and replicas that are slow, silent, talk garbage, break off or reset; clusters whose slots
// move; clients that do the same, of whom some encrypt, and some are users who may not do all; and a system that is short of descriptors, buffers, memory and names. Whatever happens, each client hears to
// each request the right reply or one error that has a cause, in order; a server that does nothing wrong is not ejected
// and a client that does nothing wrong is not closed; and when it is over, nothing is held.
//
//	go test -tags fault -run TestFaultyWorlds/^7$ ./worker/core                               world 7, with all its steps if it fails
//	PINION_FAULTS=1000000 go test -tags fault -run TestFaultyWorlds -timeout 1h ./worker/core  so many faults
//	PINION_FAULT_STEPS=dir …                                                             all steps of each world, in dir/seed
//
// A world is the same each time that it is played, but for the race detector, which lets go of buffers at random.

package core

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
)

// fewFaults is how many there are by default.
const fewFaults = 6000

// allSteps is the folder that gets all steps of each world; empty: the last ones of a world that fails are enough.
var allSteps = os.Getenv("PINION_FAULT_STEPS")

func TestFaultyWorlds(t *testing.T) {
	want, first := fewFaults, uint64(0)
	if text := os.Getenv("PINION_FAULTS"); text != "" { // number, and the world to begin with
		if _, err := fmt.Sscan(text+" 0", &want, &first); err != nil {
			t.Fatalf("PINION_FAULTS is %q, want a number of faults", text)
		}
	}
	if r, w, err := os.Pipe(); err == nil { // after which the runtime has the descriptors that it keeps
		r.Close()
		w.Close()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	total := &tally{kinds: map[string]int{}}
	worlds := 0
	for seed := first; total.faults < want && !t.Failed(); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			worlds++
			playFaultyWorld(t, seed, total)
		})
		if worlds == 0 || total.faults == 0 && worlds > 10 { // others are asked for by -run
			want = 0
			for seed = range uint64(100_000) {
				t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { worlds++; playFaultyWorld(t, seed, total) })
			}
		}
	}
	t.Logf("%d worlds, %d faults, %d requests answered, %d of them with an error, %d pushes, %d ejections of servers that were at fault",
		worlds, total.faults, total.answered, total.errors, total.pushed, total.ejections)
	t.Logf("faults: %v", total.kinds)
	if worlds > 5 && (total.errors == 0 || total.errors > total.answered/2) {
		t.Error("that proves little: either nothing breaks or nothing works")
	}
}

// tally is what all worlds add up to.
type tally struct {
	faults, answered, errors, pushed, ejections int
	kinds                                       map[string]int
}

// faultyWorld is a rig in which things break. Time in it is cut into storms, in which some are victims and others must
// not notice, and calms, in which everything recovers.
type faultyWorld struct {
	*rig
	*tally
	random  *rand.Rand
	waits   *rand.Rand // decides on failover_wait
	secured *rand.Rand // decides on TLS and users
	steps   []string
	pools   []*faultyPool
	servers []*faultyServer
	clients []*faultyClient
	names   map[string]chan answer // of look-ups, by worker and server
	pending []pendingName
	numbers int // clients so far
	stints  int // of servers' connections that have pushed
	known   map[*client]*faultyClient

	shortage shortage
	storm    bool
	working  bool // a worker turns: it, and not the test, calls the kernel
	smooth   bool // the kernel does what it is told
	arrived  bool // what others have sent has arrived
	nudges   map[*loop][]poll.Token
	stuck    [2]int // a pair of sockets, the first of which is never decided
	unrested time.Duration
	executed map[string]bool
	denied   map[string]bool // keys of requests that no server is to get
	unknown  map[string]bool // see nameOf: requests whose outcome the client was told to be unknown
	pace     time.Duration   // the timeout, or where there is none what would be one
	retry    time.Duration
}

const (
	stormSteps = 400
	mostSteps  = 400 // that are shown
)

func playFaultyWorld(t *testing.T, seed uint64, total *tally) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	w := &faultyWorld{
		rig: newRig(t), tally: total, random: rand.New(rand.NewPCG(seed, 1)), waits: rand.New(rand.NewPCG(seed, 2)), secured: rand.New(rand.NewPCG(seed, 3)), names: map[string]chan answer{},
		nudges: map[*loop][]poll.Token{}, executed: map[string]bool{}, unknown: map[string]bool{}, denied: map[string]bool{}, known: map[*client]*faultyClient{}, pace: 400 * time.Millisecond, retry: time.Second,
	}
	t.Cleanup(func() {
		if allSteps != "" {
			file := filepath.Join(allSteps, strconv.FormatUint(seed, 10))
			w.must(os.WriteFile(file, []byte(strings.Join(w.steps, "\n")+"\n"), 0o644))
		}
		if t.Failed() {
			t.Logf("the last steps of world %d:\n%s", seed, strings.Join(w.steps, "\n"))
		}
	})
	w.before, w.after, w.untried = w.beginTurn, w.endTurn, true
	fault.Interfere, fault.Divert = w.interfere, w.divert
	defer func() { fault.Interfere, fault.Divert = nil, nil }()
	w.build()
	fakes := w.rig.servers
	w.rig.servers = nil // the world looks after them
	for range 4 {
		w.storms()
		w.calms()
	}
	w.rig.servers = fakes
	for _, c := range w.clients {
		c.hangUp()
	}
	w.turn()
	for _, l := range w.workers {
		if held := l.memory.Held() - l.heldByIdleConns(); held != 0 {
			t.Errorf("worker %d holds %d bytes for nobody", l.spec.Slot, held)
		}
	}
	for _, p := range w.pools {
		w.ejections += int(w.workers[0].shared.SumPool(p.index, link.ServerEjects))
	}
}

// happens notes a step.
func (w *faultyWorld) happens(format string, args ...any) {
	if len(w.steps) == mostSteps && allSteps == "" {
		w.steps = append(w.steps[:0], w.steps[mostSteps/2:]...)
	}
	w.steps = append(w.steps, fmt.Sprintf("%9.4f ", time.Duration(w.now-rigEpoch).Seconds())+fmt.Sprintf(format, args...))
}

// breaks counts a fault.
func (w *faultyWorld) breaks(kind, format string, args ...any) {
	w.faults++
	w.kinds[kind]++
	w.happens("! "+kind+": "+format, args...)
}

func (w *faultyWorld) one(of int) bool { return w.random.IntN(of) == 0 }

func (w *faultyWorld) build() {
	w.slots = 1 + w.random.IntN(2)
	if w.one(4) {
		w.pace = 0
	}
	for i, protocol := range []link.Protocol{link.Redis, link.Memcache} {
		w.addPool(i, protocol)
	}
	if w.waits.IntN(3) == 0 {
		w.addCluster(len(w.pools))
	}
	if w.pace == 0 {
		w.pace = 400 * time.Millisecond
	}
	w.lookUp = w.host
	w.start()
	w.encryptFronts()
	for _, l := range w.workers {
		for _, p := range l.pools {
			for _, s := range p.servers {
				if s.primary.hasName() && !s.primary.where.lookup {
					s.primary.lookUp()
				}
			}
		}
		w.noticeNames(l)
	}
	w.completeMap()
	w.answerNames(true)
	w.turn()
	for range 2 + w.random.IntN(4) {
		w.addClient()
	}
}

// storms has things break, for some of those who are here. The others must not notice.
func (w *faultyWorld) storms() {
	w.storm = true
	w.makeStuck()
	w.shortage = w.newShortage()
	for _, s := range w.servers {
		s.victim = w.one(3)
		s.wasVictim = s.wasVictim || s.victim
		s.failures = s.liveness(w).Failures()
	}
	for _, c := range w.clients {
		c.victim = w.one(4)
	}
	w.happens("--- storm: %v, victims %v", w.shortage, w.victims())
	for range stormSteps {
		w.act()
	}
}

func (w *faultyWorld) victims() (names []string) {
	for _, s := range w.servers {
		if s.victim {
			names = append(names, s.name)
		}
	}
	for _, c := range w.clients {
		if c.victim {
			names = append(names, c.name)
		}
	}
	return names
}

// act has someone do something.
func (w *faultyWorld) act() {
	switch n := w.random.IntN(100); {
	case n < 35:
		if c := w.someClient(); c != nil {
			w.clientActs(c)
		}
	case n < 60:
		w.serverActs(w.servers[w.random.IntN(len(w.servers))])
	case n < 88:
		w.step(w.workers[w.random.IntN(len(w.workers))])
	case n < 90 && len(w.clients) < 8:
		w.addClient()
	case n < 92:
		w.answerNames(false)
	case n < 93:
		w.shortage.limited = w.shortage.limit && !w.shortage.limited
		w.limitMemory()
	case n == 93:
		w.stall()
	case n < 98:
		w.pass(time.Duration(w.random.Int64N(int64(w.pace / 20))))
	default:
		w.happens("a long time passes")
		for range w.random.IntN(16) {
			w.rest()
			w.pass(time.Duration(w.random.Int64N(int64(w.pace / 4))))
		}
	}
}

// stall has no worker run for a while. Requests and replies have come meanwhile. Whoever is no victim comes to what follows from
// them before more time passes: of a stop that made it late for nothing a worker cannot know.
func (w *faultyWorld) stall() {
	w.rest()
	w.smooth = true
	for range w.random.IntN(8) {
		if c := w.someClient(); c != nil && !c.victim {
			w.clientActs(c)
		}
	}
	w.step(w.workers[0])
	for _, s := range w.servers {
		if !s.victim {
			s.serveAll(w)
		}
	}
	w.smooth = false
	d := time.Duration(w.random.Int64N(3 * int64(w.pace)))
	w.breaks("stall", "no worker runs for %v", d)
	w.now += int64(d)
	w.unrested += d
	w.arrived = true
	for _, l := range w.workers {
		w.step(l)
	}
	w.arrived = false
}

// pass lets time pass, but not so much that those who do their work in time would not.
func (w *faultyWorld) pass(d time.Duration) {
	if w.unrested+d > w.pace/4 {
		w.rest()
	}
	w.unrested += d
	w.judge()
	w.rebuild()
	w.advance(d)
}

// rest lets everybody who is no victim do what there is to do, and in a calm everybody.
func (w *faultyWorld) rest() {
	for range 10_000 {
		w.turn()
		busy := w.nudged()
		if !w.storm && len(w.pending) > 0 {
			w.answerNames(true)
			busy = true
		}
		for _, s := range w.servers {
			if !s.victim || !w.storm {
				busy = s.serveAll(w) || busy
			}
		}
		for _, c := range w.clients {
			if !c.victim || !w.storm {
				busy = c.send(w, true) || busy
				busy = c.receive(w) || busy
			}
		}
		if !busy {
			w.unrested = 0
			return
		}
	}
	w.t.Fatal("those who are no victims do not come to rest")
}

// calms has everything mended, and waits until it is.
func (w *faultyWorld) calms() {
	w.happens("--- calm")
	w.storm = false
	w.completeMap()
	w.unstick()
	w.shortage.limited = false
	w.limitMemory()
	for _, s := range w.servers {
		s.mend(w)
	}
	for _, c := range w.clients {
		if c.victim && (c.reset || w.one(2)) {
			c.hangUp()
		}
	}
	left := ""
	for range 60 {
		w.rest()
		if left = w.unsettled(); left == "" {
			break
		}
		w.pass(w.pace / 4)
	}
	if left != "" {
		w.t.Fatalf("it does not get well: %s", left)
	}
	for _, s := range w.servers {
		s.victim = false
	}
	w.forgetClosed()
	w.prove()
	clear(w.executed)
}

// unsettled tells what is not as it was in the beginning.
func (w *faultyWorld) unsettled() string {
	for _, c := range w.clients {
		if c.fd >= 0 && !c.ended && (len(c.asks)+len(c.rest) > 0 || len(c.waits) > 0 || c.shakes()) {
			return fmt.Sprintf("%s has %d bytes to send and waits for %d replies", c.name, len(c.asks), len(c.waits))
		}
	}
	for _, c := range w.clients {
		if c.fd >= 0 && !c.ended {
			if left := c.unheard(w); left != "" {
				return left
			}
		}
	}
	for _, s := range w.servers {
		if left := s.unheardOf(w); left != "" {
			return left
		}
	}
	for _, s := range w.servers {
		for _, l := range w.workers {
			for _, c := range s.connsOf(l) {
				if c.head != nil || c.frees() > 0 {
					return fmt.Sprintf("a connection to %s is %v, owes %d replies and holds %d bytes", s.name, c.state, c.owed, c.frees())
				}
			}
		}
	}
	for _, l := range w.workers {
		idle := l.heldByIdleConns() + int64(l.clients*clientBytes)
		for c := range l.everyClient {
			idle += int64(c.session.cost())
			if c.stream.IsTLS() {
				idle += heldByTLS()
			}
		}
		if l.memory.Held() != idle || l.busy != 0 || !l.agenda.isEmpty() {
			return fmt.Sprintf("worker %d holds %d bytes, %d clients wait", l.spec.Slot, l.memory.Held(), l.busy)
		}
		for _, ln := range l.listeners {
			if !ln.watched || ln.kept >= 0 {
				return "a listener is not watched"
			}
		}
		for _, p := range l.pools {
			if cl := p.cluster; cl != nil && (cl.held > 0 || cl.bytes > 0) {
				return fmt.Sprintf("%d requests wait for slots %v, with %d bytes", cl.held, cl.waiting, cl.bytes)
			}
			for _, s := range p.servers {
				if left := unsettledServer(s); left != "" {
					return left
				}
			}
		}
	}
	return ""
}

// heldByIdleConns returns how many bytes dedicated connections take that no request is on.
func (l *loop) heldByIdleConns() (bytes int64) {
	for e := range l.endpoints {
		bytes += int64(len(e.dedicated.all) * ownConnBytes)
	}
	return bytes
}

func unsettledServer(s *server) string {
	for _, c := range connsOf(s) {
		if c == nil { // nobody probes nodes of a cluster
			continue
		}
		if c.head != nil || c.frees() > 0 || c.state != connClosed && c.state != connReady {
			return fmt.Sprintf("a connection to %q is %v, owes %d replies and holds %d bytes", s.spec.Name, c.state, c.owed, c.frees())
		}
	}
	if !s.liveness().Alive() {
		return fmt.Sprintf("server %q is %v", s.spec.Name, s.liveness())
	}
	return ""
}

// prove has each client ask each server, and expects no error. Connections that still take turns before a server that was
// slow have a part of the timeout for that.
func (w *faultyWorld) prove() {
	w.shortage = shortage{}
	for _, c := range w.clients {
		c.victim = false
		if c.free(w) {
			for _, s := range c.pool.servers { // each has slots, if it is a node of a cluster
				c.askOf(w, s)
			}
		}
	}
	for _, s := range w.servers {
		for _, t := range s.open() {
			t.speak(w)
		}
	}
	w.rest()
	for i := 0; i < 16 && slices.ContainsFunc(w.clients, (*faultyClient).isOwed); i++ {
		w.pass(w.pace / 32)
		w.rest()
	}
	for _, c := range w.clients {
		if c.isOwed() {
			w.t.Fatalf("%s is owed a reply to %.100q when all is well", c.name, c.waits[0].asks)
		}
	}
	if left := w.unsettled(); left != "" {
		w.t.Fatalf("after all is well: %s", left)
	}
}

func (w *faultyWorld) forgetClosed() {
	kept := w.clients[:0]
	for _, c := range w.clients {
		if c.fd >= 0 && !c.ended {
			kept = append(kept, c)
		} else {
			c.hangUp()
		}
	}
	w.clients = kept
	for len(w.clients) < 2 {
		w.addClient()
	}
}

// beginTurn adds what the kernel would tell those to whom it gave less than it could.
func (w *faultyWorld) beginTurn(l *loop, events []poll.Event) []poll.Event {
	w.working = true
	kept := w.nudges[l][:0]
	for _, token := range w.nudges[l] {
		if w.storm && !w.arrived && w.one(2) {
			kept = append(kept, token)
			continue
		}
		events = append(events, poll.Event{Token: token, Readable: true, Writable: true})
	}
	w.nudges[l] = kept
	if allSteps != "" {
		w.happens("worker %d, which holds %d bytes, turns: %v", l.spec.Slot, l.memory.Held(), events)
	}
	return events
}

func (w *faultyWorld) nudged() bool {
	for _, tokens := range w.nudges {
		if len(tokens) > 0 {
			return true
		}
	}
	return false
}

// endTurn checks that nobody pays for what others do.
func (w *faultyWorld) endTurn(l *loop) {
	w.working = false
	w.noticeNames(l)
	for _, s := range w.servers {
		if s.victim || !w.storm || s.primary != nil {
			continue
		}
		if word := s.liveness(w); !word.Alive() || word.Failures() > s.failures {
			w.t.Fatalf("server %q, which has done nothing wrong, is %v: %s", s.name, word, l.pools[s.pool.index].servers[s.index].primary.trouble)
		}
	}
}
