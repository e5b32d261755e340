// The master itself: its options, its phases and the one select that everything passes through.

package master

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/pidfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/fault"
)

// Options is what the command line says. The zero value of a field means what its comment says.
type Options struct {
	ConfigFile      string
	Workers         int              // 0: as configured there; that too is 0: one per CPU that the process may run on
	Zone            string           // empty: as configured there
	StatsAddr       string           // a name or an address
	StatsPort       int              // 1 to 65535
	StatsGiven      bool             // they hold whatever is configured
	StatsInterval   time.Duration    // between summary lines in the log; 0: none
	PIDFile         string           // empty: none
	Verbosity       int              // 0 to 11
	VerbosityGiven  bool             // it holds whatever is configured
	Output          string           // log file; empty: as configured
	LogFormat       config.LogFormat // empty: as configured
	ReadBufferBytes int              // 0: the worker's default
	Build           string           // version of the binary
	Control         string           // path of the admin socket, or a name; empty: none
	ControlFrom     string           // what has said Control, whatever is configured; empty: nothing has
	Daemon          bool             // no process waits for the end of this one
	TakeOver        string           // programs whose listening sockets are taken, by pid or unit, with commas; empty: none
	EndOther        bool             // they are ended when this one serves

	// Started, if set, is called exactly once: with nil when every worker accepts connections, or with the error that
	// ended the start, after everything is closed again. It runs on the goroutine of Run.
	// A program that was to be ended, and was not, is such an error, too, but both serve on.
	Started func(error)

	// Remark, if set, is called with what the operator has to know before Started. It runs on the goroutine of Run.
	Remark func(string)
}

// phase is where the master is in its life.
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
	starting: {serving, stopping, stopped},  // stopped: it leaves orphans that it has found to another master
	serving:  {draining, stopping, stopped}, // stopped: another master has taken over
	draining: {serving, stopping, stopped},  // serving: the drain is called off
	stopping: {stopped},
	stopped:  {},
}

// errInterrupted is passed to Started when a signal has ended the start. It is no error of Run.
var errInterrupted = errors.New("stopped by a signal before every worker was ready")

// master is the state of the process. Only the goroutine of Run touches it.
type master struct {
	world   *world
	opts    Options
	log     *logfile.Logger
	logging logging
	phase   phase
	err     error // why the start failed; the result of Run
	started bool  // Started has been called

	startedAt   time.Time
	generations generations
	totals      totals.Totals
	listeners   listen.Set // of the configured addresses; empty again from the drain on
	statistics  statistics
	admin       adminSocket
	reading     readingSocket
	surveys     surveys
	http        httpSide
	summary     totals.Summary
	nextPulse   time.Time // when the workers' turns are checked next
	service     service
	watching    watching
	followers   []*follower
	failovers   []*failover         // that operators wait for
	rehearsals  []*rehearsedInquiry // likewise
	keeper      keeping
	takenFrom   takingOver
	paths       paths

	certificates certificates

	crowd map[int]int      // workers of other configurations on each CPU, when the configuration was last read
	tasks *limits.Shortage // then; nil: no limit is known

	masters   otherMasters
	endAfter  intent // drain or stop, once the handoff is over; nothing: serve on
	departure departure
	undone    *departure           // the drain that a handoff is to undo; nil: none is
	borrowing *borrowing           // listeners are being asked for; nil: none
	oldSide   *oldSide             // hands over; nil: no handoff is under way
	newSide   *newSide             // takes over; nil: likewise
	local     []localMessage       // between the two sides of a reload
	last      *admin.HandoffStatus // nil: there was none
	tally     tally
	loading   bool // the configuration is being read for a reload
	queued    *order

	done chan struct{} // closed at the end of the loop
}

// Run is the life of the master process: it returns nil after a stop that was asked for, else the reason why the start
// failed. The caller owns the process: Run watches its signals.
func Run(o Options) error {
	born := openDescriptors()
	CatchSignals()
	events := make(chan event)
	w := newWorld(func(e event) { events <- e })
	successor := Successor()
	w.stays = staysAt(os.Getpid(), &o, successor, os.Getenv)
	if err := w.upgradable(); err != nil {
		return err
	}
	if successor {
		fault.At("nm.after_new")
	}
	w.keep = func(fd, successor int, signals <-chan os.Signal) error {
		return keep(fd, successor, signals, events, born)
	}
	return run(o, w, events)
}

