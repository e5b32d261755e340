// The configuration as the master uses it: every default filled in, every name resolved, everything in its final order.

package config

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Config is a complete, valid configuration.
type Config struct {
	File   string            // as given to Load or Parse, for messages
	Sum    [sha256.Size]byte // of the text: tells whether a file is another one since
	Global Global
	Pools  []Pool // in name order (shard.Less), at least one

	Files []File // that it names and that were read with it, by path

	noted Problems // warnings that only the text and its files could tell
	ended Problems // see Ended
}

// Global holds the process-wide settings.
type Global struct {
	Workers int // 0 = one for each CPU that the process may use
	CPUs    CPUs

	ShutdownTimeout    time.Duration
	HandoffPatience    time.Duration // 0 = clients that are owed replies are stragglers at once
	UnreachableServers UnreachableServers
	ReloadOnChange     bool
	Orphans            link.Orphans
	MemoryLimit        int64         // bytes for each worker; 0 = no limit; or AutoMemory
	Coalesce           time.Duration // 0 = never
	KeySamples         int           // keys that each worker looks at in a second; 0 = none
	HTTP               Listen        // where the master answers HTTP; without a network: nowhere
	HTTPUser           string        // who may ask there; empty: whoever reaches it
	HTTPPassword       string        // of that user
	HTTPTLS            *certs.Server // encrypts there; nil: nothing is encrypted
	Statistics         Listen        // where nutcracker's JSON is; without a network: as the command line says
	DrainDelay         time.Duration // from a SIGTERM until the drain begins
	Zone               string        // where this process is; empty: it does not say
	LogLevel           int           // 0 to 11, as -v
	LogFormat          LogFormat
	LogFile            string // absolute; empty: stderr
	LogRequests        int    // that each worker logs in a second, at most; 0 = none
	LogSlow            int    // likewise, of slow ones
	Control            string // absolute path of the admin socket; empty: as the command line says
	ControlGroup       Group  // may ask how Pinion is

	httpCert, httpKey, httpCA string // files, as configured; empty: none
	httpPasswordFile          string // likewise; empty: HTTPPassword stands in the file itself, or there is none

	certificates []Certificate    // of the HTTP address, in the order in which they were read
	files        []File           // that were read for its password
	given        map[string]place // the keys that the file sets
}

// UnreachableServers says what a reload or an upgrade does when the new workers cannot connect to a server.
type UnreachableServers string

const (
	UnreachableLax    UnreachableServers = "lax"    // refused where the old workers reach that server now
	UnreachableStrict UnreachableServers = "strict" // refused for any server
)

// LogFormat says for whom lines of the log are.
type LogFormat string

const (
	LogText LogFormat = "text" // for people
	LogJSON LogFormat = "json" // for machines
)

// DefaultLogLevel is nutcracker's.
const DefaultLogLevel = 5

// AutoMemory is the MemoryLimit that stands for a share of the machine's memory, which the file does not know.
const AutoMemory = -1

// Pool is a pool of servers and the address of its clients.
type Pool struct {
	link.Pool          // servers in name order (shard.Less), at least one
	Listen    Listen   // the first address of the clients
	Further   []Listen // the others, in the order of the file
	Backlog   int      // of listen(2)
	Line      int      // where the pool begins in the file

	files              []File   // that were read for its users and passwords
	described          []string // users whom the configuration or a file describes, as acl.User.Text has them
	aclFile            string   // as configured; empty: users stand in the configuration, or there are none
	serverPasswordFile string   // as configured; empty: ServerPassword stands in the file itself, or there is none

	at     place            // the name of the pool
	given  map[string]place // the keys that the file sets
	placed []place          // placed[i] is where Servers[i] stands

	serverTLS    serverTLS
	clientTLS    clientTLS
	certificates []Certificate // in the order in which they were read
}

// Listen is the address on which a pool serves its clients. Network and Address are its identity: one socket has one
// text, however it was written.
type Listen struct {
	Network  string         // "tcp" or "unix"
	Address  string         // AddrPort as text, or the path
	Text     string         // as configured
	AddrPort netip.AddrPort // tcp only; IPv4 is not mapped to IPv6, and a zone is a number
	Perm     fs.FileMode    // unix only: permissions of the socket, 0 = by the umask
	TLS      bool           // clients speak TLS there; tcp only
}

// Listens returns all addresses of the clients.
func (p *Pool) Listens() []Listen { return append([]Listen{p.Listen}, p.Further...) }

// ListenAt returns that of the addresses which a socket has; nil: none.
func (p *Pool) ListenAt(id ListenID) *Listen {
	all := p.Listens()
	if i := slices.IndexFunc(all, func(l Listen) bool { return l.ID() == id }); i >= 0 {
		return &all[i]
	}
	return nil
}

// ListenTexts returns the addresses as configured.
func (p *Pool) ListenTexts() string {
	var texts []string
	for _, l := range p.Listens() {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, ", ")
}

// ListenID identifies a listening socket, so that a reload finds it again if its pool was renamed.
type ListenID struct{ Network, Address string }

// ID returns the identity of the socket.
func (l *Listen) ID() ListenID { return ListenID{l.Network, l.Address} }

// includes reports whether l is another address that takes the connections to narrower, too: one without a host, of the same
// port. The one of IPv6 takes IPv4 as well, as is usual on Linux.
func (l *Listen) includes(narrower Listen) bool {
	if l.Network != "tcp" || narrower.Network != "tcp" || l.ID() == narrower.ID() || l.AddrPort.Port() != narrower.AddrPort.Port() {
		return false
	}
	return l.AddrPort.Addr().IsUnspecified() && (l.AddrPort.Addr().Is6() || narrower.AddrPort.Addr().Is4())
}

