//go:build fault

// A server's side of one connection, in worlds in which things break. What the server pushes says itself whom it is for, so that
// it is noticed if anybody else gets it, or nobody.

package core

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// faultyTalk is a server's side of one connection.
type faultyTalk struct {
	requests []byte
	replies  [][]byte
	sent     int            // bytes of replies[0]
	last     map[string]int // the last request of each client
	sour     int            // so many of the next replies are errors
	block    [][]byte       // replies to what has come since MULTI; nil: not in a transaction
	dirty    bool           // one of them was an error
	asking   bool           // the next request may be for a slot that is on its way here
	misled   bool           // it has refused something that the requests behind it take to be so: nobody may get the replies to them
	spoiled  bool           // it has sent what is no reply

	version  resp.Version
	db       int
	blocked  []string                      // the request that waits; nil: none does
	until    int64                         // ns: when that has waited for long enough; 0: never
	channels [channelKinds]map[string]bool // and patterns, that are subscribed to
	tracks   string                        // in which mode keys are tracked; empty: in none
	caching  string                        // what CLIENT CACHING has said of the next request
	prefix   string                        // of the keys that BCAST is about
	bcast    int                           // the stint of that, and its pushes
	bcasts   int
	pending  []string // keys that the transaction reads
	reads    []string // keys of which one was read that is tracked
	monitors bool
	stint    int // a number of its own for whom it pushes to
	pushes   int // of this stint, that are numbered
}

func newFaultyTalk() *faultyTalk {
	return &faultyTalk{last: map[string]int{}, version: resp.RESP2}
}

// take reads what has arrived and queues the replies.
func (s *faultyServer) take(w *faultyWorld, c *peer) *faultyTalk {
	t := s.talks[c]
	if t == nil {
		t = newFaultyTalk()
		s.talks[c] = t
	}
	c.deaf = false
	c.pull()
	c.deaf = true
	if len(c.got) > 0 {
		w.happens("%s reads %.60q… %d", c.name, c.got, len(c.got))
	}
	t.requests = append(t.requests, c.take()...)
	for t.blocked == nil {
		words, n := s.pool.parse(w, t.requests)
		if n == 0 {
			return t
		}
		t.requests = t.requests[n:]
		s.check(w, t, words)
		if text := s.answer(w, t, words); text != nil {
			t.replies = append(t.replies, text)
		}
	}
	return t
}

// answer returns the reply to a request; nil: it comes later.
func (s *faultyServer) answer(w *faultyWorld, t *faultyTalk, words []string) (text []byte) {
	if s.pool.cluster != nil {
		return s.answerInCluster(w, t, words)
	}
	if t.misled {
		return []byte("$6\r\nmisled\r\n")
	}
	sour := t.sour > 0
	if sour {
		t.sour--
	}
	switch {
	case s.pool.protocol == link.Memcache:
		text = executeMemcache(words)
	case isOfSession(words):
		if sour { // and nothing is executed
			t.misled = t.misled || isRelied(words)
			if s.pool.repeats {
				t.refuse(w, words)
			}
			return []byte(whyNot[s.pool.protocol])
		}
		return t.converse(w, s, words)
	default:
		text = t.executeRedis(words, sour)
	}
	if sour {
		text = []byte(whyNot[s.pool.protocol])
		t.dirty = t.block != nil
		if s.pool.repeats && t.block == nil {
			t.refuse(w, words)
		}
	}
	return text
}

// executeRedis is executeRedis for a connection that may be in a transaction. What is refused reads nothing.
func (t *faultyTalk) executeRedis(words []string, refused bool) []byte {
	switch words[0] {
	case "MULTI":
		t.block, t.pending, t.dirty = [][]byte{}, nil, false
		return []byte("+OK\r\n")
	case "EXEC":
		reply := blockReply(t.block)
		if !t.dirty && !refused {
			t.reads = append(t.reads, t.pending...)
		}
		if t.dirty {
			reply = resp.AppendError(nil, resp.ExecAbort)
		}
		t.block, t.pending, t.caching = nil, nil, ""
		return reply
	}
	if isRead(words[0]) && t.tracksNext() && !refused {
		t.pending = append(t.pending, words[1:]...)
	}
	if t.block == nil {
		t.reads, t.pending, t.caching = append(t.reads, t.pending...), nil, ""
		return executeRedis(words)
	}
	t.block = append(t.block, executeRedis(words))
	return []byte("+QUEUED\r\n")
}