func run(o Options, w *world, events <-chan event) error {
	first := readFirstLog(&o)
	sink, err := first.open(&o)
	if err != nil {
		if o.Started != nil {
			o.Started(err)
		}
		w.resign(err)
		return err
	}
	signals, unwatch := w.signals()
	defer unwatch()

	m := newMaster(o, w, sink)
	m.beginLog(first)
	m.start()
	m.loop(signals, events)
	err = m.finish()
	sink.Close()
	if err == nil && m.masters.leaveAll && m.keeper.stays {
		return w.keep(m.keeper.fd, m.keeper.newMaster, signals)
	}
	return err
}

func newMaster(o Options, w *world, out logfile.Output) *master {
	m := &master{
		world: w, opts: o, startedAt: w.now(), nextPulse: w.now().Add(pulseEvery), keeper: keeping{fd: -1},
		admin: newAdminSocket(), surveys: newSurveys(), tally: tally{}, done: make(chan struct{}),
	}
	m.http = newHTTPSide(m.done, m.complainOfHTTP)
	m.statistics = newStatistics(m.http.asks, m.done, m.complainOfHTTP)
	m.log = logfile.NewLogger(out, w.now, o.Verbosity)
	m.logging = logging{path: o.Output, configured: config.DefaultLogLevel}
	m.log.Format = formatOf(o.LogFormat)
	m.listeners = listen.Set{Kernel: w.sockets, Log: m.log, Forget: w.services.Unstore}
	return m
}

// start begins the start; the rest happens when what it has begun beside the loop is done, and when workers report.
func (m *master) start() {
	m.log.Event(logfile.Started, m.opts.Build, m.world.pid)
	m.world.services.Report(func(err error) { m.world.report(event{then: func() { m.managerHeard(err) }}) })
	m.world.seal()
	m.prepareToStay()
	parent, err := m.world.parent()
	switch {
	case err != nil:
		m.fail(err)
	case parent != nil:
		m.callOldMaster(parent)
	default:
		m.makeFirst()
	}
}

// makeFirst makes the first generation of a master that does not replace another one, unless there are orphans to take over.
func (m *master) makeFirst() {
	if left := m.adoptSockets(); left != nil {
		met, _ := m.world.orphans(absolute(m.opts.ConfigFile), nil)
		m.takeInBeside(met)
		m.serveRevived(left)
		m.load(func(cfg *config.Config, err error) {
			if err == nil { // otherwise the next reload says what is wrong with it
				m.settleLog(cfg)
			}
		})
		return
	}
	m.load(func(cfg *config.Config, err error) {
		if m.failed(err) {
			return
		}
		m.settleLog(cfg)
		if left := m.takeInOrphans(cfg); left != nil {
			m.serveRevived(left)
			return
		}
		if m.failed(m.tasks.Check(m.workersOf(cfg), 0)) {
			return
		}
		m.takeOver(cfg, func() {
			m.generations.serving = m.generate(cfg)
			m.locate(m.generations.serving, m.openFirst)
		})
	})
}

// openFirst opens everything for the first generation, and spawns its workers.
func (m *master) openFirst() {
	if m.failed(nil) {
		return
	}
	err := m.listeners.Open(m.generations.serving.layout(), m.patience())
	if m.failed(m.explainInUse(err, listenAddresses(m.generations.serving.config))) {
		return
	}
	m.claimPortsAndPIDFile(tryOnce, func() error { return m.generations.serving.share(m.world) }, m.claimPIDFile, func() {
		m.watchReplicas(m.generations.serving)
		for _, s := range m.generations.serving.slots {
			if !m.failed(m.listeners.ListenFor(m.generations.serving.layout(), s.index)) {
				m.fill(s)
			}
		}
	})
}

