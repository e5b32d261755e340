// Liveness: whether a server may be given keys, as one word that all workers share.

package shard

import (
	"fmt"
	"math"
)

// State is what a Liveness says of its server.
type State uint8

// The numbers are in memory that other builds read: each stays what it is.
const (
	Live    State = 0 // on the ring
	Ejected State = 1 // off the ring until its retry time
	Probing State = 2 // still off the ring; one worker tries it, until its lease runs out
)

var stateNames = [...]string{Live: "live", Ejected: "ejected", Probing: "probing"}

// String returns the state in one lower-case word.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// legal[from][to] holds for the edges of the machine. Counting failures is not an edge: the state stays.
//
//	  Eject; Fail, at the limit        Claim
//	live ───────────────────► ejected ───────► probing ──┐ Claim, if the
//	 ▲                           ▲              │ │ ▲    │ lease ran out
//	 │                           └─── Reject ───┘ │ └────┘
//	 └───────────────── Readmit ──────────────────┘
var legal = [...][len(stateNames)]bool{
	Live:    {Ejected: true},
	Ejected: {Probing: true},
	Probing: {Probing: true, Ejected: true, Live: true},
}

// Liveness is the state of one server: the State in the upper 16 bits, in the lower 48 the consecutive failures of a
// live server, or the millisecond until which another is ejected or probed. The zero value is live without failures.
//
// Its methods are pure and return the word to follow. The caller swaps that in by compare-and-swap against the word it
// asked; if this fails, someone else was faster and the caller asks again with the new word. Only he who swapped an
// ejection or a claim in acts on it. Milliseconds are of a monotonic clock that all callers share.
//
// A word that no method returns, as only a damaged mapping holds, counts as live without failures, or as due for a
// probe if it names an impossible time: a healthy server comes back, a broken one is found out again.
type Liveness uint64

const (
	livenessStateShift = 48
	livenessMaxPayload = 1<<livenessStateShift - 1

	// livenessMaxAheadMillis bounds how far ahead a retry or a lease can lie, and so tells times from garbage. It is
	// the greatest server_retry_timeout that twemproxy accepts.
	livenessMaxAheadMillis = 1<<31 - 1
)

func newLiveness(s State, payload int64) Liveness {
	return Liveness(s)<<livenessStateShift | Liveness(min(max(payload, 0), livenessMaxPayload))
}

// State returns the state of the server.
func (l Liveness) State() State {
	if s := l >> livenessStateShift; s < Liveness(len(stateNames)) {
		return State(s)
	}
	return Live
}

// Alive reports whether the server is on the ring.
func (l Liveness) Alive() bool { return l.State() == Live }

// Failures returns the consecutive failures of a live server, and 0 for others.
func (l Liveness) Failures() int {
	if l>>livenessStateShift != Liveness(Live) {
		return 0
	}
	return int(min(l&livenessMaxPayload, math.MaxInt32))
}

// until returns the end of an ejection or of a probe's lease; now itself if the word names an impossible time.
func (l Liveness) until(now int64) int64 {
	t := int64(l & livenessMaxPayload)
	if t > now+livenessMaxAheadMillis {
		return now
	}
	return t
}

// become returns the word of state to. It panics if no edge leads there, which only a mistaken caller can bring about:
// every word decodes to a state.
func (l Liveness) become(to State, payload int64) Liveness {
	if from := l.State(); !legal[from][to] {
		panic(fmt.Sprintf("shard: liveness cannot go from %v to %v", from, to))
	}
	return newLiveness(to, payload)
}

// Fail counts a failure of the server. At the limit the server is ejected for retryMillis, and ejected is true. Late
// failures of a server that is not live change nothing.
func (l Liveness) Fail(now int64, limit int, retryMillis int64) (next Liveness, ejected bool) {
	if !l.Alive() {
		return l, false
	}
	if failures := int64(l.Failures()) + 1; failures < int64(limit) {
		return newLiveness(Live, failures), false
	}
	return l.Eject(now, retryMillis)
}

// Eject ejects a live server for retryMillis, whatever its failures; ok is false if it is not live: then nothing changes.
func (l Liveness) Eject(now, retryMillis int64) (next Liveness, ok bool) {
	if !l.Alive() {
		return l, false
	}
	return l.become(Ejected, ahead(now, retryMillis)), true
}

// Succeed forgets the failures of a live server; changed is false if there were none. Late successes of a server that
// is not live change nothing: a probe decides.
func (l Liveness) Succeed() (next Liveness, changed bool) {
	if l.Failures() == 0 {
		return l, false
	}
	return newLiveness(Live, 0), true
}

// Claim asks to probe the server, for leaseMillis. It is ok if the server is ejected and its time has come, or if the
// lease of another prober ran out. Once the word is swapped in, the caller must probe, and then swap Readmit or Reject
// of that very word in; should it die, the lease lets another one try.
func (l Liveness) Claim(now, leaseMillis int64) (next Liveness, ok bool) {
	if l.Alive() || now < l.until(now) {
		return l, false
	}
	return l.become(Probing, ahead(now, max(leaseMillis, 1))), true
}

// Hasten has an ejected server be probed now: it is another one. Others stay what they are.
func (l Liveness) Hasten(now int64) Liveness {
	if l.State() != Ejected {
		return l
	}
	return newLiveness(Ejected, min(now, l.until(now)))
}

// Readmit returns a server that was probed well to the ring. It panics if l is not the word of a probe.
func (l Liveness) Readmit() Liveness { return l.become(Live, 0) }

// Reject keeps a server that was probed badly off the ring for another retryMillis. It panics if l is not the word of a
// probe.
func (l Liveness) Reject(now, retryMillis int64) Liveness {
	if l.Alive() {
		panic("shard: liveness cannot go from live to ejected by a probe") // the edge is Fail's
	}
	return l.become(Ejected, ahead(now, retryMillis))
}

// RetryAt returns the earliest millisecond at which Claim can succeed; ok is false for a live server.
func (l Liveness) RetryAt(now int64) (ms int64, ok bool) {
	if l.Alive() {
		return 0, false
	}
	return l.until(now), true
}

// String describes the word for logs: "live", "live after 1 failure", "ejected until 2000 ms".
func (l Liveness) String() string {
	switch {
	case !l.Alive():
		return fmt.Sprintf("%v until %d ms", l.State(), uint64(l&livenessMaxPayload))
	case l.Failures() == 1:
		return "live after 1 failure"
	case l.Failures() > 1:
		return fmt.Sprintf("live after %d failures", l.Failures())
	}
	return "live"
}

// ahead returns the millisecond that lies millis after now, within what until believes.
func ahead(now, millis int64) int64 {
	return now + min(max(millis, 0), livenessMaxAheadMillis)
}