// blockReply returns the reply to EXEC.
func blockReply(replies [][]byte) []byte {
	return append(resp.AppendArray(nil, len(replies)), bytes.Join(replies, nil)...)
}

// isOfSession tells whether a request is about the connection, or may wait.
func isOfSession(words []string) bool {
	switch words[0] {
	case "HELLO", "SELECT", "CLIENT", "MONITOR", "PUBLISH", "SPUBLISH", "BRPOP", "BLPOP":
		return true
	}
	return strings.HasSuffix(words[0], "SUBSCRIBE")
}

// isRelied tells whether the requests behind this one take it that it succeeds. Of BCAST the reply is waited for.
func isRelied(words []string) bool {
	return words[0] == "SELECT" || words[0] == "CLIENT" && !slices.Contains(words, "BCAST") || strings.HasSuffix(words[0], "SUBSCRIBE")
}

// converse is executeRedis for those.
func (t *faultyTalk) converse(w *faultyWorld, s *faultyServer, words []string) []byte {
	switch words[0] {
	case "HELLO":
		t.version = resp.RESP3
		return []byte("%1\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n")
	case "SELECT":
		t.db, _ = strconv.Atoi(words[1])
	case "CLIENT":
		t.setClient(w, words[1:])
	case "MONITOR":
		t.monitors = true
		t.beginStint(w)
	case "BRPOP", "BLPOP":
		seconds, _ := strconv.ParseFloat(words[2], 64)
		t.blocked, t.until = words, 0
		if seconds > 0 {
			t.until = w.now + int64(seconds*float64(time.Second))
		}
		return nil
	case "PUBLISH", "SPUBLISH":
		return resp.AppendInt(nil, int64(s.publish(w, words)))
	default:
		return t.changeChannels(w, words)
	}
	return []byte("+OK\r\n")
}

// beginStint is called when the connection begins to be somebody's to whom it pushes.
func (t *faultyTalk) beginStint(w *faultyWorld) {
	w.stints++
	t.stint, t.pushes = w.stints, 0
}

// setClient carries out CLIENT TRACKING and CLIENT CACHING.
func (t *faultyTalk) setClient(w *faultyWorld, words []string) {
	switch {
	case words[0] == "CACHING":
		t.caching = words[1]
	case words[1] == "OFF":
		t.tracks, t.reads = "", nil
	default:
		t.tracks = "default"
		for _, mode := range []string{"BCAST", "OPTIN", "OPTOUT"} {
			if slices.Contains(words, mode) {
				t.tracks = mode
			}
		}
		if t.tracks == "BCAST" {
			w.stints++
			t.bcast, t.bcasts, t.prefix = w.stints, 0, words[len(words)-1]
		}
	}
}

// isIdle tells whether nothing is pushed that is numbered.
func (t *faultyTalk) isIdle() bool {
	return !t.monitors && len(t.channels[kindChannel])+len(t.channels[kindPattern])+len(t.channels[kindShardChannel]) == 0
}

// tracksNext tells whether keys are tracked that the next request reads.
func (t *faultyTalk) tracksNext() bool {
	switch t.tracks {
	case "OPTIN":
		return t.caching == "YES"
	case "OPTOUT":
		return t.caching != "NO"
	}
	return t.tracks == "default"
}

func isRead(name string) bool {
	return strings.EqualFold(name, "get") || strings.EqualFold(name, "mget")
}

// changeChannels carries out SUBSCRIBE and its kin, which the proxy sends name by name.
func (t *faultyTalk) changeChannels(w *faultyWorld, words []string) []byte {
	cmd := resp.Lookup([]byte(words[0]))
	kind, name := kindOfChannel(cmd), words[1]
	if len(words) != 2 {
		w.t.Fatalf("a server gets %.200q", words)
	}
	if cmd.Local == resp.LocalSubscribe {
		for other := range t.everyChannel {
			if clientOf(other) != clientOf(name) {
				w.t.Fatalf("a connection with a subscription to %q gets %q", other, words)
			}
		}
		if t.isIdle() {
			t.beginStint(w)
		}
		if t.channels[kind] == nil {
			t.channels[kind] = map[string]bool{}
		}
		t.channels[kind][name] = true
	} else {
		delete(t.channels[kind], name)
	}
	out := t.version.AppendPush(nil, 3)
	out = resp.AppendBulkString(out, strings.ToLower(words[0]))
	out = resp.AppendBulkString(out, name)
	return resp.AppendInt(out, 99) // the proxy has its own count
}

