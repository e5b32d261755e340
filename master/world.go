// The outside of the master: every effect it has on the machine is one of these functions, so that a test can be the
// machine.

package master

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/discover"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/reach"
	"github.com/pinion-proxy/pinion/master/replica"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// world is grouped by what is reached: the real functions come from the packages that the groups name.
type world struct {
	// this process
	pid          int
	pidNamespace uint64 // 0: /proc does not tell
	self         string // how the process was called, which is where its successor is installed
	now          func() time.Time
	load         func(path string) (*config.Config, error)
	probeLog     func(path string) error // why there can be no log file
	signals      func() (watched <-chan os.Signal, unwatch func())
	seal         func()                          // no worker inherits a descriptor that the process was born with
	report       func(event)                     // from any goroutine
	aside        func(work func() (then func())) // work is done by another goroutine, then by that of Run
	pause        func(time.Duration)             // before the loop runs
	services     manager                         // package systemd

	// what the machine allows: package limits
	cpus        func() (limits.CPUs, error)   // that the process may run on
	crowd       func(file string) map[int]int // on each CPU: workers of other configurations than this that are pinned there
	memory      func() (int64, error)         // the bytes that the process may use
	turn        func(file string, n int) int  // from which of n CPUs on an instance takes its own
	descriptors func() int                    // that a process may have; 0: that is unknown
	tasks       func() *limits.Shortage       // the tightest limit of processes and threads; nil: none is known

	// descriptors
	acceptQueue func(fd int) (sock.AcceptQueue, error)
	sockets     listen.Kernel            // those that listen: package listen
	try         func(listen.Trial) error // whether a socket could be bound
	listenStats func(address string) (net.Listener, error)
	listenAdmin func(path string, own []uint64, patience time.Duration) (fd int, err error)
	fdOf        func(net.Listener) (fd int, err error) // a copy
	listenerOf  func(fd int) (net.Listener, error)     // on a copy
	boundTo     func(fd int) (network, address string)
	program     func(pid int, identity uint64) (*takeover.Program, error)   // another one that has a socket of this service, too
	holders     func(inodes []uint64) (map[uint64]*takeover.Program, error) // others that have these sockets
	findSockets func(programs, stats string) (foundSockets, error)
	pair        func() (a, b int, err error) // a connected pair that keeps message borders
	dup         func(fd int) (int, error)
	close       func(fd int) error

	openReading func(path string, gid int) (fd int, spot listen.Spot, err error) // the admin socket for reading

	// memory that processes share
	share      func(size int) (fd int, mem []byte, err error)
	unshare    func(fd int, mem []byte)
	sealed     func(text []byte) (fd int, err error) // a memory file that nobody can change
	readMemory func(fd int) ([]byte, error)
	mapMemory  func(fd int) ([]byte, error)
	unmap      func(mem []byte)

	// those who know where servers are: package discover
	follow func(p *link.Pool, known []link.ServerTopology, tell func(discover.News)) discover.Following

	// those who are asked once: package reach
	look func(cfg *config.Config, workers int) reach.Answer

	// replicas that are read from: package replica
	watchReplicas func(p *link.Pool, index int, servers []link.ServerTopology, words replica.Words, reports replica.Reports) replica.Watching

	// workers: package process
	spawn     func(l process.Launch, report func(process.Event)) (*process.Worker, error) // the last that it reports is Exited
	adopt     func(slot, pid, link int, report func(process.Event)) (*process.Worker, error)
	detach    func(*process.Worker) (link int, err error) // leaves it to another master
	send      func(p *process.Worker, m link.Message, fds ...int) error
	terminate func(*process.Worker)      // SIGTERM, which drains a worker, and ends one of an older build
	kill      func(*process.Worker)      // SIGKILL
	ended     func(*process.Worker) bool // of a child; its Exited may be still to come
	work      func(pid int) (cpu time.Duration, wants bool)

	// workers whose master is dead
	orphans     func(file string, pids []int) (met []*process.Orphan, deaf []int) // goes to their rendezvous
	lateOrphans func(file string) (met []*process.Orphan)                         // likewise, to those whose master has just died
	leave       func(*process.Orphan)                                             // lets it wait for another master
	strangers   func(on []config.Listen) (uid int, pids []int)                    // whose workers, without a master, have one of the addresses
	claimants   func(on []config.Listen) []claimant                               // whoever looks like a worker of ours and has one of the addresses
	killStray   func(pid int)                                                     // SIGKILL to a process that is no worker of this master
	endSharers  func(fd int, s syscall.Signal)                                    // a signal to all others that count in a memory file

	// other masters
	parent          func() (*masterLink, error)                  // the way to the master that this one is to replace; nil: none
	upgrade         func(ended func(error)) (*masterLink, error) // starts a new master; nil is its success
	flip            func() error                                 // the parent may leave
	lingering       func() (pid int)                             // of the parent's process, which has left and not ended; 0: it has
	awaitParent     func(limit time.Duration) error              // its end
	killChildren    func(chosen func(pid int) bool)              // kills children, soon
	killParent      func(pid int) error                          // an error if pid is not that of the parent any more
	signal          func(pid int, s syscall.Signal) error
	holderOfPIDFile func(pid int, path string) string // the name of the process if that pid file is its own; empty: it is not

	// the keeper
	stays      bool                                                    // this process is one that has to stay
	keep       func(fd, successor int, signals <-chan os.Signal) error // the rest of its life then
	findKeeper func(known int) (conn net.Conn, pid int, err error)
}

