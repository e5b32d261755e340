// What master and workers say to each other about a handoff, see package worker/handoff for what two workers say.

package link

import (
	"encoding/json"
	"fmt"
	"time"
)

// ReadyBody comes with Ready.
type ReadyBody struct {
	Unreachable []Unreachable `json:"unreachable,omitempty"` // as many as fit into the message
}

// Unreachable is a server that a worker could not connect to, or that refused AUTH or SELECT.
type Unreachable struct {
	Pool   string `json:"pool"`
	Server string `json:"server"`
	Error  string `json:"error"`

	Address    string `json:"address,omitempty"`     // where it was sought, if that may change
	PasswordAt string `json:"password_at,omitempty"` // its address, if it wants a password and the pool has none
}

// PeerBody comes with Peer and its one descriptor: the link to a worker of another generation, for clients to move to or
// from.
type PeerBody struct {
	Slot  int `json:"slot"`            // of the other worker
	Share int `json:"share,omitempty"` // of the clients that it is to get, in proportion to what the others have; 0 = 1

	// Generation is the other worker's, where it is not the one before or after this worker's; 0: it is.
	Generation uint64 `json:"generation,omitempty"`
}

// MoveClientsBody comes with MoveClients.
type MoveClientsBody struct {
	Patience time.Duration `json:"patience"` // until clients that are still owed replies are called stragglers
}

// InquireBody may come with Inquire: it names the servers that are meant, which are connected to if they are not.
type InquireBody struct {
	Servers []ServerIndex `json:"servers"`
}

// ServerIndex names a server by its place in the specification of the worker that is asked.
type ServerIndex struct {
	Pool   int `json:"pool"`
	Server int `json:"server"`
}

// FinishBody comes with Finish.
type FinishBody struct {
	Deadline time.Duration `json:"deadline"` // from now until the worker ends; 0 = when the last client is gone
}

// AnnounceBody comes with Announce. The latest one counts.
type AnnounceBody struct {
	Revoked bool          `json:"revoked,omitempty"` // there will be no drain; the rest does not count
	Shed    time.Duration `json:"shed,omitempty"`    // from now until the first clients that are idle are closed
	Over    time.Duration `json:"over,omitempty"`    // the time over which they are closed in portions; 0 = none is before the drain
}

// OrphanBody comes with Orphan.
type OrphanBody struct {
	Draining bool          `json:"drains,omitempty"` // it accepts no more clients, and ends when the last one is gone
	Left     time.Duration `json:"left,omitempty"`   // until it ends in any case; 0 = it has no deadline

	// Moving: it moves its clients to another generation, forward or back, and accepts none until it is told otherwise.
	Moving bool `json:"gives,omitempty"`
}

// ListenBody comes with Listen and its one descriptor, and with Unlisten.
type ListenBody struct {
	Listener Listener `json:"listener"`
	For      int      `json:"for,omitempty"` // 1 + the slot whose worker does not accept from it at present; 0: it stays
}

// RemovedBody comes with Removed. As many of these messages as are needed come before MoveClients and Finish; Resume revokes
// them.
type RemovedBody struct {
	Pools []int `json:"pools"` // of which all addresses are: indexes into Spec.Pools; at most MaxRemoved

	Listeners []Listener `json:"listeners,omitempty"` // at single addresses of other pools: Network and Address; at most MaxRemovedListeners
}

// MaxRemoved is how many indexes fit into a message, and MaxRemovedListeners how many addresses, whatever they are.
const (
	MaxRemoved          = 500
	MaxRemovedListeners = 8
)

// LentBody comes with Lent, and with one descriptor for each listener.
type LentBody struct {
	Listeners []Listener `json:"listeners"` // pools are those of the worker's own specification
	More      bool       `json:"more"`      // another Lent follows
}

// MaxLent is how many listeners one Lent brings: what describes them must fit, too.
const MaxLent = 16

// ClientsMovedBody comes with ClientsMoved: all clients have moved, are closed, or are stragglers.
type ClientsMovedBody struct {
	Moved        int           `json:"moved"`
	Stragglers   int           `json:"stragglers"`    // still here
	Closed       int           `json:"closed"`        // they had no listener in the other configuration
	Bytes        int64         `json:"bytes"`         // of their records
	LongestPause time.Duration `json:"longest_pause"` // of one client that was moved
	Reason       string        `json:"reason"`        // why stragglers could not be moved; empty = they are owed replies

	Starved bool `json:"starved,omitempty"` // some could not move, since the other generation had no descriptors or no memory
}

// PeerFailedBody comes with PeerFailed: the worker in that slot of the other generation is dead, does not answer, or cannot
// be reached.
type PeerFailedBody struct {
	Slot   int    `json:"slot"`
	Hung   bool   `json:"hung"` // lives, but does not answer
	Reason string `json:"reason"`

	Unjoined bool `json:"unjoined,omitempty"` // the link of a Peer message could not be used at all
	Lost     int  `json:"lost,omitempty"`     // clients that may have ended with it
	Gone     bool `json:"gone,omitempty"`     // its process has ended, or has closed the link

	Generation uint64 `json:"generation,omitempty"` // as in PeerBody
}

// Body returns the wire form of a body. Bodies are small, see ReadyBody; one that does not fit is a programming error.
func Body(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("link: " + err.Error())
	}
	return b
}

// ParseBody reads a body into v. Fields that the receiver does not know are ignored, unless the body names them as critical,
// and those that the sender did not know stay zero: master and worker can be of different versions after an upgrade.
func ParseBody(m Message, v any) error {
	if len(m.Body) == 0 {
		return nil
	}
	if err := decode(m.Body, v); err != nil {
		return fmt.Errorf("reading worker-link message %d: %w", m.Kind, err)
	}
	return nil
}
