// Clients that are in the middle of something with a server: a transaction, a wait for an element, a subscription, a cache that the
// server keeps right. Each knows what it must be told next, by numbers that a companion gives out over another connection.

package storm_test

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// sessions are kinds of clients of which there are as many as the plan says, a quarter of each.
var sessions = [...]session{
	{kind: kind{"transacting", 0, true, "redis", rig.ReadRESP, saysNothing, talkInTransactions}},
	{kind: kind{"blocked", 0, false, "redis", rig.ReadRESP, saysNothing, talkBlocked},
		companion: &kind{"pusher", 0, false, "redis", rig.ReadRESP, saysNothing, talkPushing}},
	{kind: kind{"subscribed", 0, false, "redis", rig.ReadRESP, subscribe, talkSubscribed},
		companion: &kind{"publisher", 0, false, "redis", rig.ReadRESP, saysNothing, talkPublishing}},
	{kind: kind{"caching", 0, false, "redis", rig.ReadRESP, startCaching, talkCaching},
		companion: &kind{"writer", 0, false, "redis", rig.ReadRESP, saysNothing, talkWriting}},
}

// session is a kind of client, and of another one that gives it something to hear; nil: it does without.
type session struct {
	kind
	companion *kind
}

// sessionTally is what all of them together were told.
type sessionTally struct {
	transactions, elements, messages, invalidations, flushes atomic.Int64 // as they must be

	lost     atomic.Int64 // increments and elements that never came
	repeated atomic.Int64 // increments, elements and messages that came twice
	missed   atomic.Int64 // messages that never came
	stale    atomic.Int64 // values kept that the server has replaced before it answered the next request
}

func (s *sessionTally) String() string {
	return fmt.Sprintf("sessions: %d transactions, %d elements, %d messages, %d invalidations and %d flushes; %d lost, %d repeated, %d missed, %d stale",
		s.transactions.Load(), s.elements.Load(), s.messages.Load(), s.invalidations.Load(), s.flushes.Load(),
		s.lost.Load(), s.repeated.Load(), s.missed.Load(), s.stale.Load())
}

// admitSession lets a session client come, and then its companion.
func (c *crowd) admitSession(number int) {
	s := &sessions[number%len(sessions)]
	k := c.admit(&s.kind, number)
	if s.companion != nil && !k.broken.Load() {
		c.enter(&talker{name: fmt.Sprint(s.companion.name, " ", number), key: k.key, kind: s.companion, of: k}, number+1)
	}
}

func saysNothing(*talker) error { return nil }

// the last thing that a companion says.
const theEnd = "end"

// talkInTransactions queues increments slowly, in two of three transactions across a turn, and knows what each is going to say.
// Nobody else writes what is watched.
func talkInTransactions(k *talker) error {
	ask := func(want string, args ...string) error { return k.ask(rig.Request(args...), want) }
	for staying := true; staying; {
		staying = k.pause(k.pace)
		watches, discards, n := k.rand.IntN(2) == 0, k.rand.IntN(4) == 0, 1+k.rand.IntN(4)
		across := k.rand.IntN(3 * n / 2) // before which of the increments
		if watches {
			if err := ask("+OK\r\n", "WATCH", k.key); err != nil {
				return err
			}
		}
		if err := ask("+OK\r\n", "MULTI"); err != nil {
			return err
		}
		for i := range n {
			if i == across && staying {
				staying = k.staysFor(k.nextTurn())
			}
			if err := k.ask(k.increment(), "+QUEUED\r\n"); err != nil {
				return err
			}
		}
		if discards {
			if err := ask("+OK\r\n", "DISCARD"); err != nil {
				return err
			}
			continue
		}
		if err := k.execute(n); err != nil {
			return err
		}
	}
	return nil
}

// execute has n queued increments carried out.
func (k *talker) execute(n int) error {
	var want strings.Builder
	fmt.Fprintf(&want, "*%d\r\n", n)
	for i := range n {
		want.WriteString(integerReply(k.acked + 1 + i))
	}
	k.sent += n
	if err := k.send(rig.Request("EXEC")); err != nil {
		return err
	}
	asked := time.Now()
	got, err := k.kind.read(k.in)
	if err != nil {
		return err
	}
	if got != want.String() {
		first := 0
		if _, err := fmt.Sscanf(got, "*%d\r\n:%d\r\n", new(int), &first); err == nil {
			k.numbered(k.acked+1, first, &k.tally.lost) // a counter that is too high has counted something twice
		} else {
			k.tally.lost.Add(int64(n))
		}
		return unexpected{got, want.String()}
	}
	k.acked += n
	k.tally.transactions.Add(1)
	k.waited(asked)
	k.done()
	return nil
}

