// The outside of the master: every effect it has on the machine is one of these functions, so that a test can be the
// machine.

package master

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

type world struct {
	pid          int
	pidNamespace uint64 // 0: /proc does not tell
	self         string // how the process was called, which is where its successor is installed
	now          func() time.Time
	load         func(path string) (*config.Config, error)
	signals      func() (watched <-chan os.Signal, unwatch func())
	affinity     func() ([]int, error) // the CPUs that the process may run on
	memory       func() (int64, error) // the bytes that the process may use

	descriptors func() int // that a process may have; 0: that is unknown

	tasks func() *limits.Shortage // the tightest limit of processes and threads; nil: none is known

	seal   func()                          // no worker inherits a descriptor that the process was born with
	report func(event)                     // from any goroutine
	aside  func(work func() (then func())) // work is done by another goroutine, then by that of Run

	parent     func() (*exchange, error)                  // the way to the master that this one is to replace; nil: none
	upgrade    func(ended func(error)) (*exchange, error) // starts a new master; nil is its success
	dismiss    func(chosen func(pid int) bool)            // kills children, soon
	signal     func(pid int, s syscall.Signal) error      // to another master
	killParent func(pid int) error                        // the master that has started this one; an error if that is not pid any more
	flip       func() error                               // the parent may leave
	services   manager

	stays      bool                                                    // this process is one that has to stay
	keep       func(fd, successor int, signals <-chan os.Signal) error // the rest of its life then
	findKeeper func(known int) (conn net.Conn, pid int, err error)

	probe       func(l config.Listen, own []uint64) error                                   // nil: nobody but this service is at the address; own are inodes of its sockets
	bind        func(l config.Listen, own []uint64, patience time.Duration) (socket, error) // own as for probe
	listen      func(fd, backlog int) error
	unlinker    func(path string) func() // removes the unix socket that is at path now
	unlinkAt    func(path string, found spot) func()
	locate      func(path string) (spot, error)
	alone       func(do func() error) error // while no other master that starts does the same
	unroute     func(fds ...int) error      // has connections come to all sockets of one address no more
	inode       func(fd int) uint64
	close       func(fd int) error
	chmod       func(path string, perm fs.FileMode) error
	dup         func(fd int) (int, error)
	fdOf        func(net.Listener) (fd int, err error) // a copy
	listenerOf  func(fd int) (net.Listener, error)     // on a copy
	pair        func() (a, b int, err error)           // a connected pair that keeps message borders
	listenStats func(address string) (net.Listener, error)

	listenAdmin func(path string, own []uint64) (fd int, err error)

	share   func(size int) (fd int, mem []byte, err error)
	unshare func(fd int, mem []byte)

	sealed     func(text []byte) (fd int, err error) // a memory file that nobody can change
	sameSocket func(a, b int) bool
	readMemory func(fd int) ([]byte, error)
	mapMemory  func(fd int) ([]byte, error)
	unmap      func(mem []byte)

	orphans     func(file string, pids []int) (met []*orphan, deaf []int) // goes to their rendezvous
	lateOrphans func(file string) (met []*orphan)                         // likewise, to those whose master has just died
	leave       func(*orphan)                                             // lets it wait for another master
	claimants   func(on []config.Listen) []claimant                       // whoever looks like a worker of ours and has one of the addresses
	endSharers  func(fd int, s syscall.Signal)                            // a signal to all other processes that count in a memory file
	killStray   func(pid int)                                             // SIGKILL to a process that is no worker of this master
	pause       func(time.Duration)                                       // before the loop runs

	spawn     func(launch) (*process, error) // its events end with exited
	send      func(p *process, m link.Message, fds ...int) error
	adopt     func(slot, pid, control int) (*process, error) // of another master; its events end with exited, too
	part      func(*process) (control int, err error)        // leaves it to another master
	terminate func(*process)                                 // SIGTERM, which drains a worker, and ends one of an older build
	kill      func(*process)                                 // SIGKILL
	ended     func(*process) bool                            // of a child; its exited event may be still to come
}

// newWorld returns the real one. Events of the processes it spawns go to report, from goroutines of their own.
func newWorld(report func(event)) *world {
	return &world{
		self:       os.Args[0],
		report:     report,
		aside:      func(work func() func()) { go func() { report(event{then: work()}) }() },
		parent:     func() (*exchange, error) { return nil, nil },
		upgrade:    func(func(error)) (*exchange, error) { return nil, errors.New("this process cannot be upgraded") },
		flip:       func() error { return nil },
		dismiss:    func(chosen func(pid int) bool) { go killChildren(chosen) },
		signal:     syscall.Kill,
		killParent: killParent,
		findKeeper: findKeeper,
		services:   systemd.New(),

		pid:          os.Getpid(),
		pidNamespace: PIDNamespace(),
		now:          time.Now,
		load:         config.Load,
		signals:      func() (<-chan os.Signal, func()) { return caught(), func() {} },
		affinity:     sock.Affinity,
		tasks:        limits.Tasks,
		descriptors:  limits.Descriptors,
		memory:       limits.Memory,
		seal:         seal,
		probe:        probe,
		bind:         bindSocket,
		listen:       sock.Listen,
		unlinker:     unlinkOwn,
		unlinkAt:     unlinkAt,
		locate:       locate,
		alone:        alone,
		unroute:      sock.Unroute,
		inode:        sock.Inode,
		close:        sock.Close,
		dup:          duplicate,
		fdOf:         fdOf,
		listenerOf:   listenerOf,
		pair:         connectedPair,
		listenAdmin:  listenAdmin,
		listenStats:  func(address string) (net.Listener, error) { return net.Listen("tcp", address) },
		share:        sharedMemory,
		unshare:      unshare,
		sealed:       func(text []byte) (int, error) { return sock.MemfdSealed("pinion-spec", text) },
		sameSocket:   sock.Same,
		readMemory:   sock.ReadAll,
		mapMemory:    sock.MapWhole,
		unmap:        func(mem []byte) { sock.Unmap(mem) },
		chmod:        os.Chmod,
		orphans:      findOrphans,
		lateOrphans:  findLateOrphans,
		leave:        leaveOrphan,
		claimants:    findClaimants,
		endSharers:   signalSharers,
		killStray:    killStray,
		pause:        time.Sleep,
		spawn:        func(l launch) (*process, error) { return spawn(l, report) },
		send:         (*process).send,
		terminate:    (*process).terminate,
		adopt:        func(slot, pid, control int) (*process, error) { return takeIn(slot, pid, control, report) },
		part:         (*process).part,
		kill:         (*process).kill,
		ended:        func(p *process) bool { return sock.Ended(p.pid) },
	}
}

// upgradable has the process start its own successor, and find its predecessor.
func (w *world) upgradable() error {
	u, err := newUpgrader()
	if err != nil {
		return err
	}
	w.parent, w.upgrade, w.flip = u.parent, u.upgrade, u.ready
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
