// The status: what the master tells of itself, its generations and its last handoff. Tools read it as JSON; a field
// keeps its name and its unit once it is released.

package admin

import (
	"encoding/json"
	"fmt"
	"time"
)

// Status is the answer to "how are you?".
type Status struct {
	Build         string    `json:"build"`
	PID           int       `json:"pid"`
	PIDNamespace  uint64    `json:"pid_namespace,omitempty"` // in which pids of this status mean something: inode of /proc/PID/ns/pid
	Keeper        int       `json:"keeper,omitempty"`        // pid of the process that was started first and stays; 0: none
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Phase         string    `json:"phase"`      // starting, serving, about to drain, draining, stopping
	Generation    uint64    `json:"generation"` // the one that serves
	ConfigFile    string    `json:"config_file"`
	ConfigHash    string    `json:"config_hash,omitempty"` // of the configuration that serves, see pinion_config_info; left out: not known
	Control       string    `json:"control"`               // path of the admin socket

	ControlReading string `json:"control_reading,omitempty"` // of the one for reading; left out: there is none

	CPUsNow *CPUStatus `json:"cpus_now,omitempty"` // nil: as the generation that serves has found them

	Generations []GenerationStatus `json:"generations"`     // that which serves, that which is to follow it, those that drain
	Pools       []PoolStatus       `json:"pools"`           // of the generation that serves
	Drain       *DrainStatus       `json:"drain,omitempty"` // nil: pinion was not asked to end
	Last        *HandoffStatus     `json:"last,omitempty"`  // nil: there was none
	Busy        string             `json:"busy,omitempty"`  // what is under way; empty: nothing
	Log         *LogStatus         `json:"log,omitempty"`   // nil: of a version that does not tell

	IdleSockets []IdleSocket `json:"idle_sockets,omitempty"` // that systemd passes, and at which no pool listens

	SharedWith []ProgramStatus `json:"shared_with,omitempty"` // who accepts from the same sockets

	Certificates []CertificateStatus `json:"certificates,omitempty"` // that the configuration of that generation names
}

// ProgramStatus is a program that is none of this Pinion's processes.
type ProgramStatus struct {
	PID  int    `json:"pid"`
	Name string `json:"name,omitempty"` // of the process; left out: not known
}

// IdleSocket is a listening socket of a socket unit to which clients may come, though nobody accepts them.
type IdleSocket struct {
	Address string `json:"address"`
	Unit    string `json:"unit"` // as it calls its sockets: FileDescriptorName=, by default its own name
}

// String says what the operator sees of it, and can do.
func (s IdleSocket) String() string {
	return fmt.Sprintf("%s passes %s, at which no pool listens: who connects there waits for ever; have a pool listen there, or take it out of %[1]s and restart that together with pinion",
		s.Unit, s.Address)
}

// CertificateStatus is a certificate that a key of a pool names.
type CertificateStatus struct {
	Pool string    `json:"pool"`
	Key  string    `json:"key"` // server_tls_ca, server_tls_cert
	File string    `json:"file"`
	Name string    `json:"name"` // whose it is; of several authorities that of the first
	Ends time.Time `json:"ends"` // of a chain the first that does, of several authorities the last
}

// LogStatus is what the log has, and where it goes.
type LogStatus struct {
	Level int    `json:"level"` // 0 to 11
	File  string `json:"file"`  // empty: stderr
}

// DrainStatus is a drain that was asked for.
type DrainStatus struct {
	Since time.Time `json:"since"`          // when it was asked for
	At    time.Time `json:"at"`             // when clients are taken no more: until then it is announced
	Until time.Time `json:"until,omitzero"` // when the last clients are cut off; left out: they are not
}

// GenerationStatus is one generation that has workers, or is to have them.
type GenerationStatus struct {
	Number  uint64         `json:"number"`
	Build   string         `json:"build"`
	State   string         `json:"state"`          // serving; next, until it serves; retired, while its last clients leave
	Left    bool           `json:"left,omitempty"` // by an earlier master, which was killed
	CPUs    *CPUStatus     `json:"cpus,omitempty"` // when it was made; nil: not known
	Workers []WorkerStatus `json:"workers"`
}

