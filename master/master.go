// The master itself: its options, its phases and the one select that everything passes through.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Options is what the command line says. The zero value of a field means what its comment says.
type Options struct {
	ConfigFile      string
	Workers         int           // 0: as configured there; that too is 0: one per CPU that the process may run on
	StatsAddr       string        // a name or an address
	StatsPort       int           // 1 to 65535
	StatsInterval   time.Duration // between summary lines in the log; 0: none
	PIDFile         string        // empty: none
	Verbosity       int           // 0 to 11
	Output          string        // log file; empty: stderr
	ReadBufferBytes int           // 0: the worker's default
	Build           string        // version of the binary

	// Started, if set, is called exactly once: with nil when every worker accepts connections, or with the error that
	// ended the start, after everything is closed again. It runs on the goroutine of Run.
	Started func(error)
}

// phase is how far the master is in its life.
type phase uint8

const (
	starting phase = iota // from Run until every worker has once been ready
	serving
	draining // no new connections; workers finish what they owe
	stopping // workers are told to go at once, then killed
	stopped
)

var phaseNames = [...]string{"starting", "serving", "draining", "stopping", "stopped"}

func (p phase) String() string { return phaseNames[p] }

var phaseEdges = [...][]phase{
	starting: {serving, stopping},
	serving:  {draining, stopping},
	draining: {stopping, stopped},
	stopping: {stopped},
	stopped:  {},
}

// errInterrupted is what Started hears when a signal ended the start. It is no error of Run.
var errInterrupted = errors.New("stopped by a signal before every worker was ready")

// master is the state of the process. Only the goroutine of Run touches it.
type master struct {
	world   *world
	opts    Options
	log     *logger
	phase   phase
	err     error // why the start failed; the result of Run
	started bool  // Started has been called

	startedAt  time.Time
	hostname   string
	generation *generation // nil until the configuration is loaded
	listeners  []listener  // of the configured addresses; empty again from the drain on
	stats      net.Listener
	summary    summary
}

// Run is the life of the master process: it returns nil after a stop that was asked for, else the reason why the start
// failed. The caller owns the process: Run watches its signals.
func Run(o Options) error {
	events := make(chan event)
	return run(o, newWorld(func(e event) { events <- e }), events)
}

func run(o Options, w *world, events <-chan event) error {
	sink, err := openSink(o.Output)
	if err != nil {
		if o.Started != nil {
			o.Started(err)
		}
		return err
	}
	defer sink.close()
	signals, unwatch := w.signals()
	defer unwatch()

	m := newMaster(o, w, sink)
	m.start()
	m.loop(signals, events)
	return m.finish()
}

func newMaster(o Options, w *world, out output) *master {
	m := &master{world: w, opts: o, startedAt: w.now()}
	m.log = &logger{now: w.now, verbosity: clampVerbosity(o.Verbosity), out: out}
	m.hostname, _ = os.Hostname() // without one the statistics have an empty "source", as nutcracker's
	return m
}

// start does everything up to the first spawn of every worker; the rest follows from their messages.
func (m *master) start() {
	m.log.printf(levelNotice, "pinion %s started on pid %d", m.opts.Build, m.world.pid)
	m.world.seal()
	cfg, err := m.world.load(m.opts.ConfigFile)
	if err == nil {
		cpus := m.cpus(cfg.Global.Workers)
		m.generation = newGeneration(cfg, m.opts, cpus, m.memoryShare(cfg, len(cpus)))
		err = m.open()
	}
	if err != nil {
		m.fail(err)
		return
	}
	for _, s := range m.generation.slots {
		if m.phase == starting {
			m.fill(s)
		}
	}
}

// open claims all that another process could hold already, so that a second Pinion fails before it spawns anything.
func (m *master) open() error {
	if err := m.listen(); err != nil {
		return err
	}
	if err := m.listenStats(); err != nil {
		return err
	}
	if err := m.generation.share(m.world); err != nil {
		return err
	}
	return writePIDFile(m.opts.PIDFile, m.world.pid)
}

