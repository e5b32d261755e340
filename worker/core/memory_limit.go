// The memory limit: who is not read, and then closed, when all connections together hold too much. How much one may hold is in
// backpressure.go.

package core

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// smallHolder is what a connection may always hold while memory is scarce, if that is less than its share.
	smallHolder = 256 << 10
	// reliefEvery is how often the worker looks for the largest holders while muting does not help, and reliefAfter how
	// long it waits for that. At the limit itself it does not wait.
	reliefEvery = int64(10 * time.Millisecond)
	reliefAfter = int64(time.Second)
	// lagPatience is for how long a client may take none of its replies while they hold up others, and lagCheck how often the
	// worker looks.
	lagPatience = int64(10 * time.Second)
	lagMoment   = int64(250 * time.Millisecond) // the same before anybody else is closed
	lagCheck    = int64(time.Second)
	// maxEvicted is how many connections a turn closes for their memory. Unless each holds next to nothing, those
	// have more than a turn receives.
	maxEvicted = 256
)

var errNotReading = errors.New("client takes none of its replies, and memory is short")

var errMemory = errors.New("worker is at its memory_limit, and this connection holds the most")

var errNoMemory = errors.New("system gives the worker no more memory for this connection")

var errReplyMemory = errors.New("worker is at its memory_limit, and most of it waits for or comes from this server")

// relief is the state of the memory limit. Loop only.
type relief struct {
	short      bool        // clients that are behind are muted
	began      int64       // when it became so
	look       int64       // when to close clients that read nothing
	scarce     bool        // large holders are muted, too
	share      int64       // bytes up to which a holder is not large
	next       int64       // when to evict the next ones
	timer      timer.Timer // wakes the loop for the next of these
	closed     closings
	size       int                 // of the candidates, see sizeOf
	candidates []evictionCandidate // to be evicted, in this order
	notReading []*client           // empty but within closeNotReading
}

// relieve enforces the memory limit at the end of a turn.
func (l *loop) relieve() {
	limit := l.spec.MemoryLimit
	if limit == 0 {
		return
	}
	l.relieveLag(limit)
	r, enough := &l.relief, limit/2+limit/8 // more than is held up by those who lag
	switch used := l.memory.Held(); {
	case !r.scarce && used >= limit-limit/4:
		r.scarce, r.share = true, min(smallHolder, limit/int64(2*l.clients+1))
		r.next = l.now + reliefAfter
		l.memory.DropSpares()
		l.endHolding()
	case r.scarce && used < enough:
		r.scarce, r.candidates = false, nil
		l.unmuteAll()
	case used >= limit:
		r.closed.reason = atLimit
		l.closeNotReading(limit, lagMoment)
		l.closeLargest(limit)
		l.wakeAt(l.now + reliefEvery)
	case r.scarce && l.now >= r.next:
		r.next = l.now + reliefEvery
		r.closed.reason = atThreeQuarters
		l.closeNotReading(enough, lagMoment)
		l.closeLargest(enough)
	}
	if r.scarce {
		l.wakeAt(r.next)
	}
	if r.closed.logged {
		l.sumUpClosings()
	}
}

// relieveLag enforces half of the memory limit.
func (l *loop) relieveLag(limit int64) {
	r := &l.relief
	enough := limit/2 - limit/8
	switch used := l.memory.Held(); {
	case !r.short && used >= limit/2:
		r.short, r.began, r.look = true, l.now, l.now+lagCheck
	case r.short && used < enough:
		r.short = false
		l.unmuteAll()
	case r.short && l.now >= r.look:
		r.look = l.now + lagCheck
		if l.now-r.began >= lagPatience {
			r.closed.reason = atHalf
			l.closeNotReading(enough, lagPatience)
		}
	}
	if r.short {
		l.wakeAt(r.look)
	}
}

// closeNotReading closes clients that are behind and have read nothing for that long, the longest first, until less than
// enough is held: they are muted, and if they wait for more to be read, they wait for ever. A client that reads all the time
// may seem not to for a moment, since the kernel announces only larger windows.
func (l *loop) closeNotReading(enough, patience int64) {
	deaf := l.relief.notReading[:0]
	for c := range l.everyClient {
		if c.stream.Unwritten() > 0 && c.isBehind() && c.notReadingFor() >= patience {
			deaf = append(deaf, c)
		}
	}
	slices.SortStableFunc(deaf, func(a, b *client) int { return cmp.Compare(b.notReadingFor(), a.notReadingFor()) })
	for _, c := range deaf[:min(len(deaf), maxEvicted)] {
		if l.memory.Held() < enough {
			break
		}
		c.complain("has taken nothing of %d bytes of replies for %v", c.stream.Unwritten(), time.Duration(c.notReadingFor()))
		c.fail(errNotReading)
	}
	clear(deaf)
	l.relief.notReading = deaf[:0]
}

