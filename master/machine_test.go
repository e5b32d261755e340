// The fake machine: a world that writes down what the master does to it.

package master

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/discover"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/process"
	"github.com/pinion-proxy/pinion/master/reach"
	"github.com/pinion-proxy/pinion/master/replica"
	"github.com/pinion-proxy/pinion/master/systemd"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

var epoch = time.Date(2026, 11, 22, 13, 2, 18, 0, time.UTC)

// machine is the world of a transcript.
type machine struct {
	master   *master
	opts     Options
	text     string // the configuration
	clock    time.Time
	log      strings.Builder
	finished bool
	logFails error                        // of opening the log file anew
	holders  map[uint64]*takeover.Program // of sockets, by inode: other programs

	workers map[string]*process.Worker // the latest of each slot ("0") and of each slot of a generation ("0@1")
	reports map[*process.Worker]func(process.Event)
	lastPID int
	lastFD  int
	memory  []byte
	leftAt  string
	counted map[int]counted        // the counters of other masters' generations, by descriptor
	at      map[string]listen.Spot // what is at the paths of unix sockets

	stopped       map[int]bool    // pids of workers that make no turn
	starved       map[int]bool    // of these, those that would if they got a CPU
	cpu           time.Duration   // that each worker has had
	serverAnswers bool            // the first server answers workers of slot 0 that inquire
	joins         []process.Event // what workers are about to say of their connections
	silent        bool            // they say nothing
	dead          map[int]bool    // pids of those that have ended, which is still to be reported
	pairs         int             // that can still be made
	copies        int             // of descriptors, likewise

	allowed   []int       // CPUs; none: the affinity cannot be read
	quota     float64     // of their time
	crowd     map[int]int // on them
	first     int         // of them that this instance takes
	ram       int64       // bytes; none: the size of the memory cannot be read
	busy      string      // an address that another process serves
	forbidden string      // an address that cannot be bound
	unreached string      // not empty: new workers could not reach the first server
	denied    bool        // spawning fails
	pinless   bool        // pinning fails
	deaf      bool        // sending fails
	managed   bool        // there is a service manager
	heard     func(error)
	barriers  []func(error) // that the service manager has not answered
	dog       time.Duration
	passed    []systemd.Socket

	waiting   []*waitingOrphan
	claiming  []claimant
	strangers []int       // pids of orphans of another user
	inodes    map[int]int // of descriptors that are copies of each other's

	keeper       int  // that the other master names
	successor    bool // the master under test is to replace another one
	upgradeFails string
	flipFails    bool
	older        bool
	stays        bool

	otherVerbosity *int
	slow           bool
	beside         []func() func() // what waits meanwhile
	lingers        int             // pid of an old master that has left and not ended
	childEnded     func(error)
	replies        []chan admin.Outcome
	other          func(message, error)       // says something as the other master
	taken          bool                       // the statistics port is in use
	tight          *limits.Shortage           // of processes and threads
	followed       func(discover.News)        // the latest follower has found something out
	inZone         func(address, zone string) // a server that is looked at has said where it is
	led            func(string, error)        // a sentinel has been asked to lead a failover
	descriptors    int                        // that a process may have
	sealless       bool                       // there is no descriptor for a specification
}

func newMachine() *machine {
	return &machine{
		clock:   epoch,
		workers: map[string]*process.Worker{},
		reports: map[*process.Worker]func(process.Event){},
		counted: map[int]counted{},
		at:      map[string]listen.Spot{},
		keeper:  -1,
		stopped: map[int]bool{},
		starved: map[int]bool{},
		dead:    map[int]bool{},
		pairs:   1000,
		copies:  1000,
		lastPID: 1000,
		lastFD:  99,
		allowed: []int{0, 1},
		ram:     1 << 30,
		text:    "memory_limit 0\nlisten 127.0.0.1:22121\nbackend a 127.0.0.1:6379\n",
		opts: Options{
			StatsAddr: "0.0.0.0",
			StatsPort: 22222,
			Verbosity: int(logevent.Info),
			Build:     "1.2.3",
		},
	}
}