func (t *faultyTalk) everyChannel(do func(name string) bool) {
	for _, names := range t.channels {
		for name := range names {
			if !do(name) {
				return
			}
		}
	}
}

const keyEvents = "__keyspace@0__:" // what is published by every server begins with it

// clientOf returns the name of the client that a key, channel or pattern belongs to.
func clientOf(name string) string {
	name, _, _ = strings.Cut(strings.TrimPrefix(name, keyEvents), ":")
	return strings.TrimPrefix(name, "t")
}

// publish sends a message to those who are subscribed, and returns how many those are.
func (s *faultyServer) publish(w *faultyWorld, words []string) (count int) {
	kind := kindChannel
	if words[0] == "SPUBLISH" {
		kind = kindShardChannel
	}
	for _, c := range s.conns {
		if t := s.talks[c]; t != nil && c.fd >= 0 && t.channels[kind][words[1]] {
			t.publish(w, kind, words[1])
			count++
		}
	}
	return count
}

// publish pushes a message of a channel, or of one that a pattern matches.
func (t *faultyTalk) publish(w *faultyWorld, kind channelKind, name string) {
	t.pushes++
	payload := fmt.Sprintf("%d/%d/", t.stint, t.pushes)
	if c := w.named(clientOf(name)); w.one(10) && c != nil && !c.modest {
		payload += strings.Repeat("m", w.random.IntN(largeValue))
	}
	words := []string{[]string{"message", "pmessage", "smessage"}[kind], name, payload}
	if kind == kindPattern {
		words = slices.Insert(words, 2, strings.TrimSuffix(name, "*")+"any")
	}
	out := t.version.AppendPush(nil, len(words))
	for _, word := range words {
		out = resp.AppendBulkString(out, word)
	}
	t.replies = append(t.replies, out)
}

// speak pushes one of the things that there are to push.
func (t *faultyTalk) speak(w *faultyWorld) {
	if t.spoiled {
		return
	}
	for kind, names := range t.channels {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if w.one(len(names)) {
				t.publish(w, channelKind(kind), name)
			}
		}
	}
	switch {
	case t.monitors:
		t.pushes++
		t.replies = append(t.replies, fmt.Appendf(nil, "+%d/%d/ [0 127.0.0.1:1] \"GET\" \"k\"\r\n", t.stint, t.pushes))
	case t.tracks == "BCAST":
		t.bcasts++
		t.invalidate(w, fmt.Sprintf("%sbcast:%d/%d/", t.prefix, t.bcast, t.bcasts))
	case len(t.reads) > 0:
		i := w.random.IntN(len(t.reads))
		t.invalidate(w, t.reads[i])
		t.reads = slices.Delete(t.reads, i, i+1)
	}
}

// invalidate pushes that a key has changed. Its client must hear that, or that all have.
func (t *faultyTalk) invalidate(w *faultyWorld, key string) {
	if c := w.named(clientOf(key)); c != nil {
		c.session.isToForget(key)
	}
	t.replies = append(t.replies, append([]byte(">2\r\n$10\r\ninvalidate\r\n*1\r\n"), resp.AppendBulkString(nil, key)...))
}

// release answers the request that waits, if there is one.
func (t *faultyTalk) release(w *faultyWorld) (busy bool) {
	if t.blocked == nil {
		return false
	}
	reply := executeRedis(t.blocked)
	if t.until != 0 && (w.now >= t.until || w.one(3)) {
		reply = t.version.AppendNullArray(nil)
	}
	t.blocked, t.replies = nil, append(t.replies, reply)
	return true
}

// refuse forgets a request that is not executed: it may come again, but not after a later one of the same client.
func (t *faultyTalk) refuse(w *faultyWorld, words []string) {
	if key := keyOf(words); key != "" {
		delete(w.executed, words[0]+" "+key)
		t.last[strings.Split(key, ":")[0]]--
	}
}

// write sends some of what is to be answered, and tells whether that was anything.
func (t *faultyTalk) write(c *peer, most int) bool {
	busy := false
	for len(t.replies) > 0 && most > 0 && c.fd >= 0 {
		b := t.replies[0][t.sent:]
		b = b[:min(len(b), most)]
		n, err := sock.Send(c.fd, b)
		if err != nil && err != unix.EAGAIN {
			t.replies, t.sent = nil, 0
			return true
		}
		busy = busy || n > 0
		most -= n
		t.sent += n
		if t.sent == len(t.replies[0]) {
			t.replies, t.sent = t.replies[1:], 0
		} else if n < len(b) {
			break
		}
	}
	return busy
}
