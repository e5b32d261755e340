// A client as a worker tells the master of it, and which clients the master asks for.

package link

// ClientsQuestion says which clients are meant: those that all of this is true of. The zero value means all.
type ClientsQuestion struct {
	Pool    string   `json:"pool,omitempty"`     // its name
	IDs     []uint64 `json:"ids,omitempty"`      // one of these
	Address string   `json:"address,omitempty"`  // host:port, or a host alone
	Name    string   `json:"name,omitempty"`     // as CLIENT SETNAME has set it
	Command string   `json:"command,omitempty"`  // the last one, in lower case; of "client|list" also the part before the bar
	State   string   `json:"state,omitempty"`    // one of ClientStates
	MinIdle int64    `json:"min_idle,omitempty"` // seconds
	MinAge  int64    `json:"min_age,omitempty"`  // seconds

	Kill bool `json:"kill,omitempty"` // they are closed; their last states are told
}

// What a client does, the first of what is true of it.
const (
	ClientLeaving     = "leaving"
	ClientHalfClosed  = "half-closed"
	ClientHandshaking = "handshaking" // of TLS; or it has not begun that
	ClientPaused      = "paused"
	ClientBlocked     = "blocked"
	ClientMonitor     = "monitor"
	ClientSubscriber  = "subscriber"
	ClientTransaction = "transaction"
	ClientActive      = "active"
	ClientIdle        = "idle"
)

// ClientStates are all of them, the most usual first.
var ClientStates = []string{ClientActive, ClientIdle, ClientBlocked, ClientPaused, ClientSubscriber, ClientMonitor, ClientTransaction, ClientHandshaking, ClientHalfClosed, ClientLeaving}

// What a client has in place of a version of TLS.
const (
	TLSNone    = "no"  // it speaks plaintext
	TLSAwaited = "yes" // the version is not agreed on yet
)

// ClientState is a client as it is now. It is what pinion clients --json prints: a field keeps its name and its unit once it is released.
type ClientState struct {
	ID          uint64 `json:"id"` // the same in all workers and generations
	Pool        string `json:"pool"`
	Generation  uint64 `json:"generation"`
	Worker      int    `json:"worker"` // slot
	Address     string `json:"address"`
	Local       string `json:"local_address"` // where it has connected to
	TLS         string `json:"tls,omitempty"` // 1.2 or 1.3; TLSNone; TLSAwaited; left out: the worker is of an earlier build
	Name        string `json:"name"`
	User        string `json:"user,omitempty"` // who has logged in, or need not; left out: the pool has no users, or the client has not logged in
	Library     string `json:"library"`        // name and version, as CLIENT SETINFO has set them
	State       string `json:"state"`          // one of ClientStates
	AgeSeconds  int64  `json:"age_s"`
	IdleSeconds int64  `json:"idle_s"`  // since it has last sent something
	Command     string `json:"command"` // the last; empty: none to this worker
	Database    int    `json:"database"`
	Protocol    int    `json:"protocol"` // of Redis: 2 or 3; of memcached: 0
	Tracking    bool   `json:"tracking"` // CLIENT TRACKING is on

	Queue       int `json:"queue_requests"` // requests that it has no reply to
	QueueBytes  int `json:"queue_bytes"`    // their length
	UnsentBytes int `json:"unsent_bytes"`   // of them, those that are not yet written to a server
	InputBytes  int `json:"input_bytes"`    // of requests that are not complete, or wait
	OutputBytes int `json:"output_bytes"`   // of replies that it has not taken
	MemoryBytes int `json:"memory_bytes"`   // all that is held for it

	Subscriptions int `json:"subscriptions"` // channels, patterns and channels of shards
	Watched       int `json:"watched_keys"`
	Transaction   int `json:"transaction_requests"`  // -1: it is in none
	Dedicated     int `json:"dedicated_connections"` // server connections of its own
}