// configure sets properties of the machine and, before the start, options.
func (f *machine) configure(t *testing.T, options []string) {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "workers":
			f.opts.Workers = number(t, value)
			if f.master != nil {
				f.master.opts.Workers = f.opts.Workers
			}
		case "pidfile":
			f.opts.PIDFile = value
		case "output":
			f.opts.Output = value
		case "verbosity":
			f.opts.Verbosity = number(t, value)
		case "interval":
			f.opts.StatsInterval = duration(t, value)
		case "shutdown_timeout":
			f.text = fmt.Sprintf("shutdown_timeout %d\n%s", duration(t, value).Milliseconds(), f.text)
		case "unix":
			f.text += "listen " + value + "\nbackend b 127.0.0.1:6380\n"
		case "config":
			f.text = "listen nowhere\n"
		case "http": // of the process
			if strings.HasPrefix(f.text, "http ") {
				_, f.text, _ = strings.Cut(f.text, "\n")
			}
			if value != "off" {
				f.text = "http " + value + "\n" + f.text
			}
		case "drain_delay":
			f.text = fmt.Sprintf("drain_delay %d\n%s", duration(t, value).Milliseconds(), f.text)
		case "memory_limit":
			f.text = strings.Replace(f.text, "memory_limit 0\n", "memory_limit "+value+"\n", 1)
		case "ram":
			f.ram = int64(number(t, value))
		case "cpus": // how many
			f.allowed = nil
			for cpu := 0; value != "unknown" && cpu < number(t, value); cpu++ {
				f.allowed = append(f.allowed, cpu)
			}
		case "quota": // per cent of one CPU
			f.quota = float64(number(t, value)) / 100
		case "crowd": // a CPU with a worker of another Pinion
			f.crowd = map[int]int{number(t, value): 1}
		case "first":
			f.first = number(t, value)
		case "place": // where workers may run
			f.text = "cpus " + value + "\n" + f.text
		case "busy":
			f.busy = value
		case "forbidden":
			f.forbidden = value
		case "unreached":
			f.unreached = value
		case "denied":
			f.denied = value == "yes"
		case "pinless":
			f.pinless = value == "yes"
		case "deaf":
			f.deaf = value == "yes"
		case "answers": // the first server answers when slot 0 asks it
			f.serverAnswers = value == "yes"
		case "sealless": // there is no descriptor for a specification
			f.sealless = value == "yes"
		case "heard": // the first server, by the worker of slot 0, so many times
			*f.master.generations.serving.counters.Heard(0, 0, 0) += uint64(number(t, value))
		case "found": // by an earlier master: the address of the first server
			f.leftAt = value
		case "discovers": // the first pool
			f.master.generations.serving.topology.Pools[0].Discovers = value == "yes"
		case "sentinels": // of the first pool, whose server is a master that they know then
			plain, _, _ := strings.Cut(f.text, "sentinels ")
			f.text = strings.Replace(plain, "127.0.0.1:6379", "mymaster", 1) + "sentinels " + value + "\n"
		case "readfrom": // of the first pool, after sentinels
			plain, _, _ := strings.Cut(f.text, "read_from ")
			f.text = plain + "read_from " + value + "\n"
		case "cluster": // the servers of the first pool are nodes of one, and these are its seeds
			plain, _, _ := strings.Cut(f.text, "cluster ")
			plain, _, _ = strings.Cut(plain, "backend ")
			f.text = plain + "cluster true\nbackend " + strings.ReplaceAll(value, ",", "\nbackend ") + "\n"
		case "connected": // of slot 0 to the first server
			*f.master.generations.serving.counters.Server(0, 0, 0)[link.ServerConnections] = uint64(number(t, value))
		case "left": // by an earlier master: generation 4 of two workers
			f.passed = []systemd.Socket{
				{Name: "listen/alpha/1", FD: 71, Network: "tcp", Address: "127.0.0.1:22121", Listening: true},
				{Name: "listen/alpha/0", FD: 70, Network: "tcp", Address: "127.0.0.1:22121", Listening: true},
				{Name: "shared/4", FD: 72}, {Name: "spec/4", FD: 73},
				{Name: "worker/4/0/901", FD: 74}, {Name: "worker/4/1/902", FD: 75}, {Name: "worker/3/0/801", FD: 76},
			}
		case "unkept": // by the service manager, in spite of left: the listeners of these slots
			f.passed = slices.DeleteFunc(f.passed, func(p systemd.Socket) bool {
				return strings.HasPrefix(p.Name, "listen/") && strings.Contains(value, path.Base(p.Name))
			})
		case "activated": // by the service manager: one socket of its own
			f.passed = []systemd.Socket{{Name: "pinion.socket", FD: 70, Network: "tcp", Address: "127.0.0.1:22121", Listening: true}}
		case "keeper":
			f.keeper = number(t, value)
		case "file":
			f.opts.ConfigFile = value
		case "orphans": // slot/generation/pid[@duration until it comes, or @drains and for how long, or @gives],…
			for _, text := range strings.Split(value, ",") {
				f.waiting = append(f.waiting, newWaitingOrphan(t, text))
			}
		case "orphan_file": // the configuration of them all
			for _, o := range f.waiting {
				o.file = value
			}
		case "orphan_port": // what they all serve
			for _, o := range f.waiting {
				o.port = value
			}
		case "strangers": // pid of an orphan of user 999
			f.strangers = []int{number(t, value)}
		case "claimants": // pid:what,…
			for _, text := range strings.Split(value, ",") {
				pid, what, _ := strings.Cut(text, ":")
				f.claiming = append(f.claiming, claimant{
					pid: number(t, pid), parent: what == "leaving",
					stopped: what == "stopped", ours: what == "hung",
				})
			}
		case "managed":
			f.managed = value == "yes"
		case "watchdog":
			f.dog = duration(t, value)
		case "successor":
			f.successor = value == "yes"
		case "upgrade":
			f.upgradeFails = value
		case "older": // the other master is of a version that knows no intents
			f.older = value == "yes"
		case "other_verbosity": // that of the other master
			verbosity := number(t, value)
			f.otherVerbosity = &verbosity
		case "lingers": // the process of the old master of an upgrade before: its pid, or 0 once it has ended
			f.lingers = number(t, value)
		case "stays": // the other master's process
			f.stays = value == "yes"
		case "aside": // slow: what is done beside the loop takes until the event aside
			f.slow = value == "slow"
		case "flip":
			f.flipFails = value == "fails"
		case "gone": // the path of a unix socket
			delete(f.at, value)
		case "other": // is at the path of a unix socket
			f.at[value] = listen.Spot{Inode: 1}
		case "unpool": // a pool less
			f.text = strings.Replace(f.text, "pool "+value+"\nlisten 127.0.0.1:22122\nbackend b 127.0.0.1:6380\n", "", 1)
		case "listen": // elsewhere
			before, after, _ := strings.Cut(f.text, "listen ")
			_, after, _ = strings.Cut(after, "\n")
			f.text = before + "listen " + value + "\n" + after
		case "listens": // several addresses, with commas between
			f.text = "global:\n  memory_limit: 0\nalpha:\n  listen: [" + value + "]\n  redis: true\n  servers: [127.0.0.1:6379:1 a]\n"
		case "pool": // a further pool
			f.text += "pool " + value + "\nlisten 127.0.0.1:22122\nbackend b 127.0.0.1:6380\n"
		case "stats":
			f.taken = value == "taken"
		case "descriptors":
			f.descriptors = number(t, value)
		case "tasks": // that fit
			f.tight = &limits.Shortage{Room: number(t, value), By: "raise the limit"}
		case "stopped": // a worker's pid
			f.stopped[number(t, value)] = true
		case "starved": // a worker's pid
			f.stopped[number(t, value)], f.starved[number(t, value)] = true, true
		case "cpu": // seconds that each worker has had
			f.cpu = time.Duration(number(t, value)) * time.Second
		case "silent": // workers, about their connections: those of older builds are, or cannot have any
			f.silent = value == "yes"
		case "copies":
			f.copies = number(t, value)
		case "pairs":
			f.pairs = number(t, value)
		case "dead": // a worker's pid; its exit is still to come
			f.dead[number(t, value)] = true
		case "continued":
			delete(f.stopped, number(t, value))
			delete(f.starved, number(t, value))
		case "requests": // counted by the worker of slot 0
			*f.master.generations.serving.counters.Server(0, 0, 0)[link.Requests] += uint64(number(t, value))
		case "late": // requests, counted by the worker of slot 0 of the generation before
			*f.latest().counters.Server(0, 0, 0)[link.Requests] += uint64(number(t, value))
		case "next": // requests, counted by the worker of slot 0 of the generation that is to follow
			*f.master.generations.coming.counters.Server(0, 0, 0)[link.Requests] += uint64(number(t, value))
		case "guests": // that the next generation's worker of slot 0 has taken
			*f.master.generations.coming.counters.Pool(0, 0)[link.ClientConnections] = uint64(number(t, value))
		case "clients": // of slot 0
			*f.master.generations.serving.counters.Pool(0, 0)[link.ClientConnections] = uint64(number(t, value))
		default:
			t.Fatalf("unknown property %q", name)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f *machine) start(t *testing.T, options []string) {
	f.configure(t, options)
	f.opts.Started = func(err error) { f.printf("started: %v", err) }
	f.master = newMaster(f.opts, f.world(), f)
	f.master.start()
}

