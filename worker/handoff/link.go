// One worker's end of the link to another: which message may come when, and which worker owns a batch.

package handoff

import (
	"fmt"
	"slices"
	"time"
)

const (
	// MaxInFlight is how many batches of one side may be offered and not yet confirmed by TAKEN.
	MaxInFlight = 4
	// Patience is how long an answer of the other side may take, before that side counts as hung.
	Patience = 3 * time.Second
)

// Handler carries out what a Link decides. Its methods are called by methods of the Link and must call none of those back,
// except Sent, later.
type Handler interface {
	// Send writes m and returns true, or queues it, writes it later, in order, and then calls Sent. An OFFER goes with its
	// descriptors. A message that can no more be written, since the other side is gone, is dropped; an ABORT counts as written then.
	Send(m Message) (written bool)
	// Unsend drops a queued OFFER or COMMIT of a batch, and tells whether the OFFER was one: the other side has never heard of it.
	Unsend(batch uint32) (unheard bool)
	// Failed is called, perhaps several times, when no more clients can move to the other side. reason says why.
	Failed(reason string)

	// On the old worker's side.

	// Reclaim resumes those clients of a batch that the other side does not accept; all of them if verdicts is nil.
	Reclaim(batch uint32, verdicts []Verdict)
	// Committed closes this side's copies of the clients of a batch that are left: COMMIT is written.
	Committed(batch uint32)
	// Confirmed is called when the other side serves the batch, or is about to. pause is how long no worker has served one of
	// the clients, at most; 0: unknown.
	Confirmed(batch uint32, pause time.Duration)
	// Lost is called when the other side is dead, and has not confirmed the batch.
	Lost(batch uint32)

	// On the new worker's side.

	// Prepare reads the batch that came with an OFFER and returns a verdict on each client. Those that it accepts are ready to
	// be served.
	Prepare(batch uint32, count int) []Verdict
	// StartServing serves the clients that Prepare has accepted, and returns for how long no worker did.
	StartServing(batch uint32) (pause time.Duration)
	// Drop closes this side's copies of the clients that Prepare has accepted.
	Drop(batch uint32)
}

// Link is one end. now is in ns, of any monotonic clock.
type Link struct {
	handler Handler
	build   string

	version     uint16 // of the protocol; 0 = no HELLO has come
	peerBuild   string // of the other side's binary
	helloAt     int64  // when this side sent its HELLO
	peerRefuses bool   // the other side accepts no more clients
	retired     bool   // this side sends no more offers and reads no more messages
	ended       bool   // the other side has closed its end

	outgoing     []outgoingBatch // oldest first; at most MaxInFlight
	incoming     []uint32        // batches on their way here, oldest first; at most MaxInFlight
	lastOutgoing uint32          // the number of the latest batch
	lastIncoming uint32
}

// NewLink returns an end that has sent nothing yet.
func NewLink(hands Handler, build string) *Link { return &Link{handler: hands, build: build} }

// Start sends HELLO.
func (k *Link) Start(now int64) {
	k.helloAt = now
	k.sendHello(false)
}

// Refuse tells the other side that this one accepts no more clients. Otherwise it would learn that from the verdicts on its
// next offer, as earlier builds still do.
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

// Usable tells whether the other side accepts clients or, if its HELLO has not come, may do so yet.
func (k *Link) Usable() bool { return !k.peerRefuses && !k.retired && !k.ended }

// Retired tells that nothing more is sent but what is queued, and then the end of the stream.
func (k *Link) Retired() bool { return k.retired || k.ended }

// Ended tells that the other side has closed its end, and every batch has an owner once what is queued is written.
func (k *Link) Ended() bool { return k.ended }

// Outgoing returns how many batches are on their way to the other side.
func (k *Link) Outgoing() int { return len(k.outgoing) }

// Incoming returns for how many batches the other side may still send COMMIT.
func (k *Link) Incoming() int { return len(k.incoming) }

// PeerBuild returns the build of the other side's binary, once it has said hello.
func (k *Link) PeerBuild() string { return k.peerBuild }

// Next returns the number of the next batch.
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

// Sent is called when a message that Send has queued is written.
func (k *Link) Sent(now int64, m Message) {
	g := k.find(m.Batch)
	switch {
	case g == nil:
	case m.Kind == Commit && g.stage == committing:
		g.stage, g.since = committed, now
		k.handler.Committed(m.Batch)
	case m.Kind == Abort && g.stage == aborting:
		k.takeBack(m.Batch)
	}
}

// Receive handles a datagram. One that breaks the protocol retires the Link.
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
		if k.dropIncoming(m.Batch) {
			k.handler.Drop(m.Batch)
		}
	default:
		return fmt.Errorf("%v is not known in version %d", m.Kind, k.version)
	}
	return nil
}