// numbered tells apart what has gone wrong where got came instead of want: if numbers are left out, that many were lost, and
// otherwise something came twice.
func (k *talker) numbered(got, want int, lost *atomic.Int64) {
	if got > want {
		lost.Add(int64(got - want))
	} else if got < want {
		k.tally.repeated.Add(1)
	}
}

// next compares what has come with number want, or the end after as many. It returns whether it was the end.
func (k *talker) next(got string, want int, lost *atomic.Int64) (end bool, err error) {
	text, end := strings.CutPrefix(got, theEnd)
	n, err := strconv.Atoi(text)
	if err != nil {
		return false, unexpected{got, strconv.Itoa(want)}
	}
	if n != want {
		k.numbered(n, want, lost)
		return false, unexpected{got, strconv.Itoa(want)}
	}
	k.done()
	return end, nil
}

// talkBlocked waits for elements, with and without an end of its patience, and takes each that there is.
func talkBlocked(k *talker) error {
	header := "*2\r\n" + rig.Bulk(k.key)
	for want, end := 1, false; !end; {
		patience := "0"
		if k.rand.IntN(2) == 0 {
			patience = fmt.Sprint(0.05 + 0.2*k.rand.Float64())
		}
		if err := k.send(rig.Request("BLPOP", k.key, patience)); err != nil {
			return err
		}
		got, err := k.kind.read(k.in)
		if err != nil {
			k.note("waits for element %d", want)
			return err
		}
		if got == "*-1\r\n" && patience != "0" {
			k.done()
			continue
		}
		element, ok := strings.CutPrefix(got, header)
		if !ok {
			return unexpected{got, header}
		}
		if end, err = k.next(bulkText(element), want, &k.tally.lost); err != nil {
			return err
		}
		k.tally.elements.Add(1)
		want++
	}
	return k.ask(rig.Request("LLEN", k.key), integerReply(0))
}

// talkPushing pushes elements one at a time or a few at once.
func talkPushing(k *talker) error {
	push := func(elements ...string) error {
		if err := k.send(rig.Request(append([]string{"RPUSH", k.key}, elements...)...)); err != nil {
			return err
		}
		got, err := k.kind.read(k.in)
		if err == nil && !strings.HasPrefix(got, ":") {
			err = unexpected{got, "a length"}
		}
		k.done()
		return err
	}
	last := 0
	for k.pause(k.pace) {
		var some []string
		for range 1 + max(0, k.rand.IntN(6)-3) {
			last++
			some = append(some, strconv.Itoa(last))
		}
		if err := push(some...); err != nil {
			return err
		}
	}
	return push(theEnd + strconv.Itoa(last+1))
}

// subscribe subscribes to a channel, or to a pattern that is the name of one, which is subscribed on every server.
func subscribe(k *talker) error {
	verb := "subscribe"
	if k.byPattern() {
		verb = "psubscribe"
	}
	return k.ask(rig.Request(verb, k.key), rig.Array(rig.Bulk(verb), rig.Bulk(k.key), integerReply(1)))
}

func (k *talker) byPattern() bool { return strings.HasSuffix(k.key, "2") }

// talkSubscribed hears every message, and an answer of its own now and then.
func talkSubscribed(k *talker) error {
	header, pong, owed := "*3\r\n"+rig.Bulk("message")+rig.Bulk(k.key), rig.Array(rig.Bulk("pong"), rig.Bulk("")), 0
	if k.byPattern() {
		header = "*4\r\n" + rig.Bulk("pmessage") + rig.Bulk(k.key) + rig.Bulk(k.key)
	}
	for want, end := 1, false; !end || owed > 0; {
		k.conn.SetDeadline(time.Now().Add(replyPatience))
		got, err := k.kind.read(k.in)
		if err != nil {
			k.note("waits for message %d and %d answers", want, owed)
			return err
		}
		if got == pong && owed > 0 {
			owed--
			k.done()
			continue
		}
		message, ok := strings.CutPrefix(got, header)
		if !ok || end {
			return unexpected{got, header}
		}
		if end, err = k.next(bulkText(message), want, &k.tally.missed); err != nil {
			return err
		}
		k.tally.messages.Add(1)
		want++
		if k.rand.IntN(4) == 0 {
			owed++
			if err := k.send(rig.Request("PING")); err != nil {
				return err
			}
		}
	}
	return nil
}