func (f *machine) world() *world {
	return &world{
		pid:          1000,
		self:         "/usr/bin/pinion",
		now:          func() time.Time { return f.clock },
		load:         func(string) (*config.Config, error) { return config.Parse("pinion.conf", []byte(f.text)) },
		cpus:         f.cpus,
		crowd:        func(string) map[int]int { return f.crowd },
		turn:         func(string, int) int { return f.first },
		tasks:        func() *limits.Shortage { return f.tight },
		descriptors:  func() int { return f.descriptors },
		memory:       f.readMemory,
		seal:         func() {},
		report:       func(e event) { f.master.handle(e) },
		aside:        f.aside,
		parent:       f.parent,
		upgrade:      f.upgrade,
		flip:         f.flip,
		lingering:    func() int { return f.lingers },
		work:         func(pid int) (time.Duration, bool) { return f.cpu, f.starved[pid] },
		awaitParent:  f.awaitParent,
		killChildren: func(func(int) bool) { f.printf("end the new master") },
		signal:       func(pid int, s syscall.Signal) error { f.printf("signal %d: %s", pid, watched[s].name); return nil },
		holderOfPIDFile: func(pid int, _ string) string {
			if pid == 77 {
				return "pinion"
			}
			return ""
		},
		killParent:  func(pid int) error { f.printf("kill the old master %d", pid); return nil },
		services:    &servicesOf{f},
		close:       f.close,
		acceptQueue: func(int) (q sock.AcceptQueue, err error) { return q, errors.ErrUnsupported },
		sockets: listen.Kernel{
			Probe:    f.probe,
			Bind:     f.bind,
			Listen:   func(fd, backlog int) error { f.printf("listen on %d, backlog %d", fd, backlog); return nil },
			Unlinker: f.unlinker,
			UnlinkAt: func(path string, _ listen.Spot) func() { return f.unlinker(path) },
			Locate:   f.locate,
			Alone:    func(do func() error) error { return do() },
			Unroute:  func(fds ...int) error { f.printf("unroute %d", fds); return nil },
			Inode:    func(fd int) uint64 { return uint64(fd) },
			Chmod:    func(path string, perm os.FileMode) error { f.printf("chmod %o %s", perm, path); return nil },
			Same:     func(a, b int) bool { return f.inode(a) == f.inode(b) },
			Close:    f.close,
		},
		try:           func(t listen.Trial) error { return f.probe(t.Address, t.Own) },
		look:          f.look,
		dup:           f.dup,
		fdOf:          func(net.Listener) (int, error) { return statsFD, nil },
		listenerOf:    func(fd int) (net.Listener, error) { f.printf("answer scrapes on %d", fd); return silent{}, nil },
		pair:          f.pair,
		listenStats:   f.listenStats,
		share:         f.share,
		follow:        f.follow,
		watchReplicas: f.watchReplicas,
		sealed: func([]byte) (int, error) {
			if f.sealless {
				return -1, syscall.EMFILE
			}
			return 60, nil
		},
		holders:     func([]uint64) (map[uint64]*takeover.Program, error) { return f.holders, nil },
		adopt:       f.adopt,
		detach:      f.detach,
		readMemory:  func(fd int) ([]byte, error) { return f.spec(fd) },
		mapMemory:   f.mapMemory,
		unmap:       func([]byte) {},
		unshare:     func(fd int, _ []byte) { f.printf("unshare %d", fd) },
		findKeeper:  f.findKeeper,
		orphans:     f.findOrphans,
		lateOrphans: func(file string) []*process.Orphan { met, _ := f.findOrphans(file, nil); return met },
		leave:       func(o *process.Orphan) { f.printf("leave the orphan %d", o.PID) },
		strangers:   func([]config.Listen) (int, []int) { return 999, f.strangers },
		claimants:   f.findClaimants,
		endSharers:  func(fd int, s syscall.Signal) { f.printf("end who counts in %d: %v", fd, s) },
		killStray:   f.killStray,
		pause:       f.pause,
		spawn:       f.spawn,
		send:        f.send,
		terminate:   func(p *process.Worker) { f.printf("terminate %d", p.PID) },
		kill:        func(p *process.Worker) { f.printf("kill %d", p.PID) },
		ended:       func(p *process.Worker) bool { return f.dead[p.PID] || p.Adopted }, // which is no child
	}
}

