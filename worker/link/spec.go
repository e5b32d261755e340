// The specification of a worker: all that it is told when it starts, and which never changes but for the topology in it.

package link

import (
	"encoding/json"
	"fmt"
	"time"
)

// File descriptors that a worker inherits. Listeners follow from FDListen on, in the order of Spec.Listeners.
const (
	FDMaster = 3
	FDSpec   = 4
	FDShared = 5
	FDListen = 6
)

// Protocol is what the clients and the servers of a pool speak.
type Protocol string

const (
	Redis    Protocol = "redis"
	Memcache Protocol = "memcache"
)

// CrossShard is what happens to a multi-key command whose keys live on different servers.
type CrossShard string

const (
	CrossShardRefuse   CrossShard = "refuse"    // -CROSSSHARD, nothing is sent
	CrossShardFirstKey CrossShard = "first_key" // sent whole to the first key's server, as nutcracker does
)

// OnFailure is what becomes of the keys of a server that has failed.
type OnFailure string

const (
	OnFailureRemap    OnFailure = "remap"     // they live on the others meanwhile, as with AutoEjectHosts, which says the same
	OnFailureFailFast OnFailure = "fail_fast" // they stay, and requests for them fail at once
	OnFailureHold     OnFailure = "hold"      // they stay, and requests for them wait, see FailoverWait
)

// MGetErrors is what happens to an MGET of which some servers failed.
type MGetErrors string

const (
	MGetErrorsAll    MGetErrors = "all"     // one error for the whole command
	MGetErrorsPerKey MGetErrors = "per_key" // an error element for each key of a failed server
)

// DrainPing is how a PING is answered from when a drain is announced.
type DrainPing string

const (
	DrainPingPong  DrainPing = "pong"  // as ever
	DrainPingError DrainPing = "error" // so that load balancers that send it see that they should send nobody
)

// Orphans is what workers do whose master was killed.
type Orphans string

const (
	OrphansAuto  Orphans = "auto"  // in a configuration only: one of the others
	OrphansServe Orphans = "serve" // and accept on
	OrphansDrain Orphans = "drain"
	OrphansWait  Orphans = "wait" // in a specification only: serve for a moment, in which the next master may come, then drain
)

// Spec is all that one worker needs to know: it reads no other file. The next master, perhaps of another build, reads it,
// too: a field keeps its name and its meaning.
type Spec struct {
	Critical        []string `json:",omitempty"` // names of fields that the reader must know, of fields in fields with dots between
	Generation      uint64
	Build           string // version of the binary, for INFO and version replies
	StartedAt       int64  `json:",omitempty"` // s since the epoch: when the service has started; 0: not known
	ConfigFile      string // absolute path; by it the next master knows its orphans
	ConfigHash      string `json:",omitempty"` // of what the file says; empty: not known
	Slot            int    // 0 ≤ Slot < Slots
	Slots           int
	CPU             int // the CPU that the worker is pinned to; -1 = not pinned
	Verbosity       int // 0 (emergencies only) to 11, as nutcracker's -v
	ReadBufferBytes int // size of the loop's one read buffer; 0 = the worker's default
	ShutdownTimeout time.Duration
	Orphans         Orphans
	MemoryLimit     int64         // bytes that clients and servers may make this worker hold; 0 = no limit
	Coalesce        time.Duration // longest sleep of a busy loop after it has written; 0 = never
	Statistics      string        `json:",omitempty"` // configured address of the statistics, for masters that take over; empty: none
	Control         string        `json:",omitempty"` // configured path of the admin socket, likewise
	LoggedRequests  int           `json:",omitempty"` // requests that a worker tells the log of in a second, at most; 0 = none
	LoggedSlow      int           `json:",omitempty"` // the same of slow ones
	KeySamples      int           `json:",omitempty"` // keys that are looked at in a second, about, to find those asked for most; 0 = none
	Clients         int           // that are expected to move here; room is made for them
	Takeover        bool          // do not accept before Serve: another generation still does
	Zone            string        `json:",omitempty"` // where this process is, as replicas are somewhere; empty: it does not matter
	Pools           []Pool        // in name order (shard.Less)
	Listeners       []Listener    // Listeners[i] is fd FDListen+i

	// Topology is where the servers of Pools were when this was written. The worker keeps the latest Spec that it was given, so
	// that the next master finds what the last one knew.
	Topology Topology
}

// Text returns the form in which a Spec travels.
func (s *Spec) Text() []byte {
	short := *s
	short.Pools = withoutPlaces(s.Pools)
	text, err := json.Marshal(&short)
	if err != nil {
		panic("link: " + err.Error()) // it consists of numbers and texts
	}
	return text
}

// ParseSpec reads a Spec. Fields that are not known are skipped, unless they are critical.
func ParseSpec(text []byte) (*Spec, error) {
	s := new(Spec)
	if err := decode(text, s); err != nil {
		return nil, fmt.Errorf("reading the specification of a worker: %w", err)
	}
	for i := range s.Pools {
		if s.Pools[i].IsCluster() {
			s.Pools[i].Servers = Places()
		}
	}
	return s, nil
}

// Listener is one inherited listening socket.
type Listener struct {
	Pool    int    // index into Spec.Pools
	Network string // "tcp" or "unix"
	Address string // the path, or the address in its one canonical form: with Network it tells the socket from all others
	Shared  bool   // other workers accept from the same socket (unix sockets, inherited sockets)
	TLS     bool   `json:",omitempty"` // its clients speak TLS, as Pool.TLS says
}