// failed ends the start if err is not nil, and reports whether the start is over, for this reason or another.
func (m *master) failed(err error) bool {
	if m.phase == starting && err != nil {
		m.fail(err)
	}
	return m.phase != starting
}

// tryOnce calls try, where trying again would not help.
func tryOnce(try func() error) error { return try() }

// claimPortsAndPIDFile opens the statistics port, the admin socket and the HTTP address, calls share, and has write write the pid file, then calls
// then. A second Pinion fails here, before it spawns anything. try calls a function once or until it succeeds. Names are
// looked up and files written beside the loop.
func (m *master) claimPortsAndPIDFile(try func(func() error) error, share func() error, write func(then func(error)), then func()) {
	m.listenStats(try, func(err error) {
		openHTTP := func() error { return m.claimHTTP(m.generations.serving.config.Global.HTTP) }
		if m.failed(err) || m.failed(try(m.openAdmin)) || m.failed(try(openHTTP)) || m.failed(share()) {
			return
		}
		write(func(err error) {
			if !m.failed(err) {
				then()
			}
		})
	})
}

// loop passes one event after the other to the methods that decide, until the master has stopped.
func (m *master) loop(signals <-chan os.Signal, events <-chan event) {
	defer close(m.done)
	defer m.leaveFailovers()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for m.phase != stopped {
		timer.Reset(m.untilNext())
		select {
		case s := <-signals:
			m.signal(s)
		case e := <-events:
			m.handle(e)
		case scrape := <-m.statistics.clients.Scrapes:
			m.answerScrape(scrape)
		case a := <-m.http.asks:
			m.answerWeb(a)
		case r := <-m.surveys.rounds:
			m.beginRound(r)
		case a := <-m.admin.asks:
			m.handleAsk(a)
		case c, more := <-m.watching.changes:
			m.configurationChanged(c, more)
		case <-timer.C:
			m.tick()
		}
		m.keepTally()
	}
	m.answerLast()
}

// finish releases what the process holds. Its workers have ended, or belong to another master.
func (m *master) finish() error {
	defer m.world.services.Flush()
	if m.masters.lastLink != nil {
		defer m.masters.lastLink.flush()
	}
	m.unwatch()
	m.stopFollowing()
	if m.masters.leaveAll { // messages to workers that are still queued would be lost with this process
		until := time.Now().Add(process.SendTimeout)
		for _, s := range m.generations.slots() {
			if s.process != nil {
				s.process.Flush(until)
			}
		}
	}
	if m.masters.leaveAll {
		m.listeners.Abandon()
	} else {
		m.closeListeners()
	}
	m.dropStatistics()
	m.dropControl()
	if m.statistics.port != nil {
		m.statistics.port.Close()
	}
	m.finishReading()
	m.closeAdmin()
	m.finishHTTP()
	m.statistics.http.Close(m.lastPatience())
	for _, g := range m.generations.all() {
		g.unshare(m.world)
	}
	if m.masters.leaveAll && m.err == nil {
		m.log.Event(logfile.LeftToNewMaster)
		return nil
	}
	if !m.masters.startedByOld || m.generations.serving != nil || m.endAfter == stop { // otherwise the pid file is the old master's
		pidfile.Remove(m.opts.PIDFile, m.world.pid)
	}
	if m.err == nil {
		m.log.Event(logfile.Stopped)
		m.world.services.Status("") // or it would say for ever that pinion is draining
		m.tellKeeper()
		if m.takenFrom.callOff != nil {
			m.announce(fmt.Errorf("ending %s: %w", namesOf(m.takenFrom.programs), errCalledOff))
		}
		m.announce(errInterrupted)
		return nil
	}
	if m.logging.path != "" { // otherwise the caller prints it to the same place
		for line := range strings.Lines(m.err.Error()) {
			m.log.Event(logfile.StartFailed, strings.TrimSuffix(line, "\n"))
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

// announce tells the caller of Run how the start went. Later calls do nothing.
func (m *master) announce(err error) {
	if m.started {
		return
	}
	m.started = true
	if m.opts.Started != nil {
		m.opts.Started(err)
	}
}