func (f *machine) Lost() int { return 0 }

func (f *machine) Offer(line []byte, _ int) bool {
	_, text, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "] ")
	f.printf("log: %s", text)
	return true
}

func (f *machine) Reopen(tell func(error)) {
	f.printf("reopen the log file")
	tell(f.logFails)
}

func (f *machine) Direct(path string, tell func(error)) {
	f.printf("log to %q", path)
	tell(f.logFails)
}

func (f *machine) cpus() (limits.CPUs, error) {
	if f.allowed == nil {
		return limits.CPUs{Quota: f.quota}, syscall.ENOSYS
	}
	return limits.CPUs{Allowed: f.allowed, Quota: f.quota}, nil
}

func (f *machine) readMemory() (int64, error) {
	f.printf("read the size of the memory")
	if f.ram == 0 {
		return 0, syscall.ENOENT
	}
	return f.ram, nil
}

func (f *machine) probe(l config.Listen, own []uint64) error {
	if len(own) > 0 {
		f.printf("look for others than %v at %s", own, l.Address)
	}
	if l.Address == f.busy {
		return syscall.EADDRINUSE
	}
	return nil
}

func (f *machine) bind(l config.Listen, _ []uint64, _ time.Duration) (listen.Socket, error) {
	if l.Address == f.forbidden {
		return listen.Socket{}, syscall.EACCES
	}
	f.lastFD++
	f.printf("bind %s: fd %d", l.Address, f.lastFD)
	s := listen.Socket{FD: f.lastFD, Inode: uint64(f.lastFD)}
	if l.Network == "unix" {
		s.Spot = listen.Spot{Inode: uint64(f.lastFD)}
		s.Unlink = f.unlinker(l.Address)
		f.at[l.Address] = s.Spot
	}
	return s, nil
}