// notReadingFor returns for how long, in ns, the client has read none of its output.
func (c *client) notReadingFor() int64 { return int64(c.pool.l.ticks()-c.took) * tickNanos }

// wakeAt makes the loop turn at that time, or earlier, even without an event.
func (l *loop) wakeAt(at int64) {
	if l.relief.timer.Fire == nil {
		l.relief.timer.Fire = func() {}
	}
	if !l.relief.timer.Armed() || at < l.relief.timer.Due() {
		l.timers.Set(&l.relief.timer, at)
	}
}

// closeLargest evicts the largest holders until less than enough is held: of the groups of about equal size the one that
// together holds the most. So many small holders go before one that holds more than any of them but less than all. Those
// without progress for the longest go first, so that a crowd that wants more than there is costs no newcomer its place that
// gets what it wants and is done.
//
// The list is made once for many turns: sorting thousands takes longer than a turn should. A holder that has made progress
// since, or has become smaller, is spared.
func (l *loop) closeLargest(enough int64) {
	r := &l.relief
	if len(r.candidates) == 0 {
		l.findLargest()
	}
	for closed := 0; len(r.candidates) > 0 && closed < maxEvicted && l.memory.Held() >= enough; {
		s := r.candidates[0]
		r.candidates = r.candidates[1:]
		if s.h.since() == s.since && sizeOf(s.h) >= r.size {
			s.h.evict()
			closed++
		}
	}
}

// findLargest lists the holders of two neighbouring sizes that together hold the most: with one size alone, a crowd of equals
// whose buffers differ a little could count as two. Holders below their share are not listed, unless all are.
func (l *loop) findLargest() {
	r := &l.relief
	var sums [65]int // of each size and the next one
	for share := r.share; ; share = 0 {
		for h := range l.everyHolder {
			if int64(h.frees()) > share {
				size := sizeOf(h)
				sums[size] += h.frees()
				sums[size-1] += h.frees()
			}
		}
		if slices.Max(sums[:]) > 0 || share == 0 {
			break
		}
	}
	r.size = max(slices.Index(sums[:], slices.Max(sums[:])), 1)
	for h := range l.everyHolder {
		if h.frees() > 0 && (sizeOf(h) == r.size || sizeOf(h) == r.size+1) {
			r.candidates = append(r.candidates, evictionCandidate{h, h.since()})
		}
	}
	slices.SortFunc(r.candidates, func(a, b evictionCandidate) int { return cmp.Compare(a.since, b.since) })
}

// everyHolder calls do for each holder: all that have a descriptor, and the connections that have none yet.
func (l *loop) everyHolder(do func(holder) bool) {
	for i := range l.table {
		if h, ok := l.table[i].h.(holder); ok && !do(h) {
			return
		}
	}
	for e := range l.everyEndpoint {
		for _, c := range e.where.waiting {
			if c.state == connResolving && !do(c) {
				return
			}
		}
	}
}

// sizeOf returns about how much closing h frees, as a power of two: those of one size differ by less than a factor of two.
func sizeOf(h holder) int { return bits.Len(uint(h.frees())) }

// evictionCandidate is a holder to be evicted, unless it makes progress first.
type evictionCandidate struct {
	h     holder
	since int64
}

// holder is a connection that memory is held for.
type holder interface {
	frees() int   // bytes, when it is closed
	since() int64 // ns: its last progress
	evict()       // tells and closes it
}

func (c *client) since() int64 { return c.came }

func (c *conn) since() int64 { return c.heard }

// evict gives up the reply that is coming or, if it is the server that does not read or that owes too much, the connection.
func (c *conn) evict() {
	if len(c.stream.Kept()) <= c.stream.Unwritten() || !c.discard(errReplyMemory) {
		c.fail(errReplyMemory)
		return
	}
	if c.state != connClosed && len(c.stream.Kept()) > 0 {
		c.saveRest(c.stream.Reread())
	}
}

func (c *client) evict() {
	c.complain("holds %d bytes", c.holds())
	c.closeForMemory(errMemory)
}

// closeForMemory closes a client for which there is no memory. It gets an error first, if it is open and no other output is
// in the way.
func (c *client) closeForMemory(reason error) {
	if c.life != clientOpen || c.stream.Unwritten() > 0 || c.head != nil {
		c.fail(reason)
		return
	}
	l := c.pool.l
	text := c.pool.errorText(reason)
	if c.dialect == dialectBinary {
		text = c.failurePacket(text)
	}
	*c.pool.counters[link.ClientErr]++
	c.stream.DropInput(l.memory)
	c.respond(text)
	c.leave(link.MemoryShort)
}
