// One worker's end of the connection to another: who may say what when, and to whom a batch belongs.

package handoff

import (
	"fmt"
	"slices"
	"time"
)

const (
	// MaxInFlight is how many batches one side may have offered that are not taken yet.
	MaxInFlight = 4
	// Patience is how long the other side may take for an answer, before it is taken to hang.
	Patience = 3 * time.Second
)

// Hands carry out what a Link decides. They are called in the course of the Link's own methods, and must call none of
// those back, but for Sent, later.
type Hands interface {
	// Send writes m and returns true, or keeps it, writes it later, in order, and then calls Sent. An OFFER goes with its
	// descriptors. What can no more be written is dropped.
	Send(m Message) (written bool)
	// Failed is told that nothing more can be given to the other side, and why. It may be told so several times.
	Failed(reason string)

	// To who gives.

	// Keep serves those clients of a batch again that the other side does not take; all of them where verdicts is nil. An
	// OFFER or a COMMIT of theirs that is not written yet never will be.
	Keep(batch uint32, verdicts []Verdict)
	// Release forgets those that it takes: COMMIT is written.
	Release(batch uint32)
	// Served is told that they are served there, or are about to be, and for how long nobody did; 0: that is not known.
	Served(batch uint32, pause time.Duration)
	// Lost is told that the other side is dead, and has not said that it served them.
	Lost(batch uint32)

	// To who takes.

	// Judge looks at what came with an OFFER and returns a verdict on each. What it would take it holds ready.
	Judge(batch uint32, count int) []Verdict
	// Serve begins to serve what Judge holds ready, and returns for how long nobody did.
	Serve(batch uint32) (pause time.Duration)
	// Drop forgets what Judge holds ready.
	Drop(batch uint32)
}

// Link is one end. Its methods are told the time in ns of any clock that goes on.
type Link struct {
	hands Hands
	build string

	version uint16 // of the protocol; 0 = the other side has not said hello
	other   string // its build
	asked   int64  // when it was greeted
	refused bool   // it takes nobody any more
	retired bool   // nothing more is offered here, or heard of there
	ended   bool   // the other side has closed its end

	given     []given  // oldest first; at most MaxInFlight
	taken     []uint32 // batches on their way here, oldest first; at most MaxInFlight
	lastGiven uint32   // the latest batch
	lastTaken uint32
}

// given is a batch on its way there.
type given struct {
	batch uint32
	count int
	stage stage
	since int64 // when it came to this stage
}

// stage is how far a given batch is.
type stage uint8

const (
	offered    stage = iota // belongs to this side
	committing              // still does: COMMIT is not written
	committed               // belongs to the other side
)

// NewLink returns an end that has said nothing yet.
func NewLink(hands Hands, build string) *Link { return &Link{hands: hands, build: build} }

// Start says hello.
func (k *Link) Start(now int64) {
	k.asked = now
	k.greet(false)
}

// Refuse says that this side takes nobody any more, which the other side would learn only by offering somebody. Earlier
// builds do not hear it.
func (k *Link) Refuse() {
	if !k.Retired() {
		k.greet(true)
	}
}

func (k *Link) greet(refuses bool) {
	k.hands.Send(Message{Kind: Hello, Version: MaxVersion, Min: MinVersion, Max: MaxVersion, Build: k.build, Refuses: refuses})
}

// Credits returns how many batches may be offered now.
func (k *Link) Credits() int {
	if k.version == 0 || !k.Usable() {
		return 0
	}
	return MaxInFlight - len(k.given)
}

// Usable tells whether the other side takes clients or, if it has not said hello, may do so yet.
func (k *Link) Usable() bool { return !k.refused && !k.retired && !k.ended }

// Retired tells that nothing more is to be sent but what waits, and then the end of the stream.
func (k *Link) Retired() bool { return k.retired || k.ended }

// Ended tells that the other side has closed its end, and everything is settled.
func (k *Link) Ended() bool { return k.ended }