func (f *machine) close(fd int) error {
	f.printf("close %d", fd)
	return nil
}

func (f *machine) unlinker(path string) func() { return func() { f.printf("unlink %s", path) } }

func (f *machine) locate(path string) (listen.Spot, error) {
	if there, is := f.at[path]; is {
		return there, nil
	}
	return listen.Spot{}, os.ErrNotExist
}

// silent is a statistics port to which nobody connects.
type silent struct{ net.Listener }

func (silent) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (silent) Close() error              { return nil }

func (f *machine) listenStats(address string) (net.Listener, error) {
	if f.taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	f.printf("listen on %s", address)
	return silent{}, nil
}

func (f *machine) share(size int) (int, []byte, error) {
	f.lastFD++
	f.memory = make([]byte, size)
	f.printf("share memory: fd %d", f.lastFD)
	return f.lastFD, f.memory, nil
}

// follow is done by the script: nothing is found out until it says so.
func (f *machine) follow(p *link.Pool, known []link.ServerTopology, tell func(discover.News)) discover.Following {
	if p.IsCluster() {
		return f.followCluster(p, known, tell)
	}
	at := "from nothing on"
	if len(known[0].Endpoints) > 0 {
		at = fmt.Sprintf("from %s, epoch %d, on", known[0].Endpoints[0].Address, known[0].Epoch)
	}
	f.printf("follow %s of %v %s", p.Servers[0].Address, p.Sentinels, at)
	f.followed = tell
	located := make(chan struct{})
	close(located)
	return discover.Following{
		Located: located,
		Doubt:   func(s link.Server) { f.printf("doubt about %s", s.Address) },
		Failover: func(s link.Server, then func(string, error)) {
			f.printf("failover of %s", s.Address)
			f.led = then
		},
		Stop: func() { f.printf("follow %s of %v no longer", p.Servers[0].Address, p.Sentinels) },
	}
}

// watchReplicas finds nothing out.
func (f *machine) watchReplicas(p *link.Pool, index int, servers []link.ServerTopology, _ replica.Words, reports replica.Reports) replica.Watching {
	f.inZone = reports.InZone
	show := func(what string, servers []link.ServerTopology) {
		f.printf("%s replicas of pool %d", what, index)
		for i := range servers {
			for _, e := range servers[i].Replicas() {
				f.printf("  %s: %s", servers[i].Server, strings.TrimSuffix(e.Address+" in "+e.Zone, " in "))
			}
		}
	}
	show("look at", servers)
	return replica.Watching{
		Locate: func(servers []link.ServerTopology) { show("now look at", servers) },
		Stop:   func() { show("look no longer at", nil) },
	}
}

// followCluster is the same of a cluster.
func (f *machine) followCluster(p *link.Pool, known []link.ServerTopology, tell func(discover.News)) discover.Following {
	f.printf("follow cluster of %v from %s on", p.Seeds, nodesOf(known))
	f.followed = tell
	located := make(chan struct{})
	close(located)
	return discover.Following{
		Located: located,
		Doubt:   func(link.Server) { f.printf("ask the nodes of %v", p.Seeds) },
		Stop:    func() { f.printf("follow cluster of %v no longer", p.Seeds) },
	}
}

// nodesOf returns the nodes of a cluster as "place=address".
func nodesOf(all []link.ServerTopology) string {
	if len(all) == 0 {
		return "nothing"
	}
	var texts []string
	for _, s := range all {
		texts = append(texts, s.Server+"="+s.Endpoints[0].Address)
	}
	return strings.Join(texts, " ")
}

func (f *machine) spawn(l process.Launch, report func(process.Event)) (*process.Worker, error) {
	if f.denied {
		f.printf("spawn worker %d: refused", l.Spec.Slot)
		return nil, syscall.EAGAIN
	}
	f.lastPID++
	p := &process.Worker{Slot: l.Spec.Slot, PID: f.lastPID, CPU: l.Spec.CPU}
	f.reports[p] = report
	name := strconv.Itoa(p.Slot)
	f.workers[name], f.workers[fmt.Sprintf("%s@%d", name, l.Spec.Generation)] = p, p
	if f.pinless {
		p.CPU, p.PinErr = -1, syscall.EINVAL
	}
	limit, shared := "", ""
	if l.Spec.MemoryLimit > 0 {
		limit = fmt.Sprintf(" (limit %d)", l.Spec.MemoryLimit)
	}
	for _, l := range l.Spec.Listeners {
		if l.Shared {
			shared += " (shared: " + l.Address + ")"
		}
	}
	takeover := ""
	if l.Spec.Takeover {
		takeover = fmt.Sprintf(", generation %d, to take over", l.Spec.Generation)
	}
	at := ""
	if l.Spec.Topology.Pools[0].Version > 1 {
		at = ", first server at " + l.Spec.Topology.Pools[0].Servers[0].Endpoints[0].Address
	}
	f.printf("spawn worker %d of %d: pid %d, cpu %d, verbosity %d, memory %d%s, listeners %v%s", l.Spec.Slot, l.Spec.Slots,
		p.PID, l.Spec.CPU, l.Spec.Verbosity, l.Shared, limit, l.Listeners, shared+takeover+at)
	return p, nil
}

