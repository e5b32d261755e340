// What the loop hands out for one scrape.

package metrics

import (
	"time"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// View is the service at one moment. Nothing in it changes, but the words that the workers count in.
type View struct {
	Build        string
	PID          int // of the master
	StartedAt    time.Time
	Ready        bool      // clients are taken
	Ending       bool      // Pinion has been asked to end
	DrainAt      time.Time // when it takes clients no more; zero: it was not asked to end
	DrainUntil   time.Time // when the last clients are cut off; zero: likewise, or they are not
	Generation   uint64    // the one that serves
	ConfigHash   string    // of its configuration; empty: not known
	Counts       *totals.Whole
	Topology     link.Topology
	Sentinels    [][]Sentinels // by pool and server; none: the pool has no sentinels
	Workers      []Worker      // of the generation that serves
	Queues       []AcceptQueue // of its pools
	Retired      int           // workers of earlier generations, which still have clients
	MemoryLimit  int64         // bytes of each worker; 0: none
	Descriptors  int           // that a process may have; 0: not known
	Tally        map[string]uint64
	Last         *Handoff      // nil: there was none
	Certificates []Certificate // of the configuration

	Release func() // is called when the memory is not read any more
}

// Sentinels is how many sentinels are asked where a server is, and how many of these name its address.
type Sentinels struct{ Asked, Agree int }

// Worker is a slot of the generation that serves.
type Worker struct {
	Slot   int
	PID    int       // 0: there is no process
	BornAt time.Time // zero: likewise
	Serves bool
}

// EverySlot is the slot of sockets from which all workers accept.
const EverySlot = -1

// AcceptQueue is who waits to be accepted by the worker of a slot, or by any.
type AcceptQueue struct {
	Pool string
	Slot int // or EverySlot
	sock.AcceptQueue
}

// Certificate is what a key of a pool names.
type Certificate struct {
	Pool, Key, File string
	Ends            time.Time
}

// Handoff is the last reload or upgrade.
type Handoff struct {
	At           time.Time
	Took         time.Duration
	LongestPause time.Duration // of a client that was moved
	Done         bool          // it has not failed, and is not under way
}

// Keys of View.Tally: what a master counts itself, and its successor goes on counting.
const (
	ReloadsDone    = "reloads done"
	ReloadsFailed  = "reloads failed"
	UpgradesDone   = "upgrades done"
	UpgradesFailed = "upgrades failed"
	Moved          = "clients moved"
	Stragglers     = "stragglers"
	Closed         = "clients closed"
	Lost           = "clients lost"
	MovedBytes     = "bytes moved"
	Deaths         = "deaths of workers"
)