// talkPublishing publishes one message after the other, each of which is heard by one.
func talkPublishing(k *talker) error {
	last := 0
	for k.pause(k.pace) {
		last++
		if err := k.ask(rig.Request("PUBLISH", k.key, strconv.Itoa(last)), integerReply(1)); err != nil {
			return err
		}
	}
	return k.ask(rig.Request("PUBLISH", k.key, theEnd+strconv.Itoa(last+1)), integerReply(1))
}

// startCaching asks to be told what changes of what it reads.
func startCaching(k *talker) error {
	if err := k.send(rig.Request("HELLO", "3")); err != nil {
		return err
	}
	switch hello, err := k.kind.read(k.in); {
	case err != nil:
		return err
	case hello[0] != '%':
		return unexpected{hello, "a map"}
	}
	return k.ask(rig.Request("CLIENT", "TRACKING", "ON"), "+OK\r\n")
}

const nothingCached = -1

// talkCaching keeps the number that it has read until it is told that there is another one. After its writer was answered it asks
// the server of the key for something that neither reads nor changes it: what it keeps when the reply is here must not be older
// than what was written. (PING would not do: the proxy answers it.)
func talkCaching(k *talker) error {
	cached := nothingCached
	for staying := true; staying; {
		staying = k.pause(k.pace)
		written := int(k.written.Load())
		reply, err := k.askCached(rig.Request("PERSIST", k.key), &cached)
		if err == nil && reply != integerReply(0) {
			err = unexpected{reply, integerReply(0)}
		}
		if err == nil && cached != nothingCached && cached < written {
			k.tally.stale.Add(1)
			err = unexpected{fmt.Sprint(cached, " from the cache"), strconv.Itoa(written)}
		}
		if err != nil {
			return err
		}
		if cached != nothingCached || k.rand.IntN(4) == 0 {
			continue
		}
		written = int(k.written.Load())
		if reply, err = k.askCached(rig.Request("GET", k.key), &cached); err != nil {
			return err
		}
		n := 0
		if reply != "_\r\n" {
			if n, err = strconv.Atoi(bulkText(reply)); err != nil {
				return unexpected{reply, strconv.Itoa(written)}
			}
		}
		if n < written {
			k.tally.stale.Add(1)
			return unexpected{strconv.Itoa(n), strconv.Itoa(written)}
		}
		cached = n
	}
	return k.hearOut()
}

// askCached returns the reply to a request, before which the cache may be told to forget what it has.
func (k *talker) askCached(text string, cached *int) (reply string, err error) {
	if err := k.send(text); err != nil {
		return "", err
	}
	asked := time.Now()
	for {
		switch reply, err = k.kind.read(k.in); {
		case err != nil:
			return "", err
		case k.invalidates(reply):
			k.note("forgets %d", *cached)
			*cached = nothingCached
		case reply[0] == '>':
			return "", unexpected{reply, "an invalidation"}
		default:
			k.waited(asked)
			k.done()
			return reply, nil
		}
	}
}

// invalidates tells whether a reply is to have the cache forget what it has.
func (k *talker) invalidates(reply string) bool {
	switch reply {
	case ">2\r\n" + rig.Bulk("invalidate") + rig.Array(rig.Bulk(k.key)):
		k.tally.invalidations.Add(1)
	case ">2\r\n" + rig.Bulk("invalidate") + "_\r\n":
		k.tally.flushes.Add(1)
	default:
		return false
	}
	return true
}

// hearOut reads what was pushed behind the last reply.
func (k *talker) hearOut() error {
	for k.in.Buffered() > 0 {
		if push, err := k.kind.read(k.in); err != nil || !k.invalidates(push) {
			return cmp.Or(err, error(unexpected{push, "an invalidation"}))
		}
	}
	return nil
}

// talkWriting writes one number after the other, and says which was the last to be answered.
func talkWriting(k *talker) error {
	for n := 1; k.pause(k.pace); n++ {
		if err := k.ask(rig.Request("SET", k.key, strconv.Itoa(n)), "+OK\r\n"); err != nil {
			return err
		}
		k.of.written.Store(int64(n))
	}
	return nil
}

// bulkText returns what a bulk string holds; something that is none is not changed.
func bulkText(reply string) string {
	header, text, _ := strings.Cut(reply, "\r\n")
	if header != fmt.Sprint("$", len(text)-2) {
		return reply
	}
	return text[:len(text)-2]
}
