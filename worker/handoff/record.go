// The records of clients that move: the old worker writes them into a memory file and the new one reads them. A record
// consists of protocol bytes and of what the client has told about itself; nothing in it depends on how a worker is built.

package handoff

// Record is one client, or a connection to a server that belongs to the client of a record before it. A client is owed no reply: all
// requests before Input are answered by Output, but for one that waits in a server, on such a connection.
type Record struct {
	Protocol string // that the client speaks
	Pool     string // the old worker's name for its pool, for log lines
	Network  string // of the listener that accepted it, as link.Listener has it
	Address  string

	Authenticated bool     // has given the password, or needed none
	User          string   // of those of the pool, who it is; empty: the pool has none, or the client is nobody yet
	Input         []byte   // received and not parsed; the kernel has what follows
	Output        [][]byte // not written yet: the concatenation; the kernel has what is before it
	Skip          uint64   // bytes of a refused request that are still to come, before the next request
	Rules         string   // of a client that does not move, what its user may do: the other worker says whether it may do as much there

	// Of a connection that is encrypted. Who writes them neither seals nor opens a record before it is settled who goes on.
	TLS       []byte   // the state of its record layer, as tlsrec writes it; empty: it is not encrypted
	TLSInput  []byte   // received and not opened: behind Input, when it is
	TLSUser   string   // of a client: the name in its certificate; empty: none
	Verified  uint32   // VerifiedCertificate, if a client has shown a certificate that is good
	TLSOutput [][]byte // sealed and not written: before Output, which is to be sealed; the concatenation

	Transaction *Transaction // between MULTI and EXEC; nil: not there
	Watch       *Watch       // keys that it watches; nil: none

	Name       string // set by CLIENT SETNAME
	LibName    string
	LibVersion string

	RESP    uint32 // version of the Redis protocol that it is answered in, if not 2
	HasDB   bool   // has selected DB, another database than the one that its pool had
	DB      uint32
	Reply   Reply  // which replies it wants
	Dialect uint32 // of the protocol: 0, or DialectBinary

	Connections uint32 // of a client: so many of the records behind this one are connections of its own; their descriptors follow its

	// Of a connection: Network and Address are where the server is, and Input is the part of a reply that has come.
	Purposes uint32 // what the client needs it for; 0: this is a client
	Server   string // its name in the pool
	Waiting  string // the command that waits in the server, whose reply is still to come; empty: none does
	Key      string // the first key of that
	Request  []byte // that, as the client has sent it; empty: it is too long, or from a build that does not say
	Patience uint64 // ms: for how much longer the server lets it wait; 0: without an end, or unknown
	Number   uint64 // of the connection among the server's clients; 0: unknown

	// What the client has subscribed to: of a connection, what that holds; of the client, what no connection of its holds.
	Subscriptions []Subscription

	Monitoring uint32 // Monitors, or 0

	Tracking []byte // the CLIENT TRACKING ON that it has said, one after the other
	Caching  bool   // CLIENT CACHING was the last thing that it said, or the last before its transaction

	ID         uint64
	IdleMillis uint64 // since the client last sent or received something
	AgeMillis  uint64 // since it has connected; 0: unknown
	FrozenAt   int64  // ns, CLOCK_MONOTONIC: since when no worker serves it
}

// Reply is which replies a client wants, by CLIENT REPLY.
type Reply uint32

const (
	ReplyOn   Reply = 0 // all
	ReplyOff  Reply = 1 // none
	ReplySkip Reply = 2 // none to its next request
)

// MaxNameBytes bounds each of Name, LibName and LibVersion. A longer one, from a build that did not bound them, is left out.
const MaxNameBytes = 1 << 10

// Monitors is what Record.Monitoring says of a client that has said MONITOR: one of its connections tells what the server is asked.
const Monitors = 1

// VerifiedCertificate is what Record.Verified says of a client that has shown a good certificate.
const VerifiedCertificate = 1

// DialectBinary is the binary protocol of memcached.
const DialectBinary = 1