// newWorld returns the real one. What is begun in it and not waited for goes to report, from any goroutine.
func newWorld(report func(event)) *world {
	return &world{
		self:            os.Args[0],
		report:          report,
		aside:           func(work func() func()) { go func() { report(event{then: work()}) }() },
		parent:          func() (*masterLink, error) { return nil, nil },
		upgrade:         func(func(error)) (*masterLink, error) { return nil, errors.New("this process cannot be upgraded") },
		flip:            func() error { return nil },
		lingering:       func() int { return 0 },
		awaitParent:     func(time.Duration) error { return nil },
		killChildren:    func(chosen func(pid int) bool) { go process.KillChildren(chosen) },
		signal:          syscall.Kill,
		holderOfPIDFile: process.HolderOfPIDFile,
		killParent:      process.KillParent,
		findKeeper:      findKeeper,
		services:        systemd.New(),

		pid:           os.Getpid(),
		pidNamespace:  process.PIDNamespace(),
		now:           time.Now,
		load:          config.Load,
		probeLog:      logfile.Probe,
		signals:       func() (<-chan os.Signal, func()) { return caught(), func() {} },
		cpus:          limits.ReadCPUs,
		crowd:         process.Crowd,
		turn:          turnOf,
		tasks:         limits.Tasks,
		descriptors:   limits.Descriptors,
		memory:        limits.Memory,
		seal:          process.Seal,
		sockets:       listen.Linux(),
		acceptQueue:   sock.AcceptQueueOf,
		try:           listen.Trial.Try,
		look:          lookNow,
		close:         sock.Close,
		dup:           duplicate,
		fdOf:          fdOf,
		listenerOf:    listenerOf,
		findSockets:   findSockets,
		program:       takeover.FindAgain,
		boundTo:       sock.BoundTo,
		holders:       takeover.Holders,
		pair:          connectedPair,
		listenAdmin:   listenAdmin,
		openReading:   listenForReading,
		listenStats:   listenStatistics,
		share:         sharedMemory,
		unshare:       unshare,
		sealed:        func(text []byte) (int, error) { return sock.MemfdSealed("pinion-spec", text) },
		readMemory:    sock.ReadAll,
		mapMemory:     sock.MapWhole,
		unmap:         func(mem []byte) { sock.Unmap(mem) },
		orphans:       process.FindOrphans,
		lateOrphans:   findLateOrphans,
		leave:         (*process.Orphan).Leave,
		strangers:     strangers,
		claimants:     findClaimants,
		endSharers:    process.SignalSharers,
		killStray:     process.Kill,
		pause:         time.Sleep,
		follow:        discover.Follow,
		watchReplicas: replica.Watch,
		spawn:         process.Start,
		send:          (*process.Worker).Send,
		terminate:     (*process.Worker).Terminate,
		adopt:         process.Adopt,
		detach:        (*process.Worker).Detach,
		kill:          (*process.Worker).Kill,
		work:          process.WorkOf,
		ended:         func(p *process.Worker) bool { return sock.Ended(p.PID) },
	}
}

// upgradable has the process start its own successor, and find its predecessor.
func (w *world) upgradable() error {
	u, err := newUpgrader()
	if err != nil {
		return err
	}
	w.parent, w.upgrade, w.flip = u.parent, u.startNewMaster, u.letParentLeave
	w.lingering, w.awaitParent = u.lingering, u.awaitParent
	return nil
}

func duplicate(fd int) (int, error) {
	if err := fault.Error("m.dup"); err != nil {
		return -1, err
	}
	return sock.Dup(fd)
}

func connectedPair() (a, b int, err error) {
	if err := fault.Error("m.pair"); err != nil {
		return -1, -1, err
	}
	return sock.SeqpacketPair()
}

func sharedMemory(size int) (fd int, mem []byte, err error) {
	if err := fault.Error("m.share"); err != nil {
		return -1, nil, err
	}
	return sock.MemfdShared("pinion-shared", size)
}

func unshare(fd int, mem []byte) {
	sock.Unmap(mem)
	sock.Close(fd)
}