// Giving returns how many batches are on their way there.
func (k *Link) Giving() int { return len(k.given) }

// Taking returns how many batches the other side may say COMMIT for.
func (k *Link) Taking() int { return len(k.taken) }

// Other returns the build of the other side's binary, once it has said hello.
func (k *Link) Other() string { return k.other }

// Next returns the number that the next batch will have.
func (k *Link) Next() uint32 { return k.lastGiven + 1 }

// Offer offers the batch Next, of count clients. There must be a credit.
func (k *Link) Offer(now int64, count int) {
	if k.Credits() <= 0 || count <= 0 || count > MaxBatch {
		panic(fmt.Sprintf("handoff: offering %d clients with %d credits", count, k.Credits()))
	}
	k.lastGiven++
	k.given = append(k.given, given{batch: k.lastGiven, count: count, since: now})
	k.hands.Send(Message{Kind: Offer, Version: k.version, Batch: k.lastGiven, Count: count})
}

// Sent is told that a message which Send kept is written now.
func (k *Link) Sent(now int64, m Message) {
	if m.Kind != Commit {
		return
	}
	if g := k.find(m.Batch); g != nil && g.stage == committing {
		g.stage, g.since = committed, now
		k.hands.Release(m.Batch)
	}
}

// Receive is told a datagram. What makes no sense ends the use of this Link: see Retire.
func (k *Link) Receive(now int64, b []byte) {
	m, err := ParseMessage(b)
	if err == nil {
		err = k.receive(now, m)
	}
	if err != nil && !k.retired {
		k.Retire(err.Error())
		k.hands.Failed(err.Error())
	}
}

func (k *Link) receive(now int64, m Message) error {
	switch {
	case m.Kind == Hello:
		return k.greeted(m)
	case k.version == 0:
		return fmt.Errorf("%v comes before HELLO", m.Kind)
	case m.Version != k.version:
		return fmt.Errorf("%v is of version %d, agreed is %d", m.Kind, m.Version, k.version)
	}
	switch m.Kind {
	case Offer:
		return k.offered(m)
	case Prepared:
		return k.prepared(now, m)
	case Commit:
		k.committed(m.Batch)
	case Taken:
		k.served(m)
	case Abort:
		if k.forget(m.Batch) {
			k.hands.Drop(m.Batch)
		}
	default:
		return fmt.Errorf("%v is not known in version %d", m.Kind, k.version)
	}
	return nil
}

// greeted settles the version. A second HELLO changes nothing but whether the other side takes anybody.
func (k *Link) greeted(m Message) error {
	if k.retired {
		return nil
	}
	if m.Refuses && !k.refused {
		k.refused = true
		defer k.hands.Failed(refusal)
	}
	if k.version != 0 {
		return nil
	}
	version := min(m.Max, MaxVersion)
	if version < max(m.Min, MinVersion) {
		return fmt.Errorf("it speaks versions %d to %d of the handoff, this is %d to %d", m.Min, m.Max, MinVersion, MaxVersion)
	}
	k.version, k.other = version, m.Build
	return nil
}

// offered answers an OFFER. One that comes again, or late, is none.
func (k *Link) offered(m Message) error {
	if k.retired || m.Batch <= k.lastTaken {
		return nil
	}
	if m.Count <= 0 || m.Count > MaxBatch || len(k.taken) == MaxInFlight {
		return fmt.Errorf("OFFER of %d clients in batch %d, with %d batches on their way", m.Count, m.Batch, len(k.taken))
	}
	k.lastTaken = m.Batch
	verdicts := k.hands.Judge(m.Batch, m.Count)
	if slices.Contains(verdicts, Take) {
		k.taken = append(k.taken, m.Batch)
	}
	k.hands.Send(Message{Kind: Prepared, Version: k.version, Batch: m.Batch, Verdicts: verdicts})
	return nil
}