// IsAt tells whether two listeners have one address.
func (l *Listener) IsAt(other Listener) bool {
	return l.Network == other.Network && l.Address == other.Address
}

// Pool is one configured pool. Zero durations mean "no limit".
type Pool struct {
	Name               string
	Protocol           Protocol
	Hash               string // a name of shard/hash
	Distribution       string // a name of shard
	HashTag            string // two bytes, or empty
	Timeout            time.Duration
	ClientConnections  int // over all workers; 0 = no limit of its own
	ClientIdleTimeout  time.Duration
	ClientOutstanding  int   // requests of a client without a reply, beyond which it is not read
	ClientOutputSoft   int64 // bytes of unread replies of a client, beyond which it is not read
	ClientOutputHard   int64 // the same, beyond which it is closed
	SubscriberOutput   int64 // the same for one that has subscribed to something, if that is less
	MaxRequestBytes    int64 // of one request
	TCPKeepalive       bool
	Password           string   // redis_auth, or that of memcached_auth: required of clients, and sent to servers that have none of their own
	User               string   `json:",omitempty"` // that of memcached_auth
	ServerUser         string   `json:",omitempty"` // of ServerPassword; empty: the servers' default user
	ServerPassword     string   `json:",omitempty"` // sent to servers in place of Password; empty: they get that
	Users              []string `json:",omitempty"` // who may log in and what each may do, as acl.Parse reads it, without passwords; empty: who gives Password may do all
	DB                 int
	Databases          int // those below it may be selected by clients; ≤ 1: DB alone
	Preconnect         bool
	AutoEjectHosts     bool      // keys of a failed server live on the others meanwhile
	OnFailure          OnFailure `json:",omitempty"` // empty: what AutoEjectHosts says
	ServerConnections  int       // per worker and server, ≥ 1
	ServerRetryTimeout time.Duration
	ProbeInterval      time.Duration `json:",omitempty"` // between probes of a live server, of all workers together
	ServerRetryMax     time.Duration `json:",omitempty"` // the pause between probes doubles up to this; at most ServerRetryTimeout: it does not
	EjectLatency       int           `json:",omitempty"` // how many times longer than the others a server may take, before it is ejected; 0: any time
	EjectLatencyFloor  time.Duration `json:",omitempty"` // no server is ejected that takes less than this
	SlowStart          time.Duration `json:",omitempty"` // in which a server gets its keys that has come back; 0: it gets all at once
	Dedicated          int           // connections of a server that belong to one client each, over all workers
	ServerFailureLimit int
	SlowLog            time.Duration `json:",omitempty"` // requests that take so long are in the slow log; 0 = none
	FailoverWait       time.Duration // for how long requests wait for a server that is down
	CrossShard         CrossShard
	MGetErrors         MGetErrors
	DrainPing          DrainPing     `json:",omitempty"` // what PING is answered from when a drain is announced; empty: pong
	Deny               []string      `json:",omitempty"` // names of Redis commands and groups, see resp.Denied, that clients may not use
	Servers            []Server      // in name order (shard.Less)
	Sentinels          []string      `json:",omitempty"` // "host:port" of those who know where the servers are; none: the servers are where they are configured
	SentinelUser       string        `json:",omitempty"` // empty: the sentinels' default user
	SentinelPassword   string        `json:",omitempty"`
	SentinelPlaintext  bool          `json:",omitempty"` // sentinels are asked in plaintext, though ServerTLS is not nil
	ReadFrom           ReadFrom      `json:",omitempty"` // empty: ReadFromMaster
	MaxReplicaLag      time.Duration `json:",omitempty"` // by how much a replica that is read from may be behind; 0 = no limit
	ReadYourWrites     time.Duration `json:",omitempty"` // for how long after a write of a client its reads go to the primary
	Seeds              []string      `json:",omitempty"` // "host:port" of nodes of a Redis Cluster; Servers are Places then
	ServerTLS          *ServerTLS    `json:",omitempty"` // nil: servers are spoken to in plaintext
	TLS                *ClientTLS    `json:",omitempty"` // for the listeners that have TLS; nil: none has
}

// Discovers tells whether others are asked where the pool's servers are.
func (p *Pool) Discovers() bool { return len(p.Sentinels) > 0 || p.IsCluster() }

// Ejects tells whether failures of servers are counted, so that requests for one that has failed too often are not sent to it.
func (p *Pool) Ejects() bool { return p.Remaps() || p.FailsFast() }

// Remaps tells whether the keys of an ejected server live on the others.
func (p *Pool) Remaps() bool { return p.AutoEjectHosts || p.OnFailure == OnFailureRemap }

// FailsFast tells whether requests for an ejected server fail at once, instead of going to another one.
func (p *Pool) FailsFast() bool { return p.OnFailure == OnFailureFailFast }

// Sentinel is the network of a server that sentinels know: its address is the name by which they do.
const Sentinel = "sentinel"

// Server is one backend of a pool.
type Server struct {
	Name    string // by nutcracker's rule, see shard.ServerName
	Network string // "tcp", "unix", Sentinel or ClusterNode
	Address string // "host:port", a path, the name of a master, or empty
	Weight  int    // ≥ 1
	Zone    string `json:",omitempty"` // where it is

	Replicas []ReplicaAddress `json:",omitempty"` // whose addresses the configuration gives
}