// turn has every worker make one that is able to.
func (f *machine) turn() {
	for _, s := range f.master.generations.slots() {
		if s.process != nil && s.generation.counters != nil && !f.stopped[s.process.PID] {
			if turns := s.generation.counters.Turns(s.index); turns != nil {
				*turns++
			}
		}
	}
}

var messageNames = map[link.Kind]string{
	link.Drain: "drain", link.Verbosity: "verbosity", link.Serve: "serve", link.Peer: "peer", link.MoveClients: "give",
	link.Removed: "removed", link.Resume: "resume", link.Settle: "settle", link.Finish: "finish", link.Listen: "listen", link.Lend: "lend", link.Relocated: "relocated", link.Ping: "ping",
	link.Quit: "quit", link.Announce: "announce", link.Unlisten: "unlisten", link.Inquire: "inquire", link.Question: "question", link.Answer: "answer",
}

func (f *machine) send(p *process.Worker, m link.Message, fds ...int) error {
	if f.deaf {
		return errors.New("resource temporarily unavailable")
	}
	body := fmt.Sprint(m.Body)
	if m.Kind >= link.Serve {
		body = string(m.Body)
	}
	if m.Kind == link.Peer && !f.silent {
		f.joins = append(f.joins, process.Event{From: p, Kind: process.Said, Message: link.Message{Kind: link.Joined, Body: m.Body}})
	}
	with := ""
	if len(fds) > 0 {
		with = fmt.Sprintf(" with %d", fds)
	}
	f.printf("send to %d: %s %s%s", p.PID, messageNames[m.Kind], body, with)
	if m.Kind == link.Inquire && f.serverAnswers {
		*f.master.generations.serving.counters.Heard(0, 0, 0)++
	}
	return nil
}

const statsFD = 50

func (f *machine) adopt(slot, pid, control int, report func(process.Event)) (*process.Worker, error) {
	p := &process.Worker{Slot: slot, PID: pid, CPU: -1, Adopted: true}
	f.reports[p] = report
	f.workers[strconv.Itoa(slot)], f.workers[strconv.Itoa(pid)] = p, p
	f.printf("adopt worker %d: pid %d, control %d", slot, pid, control)
	return p, nil
}

// latest is the generation before the one that serves.
func (f *machine) latest() *generation {
	if left := f.master.generations.ofOldMaster; len(left) > 0 {
		return left[0]
	}
	return f.master.generations.retired[len(f.master.generations.retired)-1]
}

// mapMemory returns counters that another master has made, with the requests that slot 0 has counted.
func (f *machine) mapMemory(fd int) ([]byte, error) {
	c, there := f.counted[fd]
	if !there { // of generation 4, which an earlier master has left
		cfg, err := config.Parse("pinion.conf", []byte(f.text))
		if err != nil {
			return nil, err
		}
		c = counted{pools: cfg.Specs(link.Spec{}, []int{0})[0].Pools, slots: 2}
	}
	if c.pools == nil {
		return nil, errors.New("it is empty")
	}
	memory := make([]byte, link.SharedBytes(link.ServerCounts(c.pools), c.slots))
	shared, err := link.OpenShared(memory, link.ServerCounts(c.pools), c.slots)
	if err == nil && there {
		*shared.Server(0, 0, 0)[link.Requests] = uint64(c.requests)
		*shared.Pool(0, 0)[link.ClientConnections] = 1
	}
	return memory, err
}

// counted is what another master's memory holds.
type counted struct {
	pools    []link.Pool
	slots    int
	requests int
}

func (f *machine) detach(p *process.Worker) (int, error) {
	f.lastFD++
	f.printf("leave worker %d to another master", p.PID)
	return f.lastFD, nil
}

func (f *machine) findKeeper(known int) (net.Conn, int, error) {
	f.printf("look for the keeper %d", known)
	return nil, known, nil
}

// waitingOrphan is a worker that waits for a master, or is going to.
type waitingOrphan struct {
	slot, generation, pid int
	after                 time.Duration
	file, port            string // of the configuration that they have; empty: the same port
	deaf                  bool
	drains                link.OrphanBody
}

func newWaitingOrphan(t *testing.T, text string) *waitingOrphan {
	o := &waitingOrphan{file: absolute("")}
	text, after, delayed := strings.Cut(text, "@")
	if delayed && after == "deaf" {
		o.deaf = true
	} else if delayed && after == "gives" {
		o.drains.Moving = true
	} else if limit, drains := strings.CutPrefix(after, "drains"); drains {
		o.drains = link.OrphanBody{Draining: true}
		if limit != "" {
			o.drains.Left = duration(t, limit)
		}
	} else if delayed {
		o.after = duration(t, after)
	}
	if _, err := fmt.Sscanf(text, "%d/%d/%d", &o.slot, &o.generation, &o.pid); err != nil {
		t.Fatal(err)
	}
	return o
}