// CPUStatus is what workers may use.
type CPUStatus struct {
	Count int     `json:"count"`           // CPUs that they may run on; 0: not known
	Quota float64 `json:"quota,omitempty"` // CPUs in terms of time; 0: as many as there are
}

func (c *CPUStatus) String() string {
	of := fmt.Sprintf("%d CPUs", c.Count)
	switch {
	case c.Count == 0:
		of = "unknown CPUs"
	case c.Count == 1:
		of = "1 CPU"
	}
	if c.Quota > 0 {
		return fmt.Sprintf("quota %.3g of %s", c.Quota, of)
	}
	return of
}

// WorkerStatus is one slot of a generation.
type WorkerStatus struct {
	Slot        int    `json:"slot"`
	PID         int    `json:"pid,omitempty"` // left out where there is no process: 0 would mean a process group to kill(1)
	CPU         int    `json:"cpu"`           // -1: not pinned
	State       string `json:"state"`         // vacant, starting, serving, draining, dying, waiting, prepared, giving, hung
	AgeSeconds  int64  `json:"age_seconds"`
	Connections uint64 `json:"connections"` // clients now

	// Left out: not known.
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`       // that clients and servers make it hold
	MemoryLimit     int64  `json:"memory_limit_bytes,omitempty"` // of that; 0: none
	Descriptors     uint64 `json:"descriptors,omitempty"`        // open, about
	DescriptorLimit int    `json:"descriptor_limit,omitempty"`

	Died *DeathStatus `json:"died,omitempty"` // nil: no worker of this slot and generation has died
}

// DeathStatus is of workers of a slot that have died, though nobody had told them to end. The present one has taken their place.
type DeathStatus struct {
	Times int       `json:"times"`
	At    time.Time `json:"at"`  // of the last one
	How   string    `json:"how"` // it ended, such as "signal: killed"
}

// PoolStatus is what one pool has done since the start of the service, generations before this one included.
type PoolStatus struct {
	Name    string         `json:"name"`
	Listen  string         `json:"listen"`
	Clients uint64         `json:"clients"`                // now
	Limit   int            `json:"client_limit,omitempty"` // client_connections; left out: none
	Servers []ServerStatus `json:"servers"`

	AcceptQueue *AcceptQueueStatus `json:"accept_queue,omitempty"` // left out: it is not known, as of unix sockets

	Sentinels []SentinelStatus `json:"sentinels,omitempty"` // that know where its servers are

	MemoryClosed *MemoryClosedStatus `json:"memory_closed,omitempty"` // nil: of late no client was closed for memory_limit

	FailingHandshakes *FailingHandshakesStatus `json:"failing_handshakes,omitempty"` // nil: of late one was done, or hardly one has failed

	// NotListening are the slots whose workers do not hear those who connect, since listening sockets are missing.
	NotListening []int `json:"not_listening,omitempty"`

	// Socket is the inode of the listening socket that the proxy leaves to another program, see pinion give-back. 0: there is none.
	Socket uint64 `json:"socket,omitempty"`
}

// MemoryClosedStatus is of clients that were closed since memory_limit was near or reached.
type MemoryClosedStatus struct {
	Clients uint64    `json:"clients"` // since the first after a minute without any
	LastAt  time.Time `json:"last_at"` // a minute ago at most
}

// FailingHandshakesStatus is of handshakes of TLS with clients, of which none was done of late.
type FailingHandshakesStatus struct {
	Failed uint64    `json:"failed"`  // since the last that was done, or the first after some minutes without any
	Cause  string    `json:"cause"`   // of most of them: the counter that has them, such as client_tls_refused
	LastAt time.Time `json:"last_at"` // some minutes ago at most
}

// AcceptQueueStatus is who has connected to a pool, and waits for a worker to accept: of all its sockets together.
type AcceptQueueStatus struct {
	Waiting int    `json:"waiting"` // connections
	Limit   int    `json:"limit"`   // of them
	Dropped uint64 `json:"dropped"` // attempts to connect since the sockets were opened, as there was no room
}

// ServerStatus is one server of a pool. A latency is the time from when a request was queued for the server to its reply;
// the p-th percentile of all replies is at most an eighth less than what is told, and 0 if there are none.
type ServerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"` // empty: not known yet
	State   string `json:"state"`   // live; down: not ejected, but the last attempts to use it have failed; ejected; probing: ejected, and being asked whether it answers again; unknown, without an address

	Connections uint64 `json:"connections"` // now, of all workers
	Requests    uint64 `json:"requests"`
	EOF         uint64 `json:"eof"`      // connections that the server has closed
	Errors      uint64 `json:"errors"`   // connections that have failed, or could not be made
	Timeouts    uint64 `json:"timeouts"` // as server_timedout of the statistics
	Queue       uint64 `json:"queue"`    // requests now that wait to be sent to it, or for its reply

	CertificateEnds time.Time `json:"certificate_ends,omitzero"` // as it was last shown; left out: none was, or the pool has no server_tls

	Down     *DownStatus     `json:"down,omitempty"`     // nil: its state is another one
	Refuses  *RefusesStatus  `json:"refuses,omitempty"`  // nil: it has refused nothing of late
	Ejected  *EjectedStatus  `json:"ejected,omitempty"`  // nil: it is live
	Starting *StartingStatus `json:"starting,omitempty"` // nil: it is not live, or has all its keys
	Followed *FollowedStatus `json:"followed,omitempty"` // nil: no sentinel is asked where the server is
	Node     *NodeStatus     `json:"node,omitempty"`     // nil: the server is no node of a cluster
	Replicas []ReplicaStatus `json:"replicas,omitempty"` // of the server, or of a primary of a cluster; left out where all is read from the master

	P50US  int64 `json:"p50_us"`
	P99US  int64 `json:"p99_us"`
	P999US int64 `json:"p99_9_us"`
}