// onHello settles the version. A later HELLO changes nothing but whether the other side accepts clients.
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
	k.version, k.peerBuild = version, m.Build
	return nil
}

// onOffer answers an OFFER. A repeated or late one is ignored.
func (k *Link) onOffer(m Message) error {
	if k.retired || m.Batch <= k.lastIncoming {
		return nil
	}
	if m.Count <= 0 || m.Count > MaxBatch || len(k.incoming) == MaxInFlight {
		return fmt.Errorf("OFFER of %d clients in batch %d, with %d batches in flight", m.Count, m.Batch, len(k.incoming))
	}
	k.lastIncoming = m.Batch
	verdicts := k.handler.Prepare(m.Batch, m.Count)
	if slices.Contains(verdicts, Accept) {
		k.incoming = append(k.incoming, m.Batch)
	}
	k.handler.Send(Message{Kind: Prepared, Version: k.version, Batch: m.Batch, Verdicts: verdicts})
	return nil
}

// onPrepared commits the clients that the other side accepts. An answer to a batch that was taken back is ignored.
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
		k.dropOutgoing(m.Batch)
	case k.handler.Send(commit):
		k.Sent(now, commit)
	}
	if k.peerRefuses {
		k.handler.Failed(refusal)
	}
	return nil
}

const refusal = "it accepts no more clients"

// onCommit begins to serve a batch. A repeated COMMIT is ignored.
func (k *Link) onCommit(batch uint32) {
	if !k.dropIncoming(batch) {
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
		k.dropOutgoing(m.Batch)
		k.handler.Confirmed(m.Batch, m.Pause)
	}
}

// Abort takes back every batch that this side still owns. One that the other side has heard of is served again when ABORT is written:
// from then on the other side cannot serve it, even if this side dies, so that nothing is done or encrypted twice.
func (k *Link) Abort(reason string) {
	for _, g := range slices.Clone(k.outgoing) {
		if g.stage != offered && g.stage != committing {
			continue
		}
		k.find(g.batch).stage = aborting
		if abort := (Message{Kind: Abort, Version: k.version, Batch: g.batch, Reason: reason}); k.handler.Unsend(g.batch) {
			k.takeBack(g.batch)
		} else if k.handler.Send(abort) {
			k.takeBack(g.batch)
		}
	}
}

// takeAllBack takes back every batch that this side still owns, as the other side is dead.
func (k *Link) takeAllBack() {
	for _, g := range slices.Clone(k.outgoing) {
		if g.stage != committed {
			k.handler.Unsend(g.batch)
			k.takeBack(g.batch)
		}
	}
}

// takeBack has this side serve a batch again that the other side cannot serve any more.
func (k *Link) takeBack(batch uint32) {
	k.dropOutgoing(batch)
	k.handler.Reclaim(batch, nil)
}

// Retire ends the use of this Link from this side: batches that it still owns are taken back, and none is offered or accepted
// any more. Committed batches stay the other side's.
func (k *Link) Retire(reason string) {
	if k.retired {
		return
	}
	k.Abort(reason)
	k.retired = true
}

// End is called when the other side has closed its end: it is dead, or it lives and has retired. If it lives, it serves the
// batches committed to it as soon as this side has closed its end, too.
func (k *Link) End(reason string, lives bool) {
	if k.ended {
		return
	}
	if lives {
		k.Abort(reason)
	} else {
		k.takeAllBack()
	}
	k.ended = true
	k.outgoing = slices.DeleteFunc(k.outgoing, func(g outgoingBatch) bool {
		switch {
		case g.stage != committed: // its ABORT is queued
			return false
		case lives:
			k.handler.Confirmed(g.batch, 0)
		default:
			k.handler.Lost(g.batch)
		}
		return true
	})
	for _, batch := range k.incoming { // there was no ABORT
		k.handler.StartServing(batch)
	}
	k.incoming = nil
	if !k.retired {
		k.handler.Failed(reason)
	}
}

// Overdue tells that an answer of the other side has taken longer than Patience.
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

// find returns an outgoing batch, or nil.
func (k *Link) find(batch uint32) *outgoingBatch {
	for i := range k.outgoing {
		if k.outgoing[i].batch == batch {
			return &k.outgoing[i]
		}
	}
	return nil
}

// dropOutgoing ends an outgoing batch.
func (k *Link) dropOutgoing(batch uint32) {
	k.outgoing = slices.DeleteFunc(k.outgoing, func(g outgoingBatch) bool { return g.batch == batch })
}

// dropIncoming ends an incoming batch, and tells whether there was one.
func (k *Link) dropIncoming(batch uint32) bool {
	i := slices.Index(k.incoming, batch)
	if i < 0 {
		return false
	}
	k.incoming = slices.Delete(k.incoming, i, i+1)
	return true
}