func (f *machine) findOrphans(file string, pids []int) (met []*process.Orphan, deaf []int) {
	var rest []*waitingOrphan
	for _, w := range f.waiting {
		switch {
		case w.deaf:
			deaf = append(deaf, w.pid)
			fallthrough
		case f.clock.Sub(epoch) < w.after, w.file != file && !slices.Contains(pids, w.pid):
			rest = append(rest, w)
		default:
			met = append(met, f.meet(w))
		}
	}
	f.waiting = rest
	return met, deaf
}

// meet has an orphan say who it is. It has a socket of its own on each TCP address, and all have the same on a unix path.
func (f *machine) meet(w *waitingOrphan) *process.Orphan {
	served := f.text
	if w.port != "" {
		served = strings.ReplaceAll(served, "22121", w.port)
	}
	cfg, err := config.Parse("pinion.conf", []byte(served))
	if err != nil {
		panic(err)
	}
	o := &process.Orphan{PID: w.pid, SpecFD: f.lastFD + 1, SharedFD: f.lastFD + 2, LinkFD: f.lastFD + 3}
	f.lastFD += 3
	o.Spec = cfg.Specs(link.Spec{Generation: uint64(w.generation), ConfigFile: w.file}, []int{0, 1})[w.slot]
	o.Drains = w.drains
	text := ""
	for i, p := range cfg.Pools {
		if w.drains.Draining {
			break
		}
		f.lastFD++
		l := link.Listener{Pool: i, Network: p.Listen.Network, Address: p.Listen.Address, Shared: p.Listen.Network == "unix"}
		if f.inodes == nil {
			f.inodes = map[int]int{}
		}
		f.inodes[f.lastFD] = f.lastFD
		if l.Shared {
			f.inodes[f.lastFD] = -i - 1
			f.at[l.Address] = listen.Spot{Inode: uint64(f.lastFD)}
		}
		o.Lent = append(o.Lent, process.LentSocket{Listener: l, FD: f.lastFD})
		text += fmt.Sprintf(" %s %d", l.Address, f.lastFD)
	}
	f.printf("meet the orphan %d of slot %d, generation %d: spec %d, shared %d, control %d, listeners%s",
		o.PID, o.Spec.Slot, o.Spec.Generation, o.SpecFD, o.SharedFD, o.LinkFD, text)
	return o
}

func (f *machine) inode(fd int) int {
	if n, known := f.inodes[fd]; known {
		return n
	}
	return fd
}

// findClaimants returns those of the script, and the orphans that have not come yet.
func (f *machine) findClaimants([]config.Listen) []claimant {
	all := append([]claimant(nil), f.claiming...)
	for _, w := range f.waiting {
		if w.port == "" {
			all = append(all, claimant{pid: w.pid, ours: true})
		}
	}
	return all
}

func (f *machine) killStray(pid int) {
	f.printf("kill the stray %d", pid)
	f.claiming = slices.DeleteFunc(f.claiming, func(c claimant) bool { return c.pid == pid })
	f.waiting = slices.DeleteFunc(f.waiting, func(w *waitingOrphan) bool { return w.pid == pid })
}

func (f *machine) pause(d time.Duration) { f.clock = f.clock.Add(d) }

// spec is what the service manager has kept of the generation before.
func (f *machine) spec(int) ([]byte, error) {
	cfg, err := config.Parse("pinion.conf", []byte(f.text))
	if err != nil {
		return nil, err
	}
	spec := cfg.Specs(link.Spec{Generation: 4}, []int{0, 1})[0]
	spec.Listeners = []link.Listener{{Network: "tcp", Address: "127.0.0.1:22121"}}
	if f.leftAt != "" {
		spec.Topology = link.StaticTopology(spec.Pools)
		p := &spec.Topology.Pools[0]
		p.Version, p.Discovers, p.Servers[0].Endpoints[0].Address = 7, true, f.leftAt
	}
	return spec.Text(), nil
}

func (f *machine) pair() (int, int, error) {
	if f.pairs == 0 {
		return -1, -1, syscall.EMFILE
	}
	f.pairs--
	f.lastFD += 2
	return f.lastFD - 1, f.lastFD, nil
}

// servicesOf is the service manager of a machine.
type servicesOf struct{ f *machine }

func (s *servicesOf) say(format string, args ...any) {
	if s.f.managed {
		s.f.printf("notify: "+format, args...)
	}
}

func (s *servicesOf) Present() bool { return s.f.managed }