// prepared commits what the other side would take. An answer to what is not offered any more is none.
func (k *Link) prepared(now int64, m Message) error {
	g := k.find(m.Batch)
	if g == nil || g.stage != offered {
		return nil
	}
	if len(m.Verdicts) != g.count {
		return fmt.Errorf("PREPARED has %d verdicts on %d clients", len(m.Verdicts), g.count)
	}
	if slices.Contains(m.Verdicts, Refused) {
		k.refused = true
	}
	g.stage, g.since = committing, now
	k.hands.Keep(m.Batch, m.Verdicts)
	commit := Message{Kind: Commit, Version: k.version, Batch: m.Batch}
	switch {
	case !slices.Contains(m.Verdicts, Take):
		k.drop(m.Batch)
	case k.hands.Send(commit):
		k.Sent(now, commit)
	}
	if k.refused {
		k.hands.Failed(refusal)
	}
	return nil
}

const refusal = "it takes nobody any more"

// committed begins to serve a batch. A COMMIT that comes again is none.
func (k *Link) committed(batch uint32) {
	if !k.forget(batch) {
		return
	}
	pause := k.hands.Serve(batch)
	if !k.retired {
		k.hands.Send(Message{Kind: Taken, Version: k.version, Batch: batch, Pause: pause})
	}
}

// served ends a batch.
func (k *Link) served(m Message) {
	if g := k.find(m.Batch); g != nil && g.stage == committed {
		k.drop(m.Batch)
		k.hands.Served(m.Batch, m.Pause)
	}
}

// Abort takes back every batch that still belongs to this side.
func (k *Link) Abort(reason string) {
	for _, g := range slices.Clone(k.given) {
		if g.stage == committed {
			continue
		}
		k.drop(g.batch)
		k.hands.Keep(g.batch, nil) // first, so that nothing of the batch is written after the ABORT
		k.hands.Send(Message{Kind: Abort, Version: k.version, Batch: g.batch, Reason: reason})
	}
}

// Retire ends the use of this Link from this side: it takes back what it can, and offers and takes nothing more. What the
// other side was promised stays promised until it has closed its end, too.
func (k *Link) Retire(reason string) {
	if k.retired {
		return
	}
	k.Abort(reason)
	k.retired = true
}

// End is told that the other side has closed its end: it is dead, or lives and has retired. The latter serves what it was
// promised, as soon as this side has closed its end, too.
func (k *Link) End(reason string, lives bool) {
	if k.ended {
		return
	}
	k.Abort(reason)
	k.ended = true
	for _, g := range k.given {
		if lives {
			k.hands.Served(g.batch, 0)
		} else {
			k.hands.Lost(g.batch)
		}
	}
	k.given = nil
	for _, batch := range k.taken { // there was no ABORT
		k.hands.Serve(batch)
	}
	k.taken = nil
	if !k.retired {
		k.hands.Failed(reason)
	}
}

// Overdue tells that the other side owes an answer for too long.
func (k *Link) Overdue(now int64) bool { return k.Silent(now) >= Patience }

// Silent returns for how long the other side has owed an answer; 0: it owes none.
func (k *Link) Silent(now int64) time.Duration {
	if k.ended || k.retired {
		return 0
	}
	if k.version == 0 {
		return time.Duration(now - k.asked)
	}
	var longest int64
	for _, g := range k.given {
		longest = max(longest, now-g.since)
	}
	return time.Duration(longest)
}

// find returns a batch on its way there, or nil.
func (k *Link) find(batch uint32) *given {
	for i := range k.given {
		if k.given[i].batch == batch {
			return &k.given[i]
		}
	}
	return nil
}

// drop ends a batch on its way there.
func (k *Link) drop(batch uint32) {
	k.given = slices.DeleteFunc(k.given, func(g given) bool { return g.batch == batch })
}

// forget ends a batch on its way here, and tells whether there was one.
func (k *Link) forget(batch uint32) bool {
	i := slices.Index(k.taken, batch)
	if i < 0 {
		return false
	}
	k.taken = slices.Delete(k.taken, i, i+1)
	return true
}
