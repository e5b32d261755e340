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

// Handler carry out what a Link decides. They are called in the course of the Link's own methods, and must call none of
// those back, but for Sent, later.
type Handler interface {
	// Send writes m and returns true, or keeps it, writes it later, in order, and then calls Sent. An OFFER goes with its
	// descriptors. What can no more be written is dropped.
	Send(m Message) (written bool)
	// Failed is told that nothing more can be given to the other side, and why. It may be told so several times.
	Failed(reason string)

	// To who gives.

	// Reclaim serves those clients of a batch again that the other side does not take; all of them where verdicts is nil. An
	// OFFER or a COMMIT of theirs that is not written yet never will be.
	Reclaim(batch uint32, verdicts []Verdict)
	// Committed forgets those that it takes: COMMIT is written.
	Committed(batch uint32)
	// Confirmed is told that they are served there, or are about to be, and for how long nobody did; 0: that is not known.
	Confirmed(batch uint32, pause time.Duration)
	// Lost is told that the other side is dead, and has not said that it served them.
	Lost(batch uint32)

	// To who takes.

	// Prepare looks at what came with an OFFER and returns a verdict on each. What it would take it holds ready.
	Prepare(batch uint32, count int) []Verdict
	// StartServing begins to serve what Judge holds ready, and returns for how long nobody did.
	StartServing(batch uint32) (pause time.Duration)
	// Drop forgets what Judge holds ready.
	Drop(batch uint32)
}

// Link is one end. Its methods are told the time in ns of any clock that goes on.
type Link struct {
	handler Handler
	build   string

	version     uint16 // of the protocol; 0 = the other side has not said hello
	other       string // its build
	helloAt     int64  // when it was greeted
	peerRefuses bool   // it takes nobody any more
	retired     bool   // nothing more is offered here, or heard of there
	ended       bool   // the other side has closed its end

	outgoing     []outgoingBatch // oldest first; at most MaxInFlight
	incoming     []uint32        // batches on their way here, oldest first; at most MaxInFlight
	lastOutgoing uint32          // the latest batch
	lastIncoming uint32
}