// DownStatus is why a server cannot be used that is not ejected, as the workers have found it: nobody asks it but for the sake of requests.
type DownStatus struct {
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`           // as that of EjectedStatus
	LastAt time.Time `json:"last_tried_at"` // when that was last found
}

// RefusesStatus is what a server answers to some requests in place of serving them.
type RefusesStatus struct {
	Why    string    `json:"why"`           // as that of EjectedStatus
	LastAt time.Time `json:"last_at"`       // a minute ago at most
	All    bool      `json:"all,omitempty"` // every request gets that answer, whatever it asks
}

// EjectedStatus is why a server is ejected.
type EjectedStatus struct {
	Since  time.Time `json:"since,omitzero"` // left out: not known
	Why    string    `json:"why"`            // as last found, in words of link.Trouble: connection refused, no answer in time, and others
	Probes int       `json:"probes"`         // that have failed, 255 at most, but for those that have found it loading
	NextMS int64     `json:"next_probe_ms"`  // ms until the next one; 0: one is under way or due
}

// StartingStatus is how far a server is that has come back, and gets its keys little by little.
type StartingStatus struct {
	Percent int   `json:"percent"` // of its keys that it has
	LeftMS  int64 `json:"left_ms"` // ms until it has all
}

// FollowedStatus is what sentinels say of a server that fails over.
type FollowedStatus struct {
	Master  string    `json:"master"`            // the name by which they know it
	Role    string    `json:"role"`              // of the address: primary
	Epoch   uint64    `json:"epoch"`             // of the failover that has led to the address
	MovedAt time.Time `json:"moved_at,omitzero"` // when it was last found at another address; left out: never since it is followed
	Stale   bool      `json:"stale"`             // no sentinel answers: it was there when one did

	// Of that move.
	MovedFrom  string    `json:"moved_from,omitempty"`
	SaidAt     time.Time `json:"said_at,omitzero"`     // when a sentinel first named the address; left out: the servers themselves did earlier
	SwitchedAt time.Time `json:"switched_at,omitzero"` // when the last worker had left the former one; left out: not known
}

// ReplicaStatus is what was last found of a replica.
type ReplicaStatus struct {
	Address string `json:"address"`
	Zone    string `json:"zone,omitempty"`
	State   string `json:"state,omitempty"`  // left out: nothing is known of it; fit, or why nothing is read from it: silent, loading, syncing, link down, no replica, follows another, behind, lag unknown, refuses, unknown
	LagMS   int64  `json:"lag_ms,omitempty"` // by how many ms its data was behind; left out: none, or that is not known
}

// SentinelStatus is what is known of a sentinel that is asked.
type SentinelStatus struct {
	Address     string        `json:"address"`
	State       string        `json:"state"`                 // answers, disagrees, silent
	Configured  bool          `json:"configured"`            // else other sentinels have told of it
	Counts      bool          `json:"counts"`                // what it says; that of one that is not configured if most of those name it that are
	SilentSince time.Time     `json:"silent_since,omitzero"` // when it answered last, or was first asked
	Error       string        `json:"error,omitempty"`       // why it is silent
	Masters     []NamedStatus `json:"masters,omitempty"`     // what it says; none: it is silent
}

// NamedStatus is what a sentinel says of a master.
type NamedStatus struct {
	Master    string `json:"master"`
	Address   string `json:"address,omitempty"` // left out: it says nothing of it
	Epoch     uint64 `json:"epoch"`
	Disagrees bool   `json:"disagrees,omitempty"` // Pinion goes to another address, as more or later ones say
	Error     string `json:"error,omitempty"`     // why it says nothing
}

// Values of SentinelStatus.State.
const (
	SentinelAnswers   = "answers"
	SentinelDisagrees = "disagrees" // it answers, and names another address for a master than Pinion goes to
	SentinelSilent    = "silent"
)

// NodeStatus is what the nodes of a cluster say of one of them.
type NodeStatus struct {
	ID         string    `json:"id"`
	Role       string    `json:"role"`                 // primary, replica
	Of         string    `json:"of,omitempty"`         // of a replica: the address of its primary
	Slots      int       `json:"slots"`                // how many it has
	Ranges     []string  `json:"ranges,omitempty"`     // which, as "FIRST-LAST"
	Epoch      uint64    `json:"epoch"`                // of its configuration
	MovedAt    time.Time `json:"moved_at,omitzero"`    // when it was found to be a primary in place of another; left out: never since it is followed
	SwitchedAt time.Time `json:"switched_at,omitzero"` // when the last worker had gone there then; left out: not known
	Failed     bool      `json:"failed"`               // the cluster says that it does not work
	Stale      bool      `json:"stale"`                // no node answers: so it was when one did
}

// HandoffStatus is how a reload or an upgrade went.
type HandoffStatus struct {
	Kind       string    `json:"kind"`       // reload, upgrade
	Generation uint64    `json:"generation"` // the one that it made
	Build      string    `json:"build"`      // of that generation
	At         time.Time `json:"at"`         // when it began
	Outcome    string    `json:"outcome"`    // done, failed, under way
	Reason     string    `json:"reason,omitempty"`

	Moved      int   `json:"moved"`      // clients that the new workers have
	Stragglers int   `json:"stragglers"` // clients that were still in the old workers when the new ones took over
	Closed     int   `json:"closed"`     // clients that the new configuration has no place for
	Lost       int   `json:"lost"`       // clients of workers that died, or had to be killed, meanwhile
	Bytes      int64 `json:"bytes"`      // of state that travelled

	LostReason string `json:"lost_reason,omitempty"` // why those died

	Kept int `json:"-"` // clients that had moved and could not come back yet

	LongestPause time.Duration `json:"-"` // of one client that was moved; longest_pause_us
	Took         time.Duration `json:"-"` // took_us
}

// Values of HandoffStatus.Outcome.
const (
	HandoffDone     = "done" // the new generation serves
	HandoffFailed   = "failed"
	HandoffUnderWay = "under way"
)

// handoffJSON is HandoffStatus as it travels: durations are whole microseconds there, and their names say so.
type handoffJSON struct {
	plainHandoff
	LongestPauseUS int64 `json:"longest_pause_us"`
	TookUS         int64 `json:"took_us"`
}

type plainHandoff HandoffStatus // without its methods

// MarshalJSON returns the form of handoffJSON.
func (h HandoffStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(handoffJSON{plainHandoff(h), h.LongestPause.Microseconds(), h.Took.Microseconds()})
}

// UnmarshalJSON reads the form of handoffJSON.
func (h *HandoffStatus) UnmarshalJSON(b []byte) error {
	var wire handoffJSON
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	*h = HandoffStatus(wire.plainHandoff)
	h.LongestPause = time.Duration(wire.LongestPauseUS) * time.Microsecond
	h.Took = time.Duration(wire.TookUS) * time.Microsecond
	return nil
}
