// The fake machine: a world that writes down what the master does to it.

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
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

	workers map[int]*process // the latest of each slot
	lastPID int
	lastFD  int
	memory  []byte

	allowed []int  // CPUs; none: the affinity cannot be read
	ram     int64  // bytes; none: the size of the memory cannot be read
	busy    string // an address that another process serves
	denied  bool   // spawning fails
	pinless bool   // pinning fails
	deaf    bool   // sending fails
	taken   bool   // the statistics port is in use
}

func newMachine() *machine {
	return &machine{
		clock:   epoch,
		workers: map[int]*process{},
		lastPID: 1000,
		lastFD:  99,
		allowed: []int{0, 1},
		ram:     1 << 30,
		text:    "memory_limit 0\nlisten 127.0.0.1:22121\nbackend a 127.0.0.1:6379\n",
		opts: Options{
			StatsAddr: "0.0.0.0",
			StatsPort: 22222,
			Verbosity: int(levelInfo),
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
		case "memory_limit":
			f.text = strings.Replace(f.text, "memory_limit 0\n", "memory_limit "+value+"\n", 1)
		case "ram":
			f.ram = int64(number(t, value))
		case "cpus":
			f.allowed = nil
		case "busy":
			f.busy = value
		case "denied":
			f.denied = value == "yes"
		case "pinless":
			f.pinless = value == "yes"
		case "deaf":
			f.deaf = value == "yes"
		case "stats":
			f.taken = value == "taken"
		case "requests": // counted by the worker of slot 0
			f.master.generation.shared.Server(0, 0, 0)[link.Requests] += uint64(number(t, value))
		case "clients": // of slot 0
			f.master.generation.shared.Pool(0, 0)[link.ClientConnections] = uint64(number(t, value))
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
		pid:         1000,
		now:         func() time.Time { return f.clock },
		load:        func(string) (*config.Config, error) { return config.Parse("pinion.conf", []byte(f.text)) },
		affinity:    f.affinity,
		memory:      f.readMemory,
		seal:        func() {},
		probe:       f.probe,
		listen:      f.listen,
		close:       func(fd int) error { f.printf("close %d", fd); return nil },
		listenStats: f.listenStats,
		share:       f.share,
		unshare:     func(fd int, _ []byte) { f.printf("unshare %d", fd) },
		spawn:       f.spawn,
		send:        f.send,
		hangUp:      func(p *process) { f.printf("hang up on %d", p.pid) },
		kill:        func(p *process) { f.printf("kill %d", p.pid) },
	}
}

func (f *machine) offer(line []byte) bool {
	_, text, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "] ")
	f.printf("log: %s", text)
	return true
}

func (f *machine) reopen() { f.printf("reopen the log file") }

func (f *machine) affinity() ([]int, error) {
	if f.allowed == nil {
		return nil, syscall.ENOSYS
	}
	return f.allowed, nil
}

func (f *machine) readMemory() (int64, error) {
	f.printf("read the size of the memory")
	if f.ram == 0 {
		return 0, syscall.ENOENT
	}
	return f.ram, nil
}

func (f *machine) probe(l config.Listen) error {
	if l.Address == f.busy {
		return syscall.EADDRINUSE
	}
	return nil
}

func (f *machine) listen(l config.Listen, backlog int) (socket, error) {
	f.lastFD++
	f.printf("listen on %s, backlog %d: fd %d", l.Address, backlog, f.lastFD)
	s := socket{fd: f.lastFD}
	if l.Network == "unix" {
		s.unlink = func() { f.printf("unlink %s", l.Address) }
	}
	return s, nil
}

// silent is a statistics port to which nobody connects.
type silent struct{ net.Listener }

func (silent) Close() error { return nil }

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

func (f *machine) spawn(l launch) (*process, error) {
	if f.denied {
		f.printf("spawn worker %d: refused", l.spec.Slot)
		return nil, syscall.EAGAIN
	}
	f.lastPID++
	p := &process{slot: l.spec.Slot, pid: f.lastPID, cpu: l.spec.CPU}
	if f.pinless {
		p.cpu, p.pinErr = -1, syscall.EINVAL
	}
	f.workers[p.slot] = p
	limit, shared := "", ""
	if l.spec.MemoryLimit > 0 {
		limit = fmt.Sprintf(" (limit %d)", l.spec.MemoryLimit)
	}
	for _, l := range l.spec.Listeners {
		if l.Shared {
			shared += " (shared: " + l.Address + ")"
		}
	}
	f.printf("spawn worker %d of %d: pid %d, cpu %d, verbosity %d, memory %d%s, listeners %v%s", l.spec.Slot, l.spec.Slots,
		p.pid, l.spec.CPU, l.spec.Verbosity, l.shared, limit, l.listeners, shared)
	return p, nil
}

var messageNames = map[link.Kind]string{link.Drain: "drain", link.Verbosity: "verbosity"}

func (f *machine) send(p *process, m link.Message) error {
	if f.deaf {
		return errors.New("resource temporarily unavailable")
	}
	f.printf("send to %d: %s %v", p.pid, messageNames[m.Kind], m.Body)
	return nil
}