// loop hands one thing after the other to the methods that decide, until there is nothing left to decide.
func (m *master) loop(signals <-chan os.Signal, events <-chan event) {
	done := make(chan struct{})
	defer close(done)
	scrapes := make(chan *scrape)
	if m.stats != nil {
		go acceptScrapes(m.stats, scrapes, done)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for m.phase != stopped {
		timer.Reset(m.untilNext())
		select {
		case s := <-signals:
			m.signal(s)
		case e := <-events:
			m.handle(e)
		case scrape := <-scrapes:
			m.answer(scrape)
		case <-timer.C:
			m.tick()
		}
	}
}

// finish gives back what the process holds beside its workers, which are gone by now.
func (m *master) finish() error {
	m.closeListeners()
	if m.stats != nil {
		m.stats.Close()
	}
	if m.generation != nil {
		m.generation.unshare(m.world)
	}
	removePIDFile(m.opts.PIDFile, m.world.pid)
	if m.err == nil {
		m.log.printf(levelNotice, "stopped")
		m.announce(errInterrupted)
		return nil
	}
	if m.opts.Output != "" { // otherwise the caller prints it to the same place
		for line := range strings.Lines(m.err.Error()) {
			m.log.printf(levelError, "%s", strings.TrimSuffix(line, "\n"))
		}
	}
	m.announce(m.err)
	return m.err
}

// become enters the next phase.
func (m *master) become(next phase) {
	for _, legal := range phaseEdges[m.phase] {
		if legal == next {
			m.phase = next
			return
		}
	}
	panic(fmt.Sprintf("master: no way from %s to %s", m.phase, next))
}

// announce tells the caller of Run how the start went; only the first time counts.
func (m *master) announce(err error) {
	if m.started {
		return
	}
	m.started = true
	if m.opts.Started != nil {
		m.opts.Started(err)
	}
}

// handle takes what came from a worker. Events of a process that is no longer a slot's worker have been overtaken.
func (m *master) handle(e event) {
	s := m.generation.slots[e.from.slot]
	if s.process != e.from {
		return
	}
	switch e.kind {
	case said:
		m.said(s, e.message)
	case wrote:
		s.words.add(e.text)
		m.log.forward(levelError, s.index, e.text)
	case hungUp:
		m.hungUp(s)
	case exited:
		m.reap(s, e.text)
	}
	m.settle()
}

// said takes a message of a worker.
func (m *master) said(s *slot, msg link.Message) {
	switch msg.Kind {
	case link.Ready:
		if s.state == slotStarting {
			m.ready(s)
		}
	case link.Log:
		if len(msg.Body) > 0 {
			m.log.forward(level(msg.Body[0]), s.index, string(msg.Body[1:]))
		}
	case link.Drained:
		m.log.printf(levelDebug, "worker %d has no clients left", s.index)
	}
}

// ready makes a worker count as serving, and the whole start as done with the last of them.
func (m *master) ready(s *slot) {
	s.become(slotServing, time.Time{})
	s.readyAt = m.world.now()
	m.log.printf(levelInfo, "worker %d (pid %d, %s) is ready", s.index, s.process.pid, cpuName(s.process.cpu))
	if m.phase != starting || m.generation.count(slotServing) < len(m.generation.slots) {
		return
	}
	m.become(serving)
	m.scheduleSummary()
	for i := range m.generation.config.Pools {
		p := &m.generation.config.Pools[i]
		m.log.printf(levelNotice, "pool %q is served on %s, workers: %d", p.Name, p.Listen.Text, len(m.slots()))
	}
	m.announce(nil)
}

// tick does what is due.
func (m *master) tick() {
	now := m.world.now()
	for _, s := range m.slots() {
		if s.due(now) {
			m.expire(s)
		}
	}
	if m.summary.due(now) {
		m.summarize()
	}
	m.settle()
}

// untilNext returns how long nothing is due.
func (m *master) untilNext() time.Duration {
	next := m.deadline()
	if next.IsZero() {
		return time.Hour
	}
	return max(0, next.Sub(m.world.now()))
}

// deadline returns when something is due next; zero if never.
func (m *master) deadline() time.Time {
	next := m.summary.next
	for _, s := range m.slots() {
		if !s.until.IsZero() && (next.IsZero() || s.until.Before(next)) {
			next = s.until
		}
	}
	return next
}

func (m *master) slots() []*slot {
	if m.generation == nil {
		return nil
	}
	return m.generation.slots
}
