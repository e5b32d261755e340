// What the page is told, as JSON.

package live

import (
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
)

// Source is what the loop hands out for the page.
type Source struct {
	*metrics.View
	Phase       string
	Unready     string // why load balancers should send nobody; empty: they should
	Busy        string // what is under way; empty: nothing
	Generations []admin.GenerationStatus
	Last        *admin.HandoffStatus // nil: there was none
	Listens     []string             // by pool, as configured; shorter: not known
	Log         Log
	Config      func() []Section // makes what Config shows, beside the loop; nil: not known
}

// Log is the last lines of the log.
type Log struct {
	Lines []string `json:"lines"`
	Count uint64   `json:"count"` // of all lines there were
}

// Section is a part of the configuration: that of a pool, or "global".
type Section struct {
	Name string `json:"name"`
	Keys []Key  `json:"keys"`
}

// Key is a key of the configuration and its values.
type Key struct {
	Name    string   `json:"name"`
	Values  []string `json:"values"`
	Default bool     `json:"default,omitempty"` // the file does not set it
}

// State is the service at one moment.
type State struct {
	Now        int64  `json:"now"` // ms since the epoch
	Build      string `json:"build"`
	PID        int    `json:"pid"`
	StartedAt  int64  `json:"started"` // ms since the epoch
	Phase      string `json:"phase"`
	Unready    string `json:"unready,omitempty"`
	Busy       string `json:"busy,omitempty"`
	Generation uint64 `json:"generation"`
	ConfigHash string `json:"config_hash,omitempty"`

	Flow
	Connections uint64                   `json:"connections"`  // of clients, servers and listeners
	MemoryLimit int64                    `json:"memory_limit"` // of each worker, in bytes; 0: none
	MasterCPU   float64                  `json:"master_cpu"`   // of one CPU, 0 to 1
	MasterBytes int64                    `json:"master_bytes"` // resident
	Pools       []Pool                   `json:"pools"`
	Workers     []Worker                 `json:"workers"`
	Generations []admin.GenerationStatus `json:"generations"`
	Ending      []Certificate            `json:"ending,omitempty"` // certificates of which the end is near
}

// Certificate is one that a key of a pool names.
type Certificate struct {
	Pool string `json:"pool"`
	Key  string `json:"key"`
	File string `json:"file"`
	Ends int64  `json:"ends"` // ms since the epoch; before now: it has ended
}

// soon is how near the end of a certificate is that is told.
const soon = 30 * 24 * time.Hour

// Flow is what passes. Rates are per second since the read before; percentiles, in µs, are of about the last ten seconds, and 0
// without replies.
type Flow struct {
	Rate    float64 `json:"rate"`
	Errors  float64 `json:"errors"` // of servers, and of requests that reached none
	P50     int64   `json:"p50"`
	P99     int64   `json:"p99"`
	P999    int64   `json:"p999"`
	Clients uint64  `json:"clients"`
	Bytes   uint64  `json:"bytes"` // of requests that wait
}

// Pool is one pool.
type Pool struct {
	Name         string    `json:"name"`
	Protocol     string    `json:"protocol"`
	Listen       string    `json:"listen"`
	Distribution string    `json:"distribution"` // or "cluster"
	Refused      float64   `json:"refused"`      // commands per second
	Blocked      uint64    `json:"blocked"`      // clients
	Subscribers  uint64    `json:"subscribers"`
	Unaccepted   int       `json:"unaccepted"` // connections that wait to be accepted
	Dropped      float64   `json:"dropped"`    // attempts to connect for which there was no room, per second
	Total        int       `json:"total"`      // servers
	Live         int       `json:"live"`       // of them
	Usual        int64     `json:"usual"`      // the median of the p99 of those that are asked, in µs; 0: none is
	Servers      []Server  `json:"servers"`
	Shares       []float64 `json:"shares,omitempty"` // of all servers, if Servers are only some: see Brief
	Flow
}

// Server is one server of a pool, or a node of its cluster.
type Server struct {
	Index    int       `json:"index"` // among those of its pool
	Name     string    `json:"name"`
	Address  string    `json:"address"` // empty: not known
	Role     string    `json:"role"`
	State    string    `json:"state"`              // live, ejected, probing, failed or unknown
	Why      string    `json:"why,omitempty"`      // it is ejected
	Since    int64     `json:"since,omitempty"`    // likewise: ms since the epoch; 0: not known
	Stale    bool      `json:"stale,omitempty"`    // nobody says any more whether it is still there
	Share    float64   `json:"share"`              // of the keys of the pool, 0 to 1
	Starting float64   `json:"starting,omitempty"` // of its own keys, what it has, while it starts slowly
	Timeouts float64   `json:"timeouts"`           // per second
	Conns    uint64    `json:"conns"`
	Queued   uint64    `json:"queued"` // requests that wait to be sent
	Sent     uint64    `json:"sent"`   // requests that wait for their reply
	Held     uint64    `json:"held"`   // requests that wait for the server to come back
	Replicas []Replica `json:"replicas,omitempty"`
	Flow
}

// Replica is one that is read from if it is fit.
type Replica struct {
	Address string `json:"address"`
	Zone    string `json:"zone,omitempty"`
	State   string `json:"state"`
	LagMS   int64  `json:"lag_ms"`
}

// Worker is a slot of the generation that serves.
type Worker struct {
	Slot    int     `json:"slot"`
	PID     int     `json:"pid"` // 0: there is none
	Serves  bool    `json:"serves"`
	Age     int64   `json:"age"` // s
	CPU     float64 `json:"cpu"` // of one CPU, 0 to 1
	Clients uint64  `json:"clients"`
	Conns   uint64  `json:"conns"`
	Bytes   uint64  `json:"bytes"` // that it holds for clients and servers
	RSS     int64   `json:"rss"`
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