// Overlaps reports whether connections to one of two different addresses may come to a socket at the other.
func (l *Listen) Overlaps(other Listen) bool { return l.includes(other) || other.includes(*l) }

// place is a position in the file. Lines and columns count from 1; the zero place is the file as a whole.
type place struct{ line, column int }

// ReadError is a configuration file that cannot be read.
type ReadError struct {
	File string // as given to Load
	Err  error
}

func (e *ReadError) Error() string { return fmt.Sprintf("reading configuration %q: %v", e.File, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// Load reads and parses the configuration file at path, and the certificates that it names. The error is of type Problems if the file
// could be read, and else a *ReadError.
func Load(path string) (*Config, error) {
	c, err := load(path, false)
	if err == nil {
		err = c.readCertificates(time.Now())
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// LoadAlone is Load for who only looks at what the file says, and perhaps may not read the certificates, passwords and users' files that
// it names. Its pools have no users of a file, and no passwords of one.
func LoadAlone(path string) (*Config, error) { return load(path, true) }

func load(path string, alone bool) (*Config, error) {
	text, err := readBounded(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, &ReadError{path, err}
	}
	c, err := (&reader{file: path, resolve: resolveHost, alone: alone}).parse(text)
	if err == nil && IsSameFile(c.Global.LogFile, path) {
		at := c.Global.given["log_file"]
		err = Problems{{File: path, Line: at.line, Column: at.column, Message: "log_file is this very file, which the log would spoil", Hint: "name another one"}}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// IsSameFile tells whether two paths lead to one file that is there.
func IsSameFile(a, b string) bool {
	one, errOne := os.Stat(a)
	other, errOther := os.Stat(b)
	return errOne == nil && errOther == nil && os.SameFile(one, other)
}

// maxFileBytes bounds a configuration file. One of a thousand pools is below 1 MiB; a device may have no end.
const maxFileBytes = 64 << 20

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if len(text) > maxFileBytes {
		err = fmt.Errorf("longer than %d MiB: this is no configuration file", maxFileBytes>>20)
	}
	return text, err
}

// Parse reads a configuration in either format. The file name is used in messages only. The error is of type Problems
// and tells everything that is wrong, in the order of the file. Certificates that it names are not read.
func Parse(file string, text []byte) (*Config, error) {
	return parse(file, text, resolveHost)
}

func parse(file string, text []byte, resolve resolver) (*Config, error) {
	return (&reader{file: file, resolve: resolve}).parse(text)
}

func (r *reader) parse(text []byte) (*Config, error) {
	c, problems := r.read(text)
	errs, warnings := problems.split()
	if len(errs) > 0 {
		return nil, errs
	}
	c.noted = warnings
	c.Sum = sha256.Sum256(text)
	return c, nil
}

// read makes a Config of the text, and tells all that is wrong with it.
func (r *reader) read(text []byte) (*Config, Problems) {
	rest, said := r.checkText(text)
	first := r.problems
	r.problems = nil
	c := r.build(r.sectionsOf(rest))
	return c, append(first, r.problems.without(said)...)
}

// sectionsOf reads a text in the format that it has.
func (r *reader) sectionsOf(text []byte) []section {
	if isShortForm(text) {
		return r.readShort(text)
	}
	return r.readYAML(text)
}

// AutoWorkers is what a command line asks for that overrules a number in the file.
const AutoWorkers = -1

// WorkerCount returns how many workers the configuration makes: what the command line asks for (0: it does not say), or what
// the configuration says, or one for each of cpus, the number of CPUs that the process may use (0: it is not known).
func (c *Config) WorkerCount(asked, cpus int) int {
	switch {
	case asked > 0:
		return asked
	case asked == 0 && c.Global.Workers > 0:
		return c.Global.Workers
	}
	return cmp.Or(cpus, runtime.NumCPU())
}

// Specs returns what each worker is told, one Spec for each slot; cpus[slot] is the CPU to pin to, -1 = none. What the
// file does not know (generation, build, verbosity, the MemoryLimit that auto comes to) is taken from base, and so is a Zone that stands there. Listeners
// are left to the master, which alone knows its sockets; Listener.Pool counts the pools in the order of c.Pools.
func (c *Config) Specs(base link.Spec, cpus []int) []link.Spec {
	base.Slots = len(cpus)
	base.ShutdownTimeout = c.Global.ShutdownTimeout
	base.Orphans = c.Global.Orphans
	base.Coalesce, base.KeySamples = c.Global.Coalesce, c.Global.KeySamples
	base.LoggedRequests, base.LoggedSlow = c.Global.LogRequests, c.Global.LogSlow
	base.Statistics, base.Control = c.Global.Statistics.Address, c.Global.Control
	base.Zone = cmp.Or(base.Zone, c.Global.Zone)
	base.ConfigHash = c.Hash()
	if c.Global.MemoryLimit != AutoMemory {
		base.MemoryLimit = c.Global.MemoryLimit
	}
	base.Pools = make([]link.Pool, len(c.Pools))
	for i := range c.Pools {
		base.Pools[i] = c.Pools[i].Pool
	}
	base.MarkCritical()
	base.Listeners = nil
	specs := slices.Repeat([]link.Spec{base}, len(cpus))
	for slot, cpu := range cpus {
		specs[slot].Slot = slot
		specs[slot].CPU = cpu
	}
	return specs
}