func (s *servicesOf) Report(heard func(error))             { s.f.heard = heard }
func (s *servicesOf) Ready(status string)                  { s.say("ready (%s)", status) }
func (s *servicesOf) Status(text string)                   { s.say("status (%s)", text) }
func (s *servicesOf) Reloading(status string)              { s.say("reloading (%s)", status) }
func (s *servicesOf) Stopping(status string)               { s.say("stopping (%s)", status) }
func (s *servicesOf) ExtendTimeout(d time.Duration)        { s.say("extend the timeout by %s", d) }
func (s *servicesOf) MainPID(pid int)                      { s.say("main pid %d", pid) }
func (s *servicesOf) Ping()                                { s.say("ping") }
func (s *servicesOf) Unstore(name string)                  { s.say("drop %s", name) }
func (s *servicesOf) Inherited() ([]systemd.Socket, error) { return s.f.passed, nil }
func (s *servicesOf) Flush()                               {}

func (s *servicesOf) Barrier(done func(error)) {
	s.say("barrier")
	s.f.barriers = append(s.f.barriers, done)
}

func (s *servicesOf) Store(name string, fd int) error {
	s.say("store %d as %s", fd, name)
	return nil
}

func (s *servicesOf) Watchdog(successor bool) (time.Duration, error) { return s.f.dog, nil }

// parent is the old master of a machine on which the one under test is to be the new one.
func (f *machine) parent() (*masterLink, error) {
	if !f.successor {
		return nil, nil
	}
	return f.exchange("parent"), nil
}

func (f *machine) awaitParent(limit time.Duration) error {
	if f.lingers == 0 {
		return nil
	}
	return fmt.Errorf("%d is there after %s", f.lingers, limit)
}

func (f *machine) upgrade(ended func(error)) (*masterLink, error) {
	if f.upgradeFails != "" {
		return nil, errors.New(f.upgradeFails)
	}
	f.printf("start a new master")
	f.childEnded = ended
	return f.exchange("child"), nil
}

func (f *machine) dup(fd int) (int, error) {
	if f.copies == 0 {
		return -1, syscall.EMFILE
	}
	f.copies--
	f.printf("copy %d", fd)
	return fd, nil
}

// aside does the work at once, or has it wait.
func (f *machine) aside(work func() func()) {
	if f.slow {
		f.beside = append(f.beside, work)
		return
	}
	work()()
}

// look is of servers that all answer, but perhaps for the first.
func (f *machine) look(cfg *config.Config, _ int) (a reach.Answer) {
	if f.unreached != "" {
		p := &cfg.Pools[0]
		a.Unreachable = []link.Unreachable{{Pool: p.Name, Server: p.Servers[0].Name, Error: "refuses connections"}}
	}
	return a
}

func (f *machine) flip() error {
	f.printf("ready for upgrades")
	if f.flipFails {
		return errors.New("broken pipe")
	}
	return nil
}

// exchange is the way to another master, who is the transcript.
func (f *machine) exchange(name string) *masterLink {
	return &masterLink{
		transmit:    func(msg message) { f.printf("say to %s: %s", name, describe(msg)) },
		listen:      func(report func(message, error)) { f.other = report },
		hangUp:      func() { f.printf("hang up on %s", name) },
		stopReading: func() { f.other(message{}, io.EOF) },
		flush:       func() {},
	}
}

// describe returns what matters of a word.
func describe(msg message) string {
	text := string(msg.Kind)
	if msg.Reason != "" {
		text += ": " + msg.Reason
	}
	if msg.Slots > 0 {
		text += fmt.Sprintf(", %d slots", msg.Slots)
	}
	if msg.Kind == messageCounters {
		text += fmt.Sprintf(" of generation %d", msg.Generation)
	}
	if msg.Kind == messageWorker {
		text += fmt.Sprintf(" %d of generation %d, pid %d, for %s", msg.Slot, msg.Generation, msg.PID, msg.Left)
	}
	if msg.Kind == messagePeer || msg.Kind == messageAgain || msg.Kind == messageSuspect {
		text += fmt.Sprintf(" from %d to %d", msg.From, msg.Slot)
	}
	for _, s := range msg.Sockets {
		text += " " + s.Name
	}
	if msg.Intent != "" {
		text += " to " + msg.Intent
	}
	if msg.Verbosity != nil && msg.Kind == messageIntent {
		text += fmt.Sprintf(" verbosity %d", *msg.Verbosity)
	}
	if len(msg.Waiting) > 0 {
		text += fmt.Sprintf(" leaving %q", msg.Waiting)
	}
	if len(msg.fds) > 0 {
		text += fmt.Sprintf(" with %d", msg.fds)
	}
	if msg.Legacy != nil {
		text += " and the counters"
	}
	if msg.Drain != nil {
		text += fmt.Sprintf(", draining in %s", msg.Drain.Left)
	}
	if msg.Lost > 0 {
		text += fmt.Sprintf(", %d lost", msg.Lost)
	}
	if msg.Result != nil {
		text += fmt.Sprintf(" (moved %d, stragglers %d)", msg.Result.Moved, msg.Result.Stragglers)
	}
	return text
}