// outgoingBatch is a batch on its way there.
type outgoingBatch struct {
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
func NewLink(hands Handler, build string) *Link { return &Link{handler: hands, build: build} }

// Start says hello.
func (k *Link) Start(now int64) {
	k.helloAt = now
	k.sendHello(false)
}

// Refuse says that this side takes nobody any more, which the other side would learn only by offering somebody. Earlier
// builds do not hear it.
func (k *Link) Refuse() {
	if !k.Retired() {
		k.sendHello(true)
	}
}

func (k *Link) sendHello(refuses bool) {
	k.handler.Send(Message{Kind: Hello, Version: MaxVersion, Min: MinVersion, Max: MaxVersion, Build: k.build, Refuses: refuses})
}

// Credits returns how many batches may be offered now.
func (k *Link) Credits() int {
	if k.version == 0 || !k.Usable() {
		return 0
	}
	return MaxInFlight - len(k.outgoing)
}

// Usable tells whether the other side takes clients or, if it has not said hello, may do so yet.
func (k *Link) Usable() bool { return !k.peerRefuses && !k.retired && !k.ended }

// Retired tells that nothing more is to be sent but what waits, and then the end of the stream.
func (k *Link) Retired() bool { return k.retired || k.ended }

// Ended tells that the other side has closed its end, and everything is settled.
func (k *Link) Ended() bool { return k.ended }

// Outgoing returns how many batches are on their way there.
func (k *Link) Outgoing() int { return len(k.outgoing) }

// Incoming returns how many batches the other side may say COMMIT for.
func (k *Link) Incoming() int { return len(k.incoming) }

// Other returns the build of the other side's binary, once it has said hello.
func (k *Link) Other() string { return k.other }

// Next returns the number that the next batch will have.
func (k *Link) Next() uint32 { return k.lastOutgoing + 1 }

// Offer offers the batch Next, of count clients. There must be a credit.
func (k *Link) Offer(now int64, count int) {
	if k.Credits() <= 0 || count <= 0 || count > MaxBatch {
		panic(fmt.Sprintf("handoff: offering %d clients with %d credits", count, k.Credits()))
	}
	k.lastOutgoing++
	k.outgoing = append(k.outgoing, outgoingBatch{batch: k.lastOutgoing, count: count, since: now})
	k.handler.Send(Message{Kind: Offer, Version: k.version, Batch: k.lastOutgoing, Count: count})
}

// Sent is told that a message which Send kept is written now.
func (k *Link) Sent(now int64, m Message) {
	if m.Kind != Commit {
		return
	}
	if g := k.find(m.Batch); g != nil && g.stage == committing {
		g.stage, g.since = committed, now
		k.handler.Committed(m.Batch)
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
		k.handler.Failed(err.Error())
	}
}

func (k *Link) receive(now int64, m Message) error {
	switch {
	case m.Kind == Hello:
		return k.onHello(m)
	case k.version == 0:
		return fmt.Errorf("%v comes before HELLO", m.Kind)
	case m.Version != k.version:
		return fmt.Errorf("%v is of version %d, agreed is %d", m.Kind, m.Version, k.version)
	}
	switch m.Kind {
	case Offer:
		return k.onOffer(m)
	case Prepared:
		return k.onPrepared(now, m)
	case Commit:
		k.onCommit(m.Batch)
	case Taken:
		k.onTaken(m)
	case Abort:
		if k.forget(m.Batch) {
			k.handler.Drop(m.Batch)
		}
	default:
		return fmt.Errorf("%v is not known in version %d", m.Kind, k.version)
	}
	return nil
}

// onHello settles the version. A second HELLO changes nothing but whether the other side takes anybody.
func (k *Link) onHello(m Message) error {
	if k.retired {
		return nil
	}
	if m.Refuses && !k.peerRefuses {
		k.peerRefuses = true
		defer k.handler.Failed(refusal)
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

// onOffer answers an OFFER. One that comes again, or late, is none.
func (k *Link) onOffer(m Message) error {
	if k.retired || m.Batch <= k.lastIncoming {
		return nil
	}
	if m.Count <= 0 || m.Count > MaxBatch || len(k.incoming) == MaxInFlight {
		return fmt.Errorf("OFFER of %d clients in batch %d, with %d batches on their way", m.Count, m.Batch, len(k.incoming))
	}
	k.lastIncoming = m.Batch
	verdicts := k.handler.Prepare(m.Batch, m.Count)
	if slices.Contains(verdicts, Accept) {
		k.incoming = append(k.incoming, m.Batch)
	}
	k.handler.Send(Message{Kind: Prepared, Version: k.version, Batch: m.Batch, Verdicts: verdicts})
	return nil
}

// onPrepared commits what the other side would take. An answer to what is not offered any more is none.
func (k *Link) onPrepared(now int64, m Message) error {
	g := k.find(m.Batch)
	if g == nil || g.stage != offered {
		return nil
	}
	if len(m.Verdicts) != g.count {
		return fmt.Errorf("PREPARED has %d verdicts on %d clients", len(m.Verdicts), g.count)
	}
	if slices.Contains(m.Verdicts, Refused) {
		k.peerRefuses = true
	}
	g.stage, g.since = committing, now
	k.handler.Reclaim(m.Batch, m.Verdicts)
	commit := Message{Kind: Commit, Version: k.version, Batch: m.Batch}
	switch {
	case !slices.Contains(m.Verdicts, Accept):
		k.drop(m.Batch)
	case k.handler.Send(commit):
		k.Sent(now, commit)
	}
	if k.peerRefuses {
		k.handler.Failed(refusal)
	}
	return nil
}

const refusal = "it takes nobody any more"

// onCommit begins to serve a batch. A COMMIT that comes again is none.
func (k *Link) onCommit(batch uint32) {
	if !k.forget(batch) {
		return
	}
	pause := k.handler.StartServing(batch)
	if !k.retired {
		k.handler.Send(Message{Kind: Taken, Version: k.version, Batch: batch, Pause: pause})
	}
}

// onTaken ends a batch.
func (k *Link) onTaken(m Message) {
	if g := k.find(m.Batch); g != nil && g.stage == committed {
		k.drop(m.Batch)
		k.handler.Confirmed(m.Batch, m.Pause)
	}
}

// Abort takes back every batch that still belongs to this side.
func (k *Link) Abort(reason string) {
	for _, g := range slices.Clone(k.outgoing) {
		if g.stage == committed {
			continue
		}
		k.drop(g.batch)
		k.handler.Reclaim(g.batch, nil) // first, so that nothing of the batch is written after the ABORT
		k.handler.Send(Message{Kind: Abort, Version: k.version, Batch: g.batch, Reason: reason})
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
	for _, g := range k.outgoing {
		if lives {
			k.handler.Confirmed(g.batch, 0)
		} else {
			k.handler.Lost(g.batch)
		}
	}
	k.outgoing = nil
	for _, batch := range k.incoming { // there was no ABORT
		k.handler.StartServing(batch)
	}
	k.incoming = nil
	if !k.retired {
		k.handler.Failed(reason)
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
		return time.Duration(now - k.helloAt)
	}
	var longest int64
	for _, g := range k.outgoing {
		longest = max(longest, now-g.since)
	}
	return time.Duration(longest)
}

// find returns a batch on its way there, or nil.
func (k *Link) find(batch uint32) *outgoingBatch {
	for i := range k.outgoing {
		if k.outgoing[i].batch == batch {
			return &k.outgoing[i]
		}
	}
	return nil
}

// drop ends a batch on its way there.
func (k *Link) drop(batch uint32) {
	k.outgoing = slices.DeleteFunc(k.outgoing, func(g outgoingBatch) bool { return g.batch == batch })
}

// forget ends a batch on its way here, and tells whether there was one.
func (k *Link) forget(batch uint32) bool {
	i := slices.Index(k.incoming, batch)
	if i < 0 {
		return false
	}
	k.incoming = slices.Delete(k.incoming, i, i+1)
	return true
}
