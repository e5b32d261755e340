//go:build fault

// The clients of worlds in which things break: they know what each reply must be, and what may have become of it.

package core

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// faultyClient is a client that may do anything while it is a victim.
type faultyClient struct {
	*peer
	pool   *faultyPool
	slot   int
	number int
	seq    int
	modest bool // asks for little at a time
	plain  bool // sets nothing
	victim bool
	reset  bool // the kernel has told the worker so
	ends   bool // has said what ends the connection
	asks   []byte

	old  bool   // its version of TLS has no KeyUpdate
	user string // who it is when all that it has asked is answered, in a pool with users

	session faultySession
	aborted bool // a request of the last transaction was refused
	got     []byte
	waits   []wait
}

// wait is a reply that is owed.
type wait struct {
	asks    string
	want    []byte
	parts   [][]byte // of an array whose elements may be errors one by one
	servers []*faultyServer
	large   bool
	watched bool // may be null, if the connection on which it was watched has ended or keys have moved

	or         []byte                  // this will do as well
	meets      func(reply []byte) bool // in the place of want
	then       func()                  // is called with the right reply
	fails      func()                  // is called with an error
	keys       []string                // whose values it tells
	silent     bool                    // there is none
	subscribes bool                    // is a confirmation
	moves      bool                    // with it goes all that the client has read
}

const (
	mostWaits  = 24
	largeValue = 200_000
)

func (w *faultyWorld) addClient() {
	p := w.pools[w.random.IntN(len(w.pools))]
	w.numbers++
	c := &faultyClient{pool: p, slot: w.random.IntN(w.slots), number: w.numbers, modest: w.one(2), plain: w.one(3) || p.cluster != nil, session: newFaultySession(p), user: acl.DefaultUser}
	w.happens("c%d connects", c.number)
	c.peer = &peer{name: fmt.Sprint("c", c.number), deaf: true} // the world receives for it
	var err error
	c.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	w.must(err)
	w.must(unix.Bind(c.fd, &unix.SockaddrUnix{Name: w.addressOf(c)}))
	w.must(unix.Connect(c.fd, &unix.SockaddrUnix{Name: w.front(p.index, c.slot)}))
	c.beginTLS(w)
	w.rig.clients = append(w.rig.clients, c.peer)
	w.clients = append(w.clients, c)
}

func (w *faultyWorld) someClient() *faultyClient {
	c := w.clients[w.random.IntN(len(w.clients))]
	if c.fd < 0 || c.ended {
		return nil
	}
	return c
}

// addressOf is by what a worker's end of a connection tells whose it is.
func (c *faultyClient) isOwed() bool { return len(c.waits) > 0 }

func (w *faultyWorld) addressOf(c *faultyClient) string { return "@" + w.dir + "/" + c.name }

// clientOf returns the client that a worker's is the other end of.
func (w *faultyWorld) clientOf(h *client) *faultyClient {
	if c := w.known[h]; c != nil {
		return c
	}
	address := sock.PeerAddress(h.stream.FD())
	for _, c := range w.clients {
		if w.addressOf(c)+":0" == address {
			w.known[h] = c
			return c
		}
	}
	return nil
}

// clientActs does what clients do.
func (w *faultyWorld) clientActs(c *faultyClient) {
	if c.victim && c.tls != nil && w.secured.IntN(100) == 0 {
		c.spoil(w)
	}
	if c.victim && w.one(12) {
		c.misbehave(w)
		return
	}
	if !c.ends && len(c.waits) < mostWaits && w.one(2) {
		for range 1 + w.random.IntN(4) {
			c.ask(w)
		}
	}
	c.send(w, w.one(2))
	c.receive(w)
}

func (c *faultyClient) misbehave(w *faultyWorld) {
	switch w.random.IntN(5) {
	case 0:
		w.breaks("client hangs up", "%s", c.name)
		c.hangUp()
	case 1:
		w.breaks("client half-closes", "%s", c.name)
		c.send(w, true)
		if len(c.asks)+len(c.rest) == 0 && !c.shakes() {
			c.ends = true
			w.must(c.halfClose())
		}
	case 2:
		if !c.ends {
			w.breaks("client talks garbage", "%s", c.name)
			c.ends = true
			text := "*1\r\n$x\r\n"
			want := "-ERR Protocol error: invalid bulk length\r\n"
			if c.pool.protocol == link.Memcache {
				text, want = "quit\r\n", ""
			}
			c.asks = append(c.asks, text...)
			if want != "" {
				c.waits = append(c.waits, wait{asks: text, want: []byte(want)})
			}
		}
	case 3:
		w.breaks("client breaks off", "%s", c.name)
		c.asks = c.asks[:w.random.IntN(len(c.asks)+1)]
		c.send(w, true)
		c.hangUp()
	default: // sends and does not listen
		for range mostWaits / 2 {
			if !c.ends {
				c.ask(w)
			}
		}
		c.send(w, true)
	}
}

// key returns a key that nobody has asked for before. It says how long its value is.
func (c *faultyClient) key(w *faultyWorld, large bool) string {
	size := w.random.IntN(60)
	if large {
		size = w.random.IntN(largeValue)
	}
	marks := c.session.marks()
	slot := ""
	if c.pool.cluster != nil {
		slot = w.keyInSlot()
	}
	key := fmt.Sprintf("c%d:%d:%x%s.%s:%d", c.number, c.seq, w.random.Uint32(), slot, marks, size)
	if strings.HasSuffix(marks, "1") {
		c.session.reads[key], c.session.reads["t"+key] = c.session.era, c.session.era
	}
	return key
}

// askOf asks one server for something small.
func (c *faultyClient) askOf(w *faultyWorld, s *faultyServer) {
	c.seq++
	key := c.key(w, false)
	for c.pool.owner(key) != s {
		key = c.key(w, false)
	}
	c.put(w, false, "get", key)
}

// ask says one more request.
func (c *faultyClient) ask(w *faultyWorld) {
	c.seq++
	if c.askUser(w) || c.askSession(w) {
		return
	}
	large := !c.modest && w.one(8)
	key := c.key(w, large)
	name := "get"
	var more []string
	if c.pool.protocol == link.Redis && c.pool.cluster == nil && w.one(10) {
		c.askTransaction(w, large)
		return
	}
	switch w.random.IntN(10) {
	case 0, 1:
		name = "set"
	case 2:
		name = "incr"
	case 3, 4:
		name = "mget"
		for range w.random.IntN(6) {
			more = append(more, c.key(w, large && w.one(3)))
		}
	case 5:
		name = "mset"
		for range w.random.IntN(4) {
			more = append(more, c.key(w, large && w.one(3)))
		}
	case 6:
		name = "odd"
	}
	c.put(w, large, name, append([]string{key}, more...)...)
}

// askTransaction says a transaction, with keys that are told from others by their first letter.
func (c *faultyClient) askTransaction(w *faultyWorld, large bool) {
	say := func(want []byte, servers []*faultyServer, words ...string) {
		asks := string(redisRequestOf(words...))
		c.asks = append(c.asks, asks...)
		c.waits = append(c.waits, wait{asks: asks[:min(len(asks), 200)], want: want, servers: servers, large: large})
	}
	first := "t" + c.key(w, large)
	watched := c.session.caching == "" && w.one(3) // WATCH would be what CLIENT CACHING is about
	if watched {
		say([]byte("+OK\r\n"), c.pool.servers, "WATCH", first)
		c.seq++
	}
	say([]byte("+OK\r\n"), nil, "MULTI")
	var replies [][]byte
	var keys []string
	for i := range 1 + w.random.IntN(4) {
		c.seq++
		key := first
		if i > 0 {
			for key = "t" + c.key(w, large); c.pool.owner(key) != c.pool.owner(first); key = "t" + c.key(w, large) {
			}
		}
		keys = append(keys, key)
		words := [][]string{{"get", key}, {"set", key, valueOf(key)}, {"mget", key, first}}[w.random.IntN(3)]
		replies = append(replies, executeRedis(words))
		say([]byte("+QUEUED\r\n"), c.pool.servers, words...) // if one is ejected, keys live elsewhere
	}
	if w.one(8) {
		say([]byte("+OK\r\n"), nil, "DISCARD")
		return
	}
	say(blockReply(replies), c.pool.servers, "EXEC")
	c.waits[len(c.waits)-1].watched = watched
	c.waits[len(c.waits)-1].keys = keys
}

// put queues a request and what is to come of it.
func (c *faultyClient) put(w *faultyWorld, large bool, name string, keys ...string) {
	var asks string
	var r wait
	silent := false
	if c.pool.protocol == link.Memcache {
		asks, silent = c.putMemcache(w, name, keys, &r)
	} else {
		asks = c.putRedis(w, name, keys, &r)
	}
	c.asks = append(c.asks, asks...)
	if silent {
		return
	}
	r.asks, r.large, r.keys = asks[:min(len(asks), 200)], large, keys
	for _, key := range keys {
		if s := c.pool.owner(key); !slices.Contains(r.servers, s) {
			r.servers = append(r.servers, s)
		}
	}
	if strings.Contains(r.asks, "BRPOP") || c.pool.cluster != nil { // if another is back, keys live there again; slots move
		r.servers = c.pool.servers
	}
	c.waits = append(c.waits, r)
}

func (c *faultyClient) putRedis(w *faultyWorld, name string, keys []string, r *wait) string {
	words := append([]string{name}, keys...)
	if r.want = c.denied(w, name, keys); r.want != nil {
		return string(redisRequestOf(words...))
	}
	switch name {
	case "set", "mset":
		words = words[:1]
		for _, key := range keys {
			words = append(words, key, valueOf(key))
		}
	case "mget":
		if c.pool.perKey && len(keys) > 1 {
			for _, key := range keys {
				r.parts = append(r.parts, resp.AppendBulkString(nil, valueOf(key)))
			}
		}
	case "odd":
		kinds := 6
		if c.pool.cluster != nil {
			kinds-- // one that waits is unblocked when its slot moves
		}
		switch w.random.IntN(kinds) {
		case 0:
			words = []string{"PING"}
		case 1:
			if r.want = c.denied(w, "echo", keys); r.want == nil {
				r.want = resp.AppendBulkString(nil, valueOf(keys[0]))
			}
			return string(redisRequestOf("ECHO", valueOf(keys[0])))
		case 2:
			r.want = []byte("-ERR unknown command 'NoSuch', with args beginning with: \r\n")
			return "NoSuch\r\n"
		case 3:
			words[0] = "DEL"
		case 4:
			r.want = resp.AppendBulkString(nil, valueOf(keys[0]))
			return "GET " + keys[0] + "\r\n"
		case 5:
			words = []string{"BRPOP", keys[0], "0"}
		}
	}
	r.want = executeRedis(words)
	return string(redisRequestOf(words...))
}

func (c *faultyClient) putMemcache(w *faultyWorld, name string, keys []string, r *wait) (asks string, silent bool) {
	line := name + " " + keys[0]
	switch name {
	case "mget":
		line = "get " + strings.Join(keys, " ")
		if w.one(2) {
			line = "gets " + strings.Join(keys, " ")
		}
	case "set", "mset":
		value := valueOf(keys[0])
		if w.one(3) {
			r.want = []byte("HD\r\n")
			return fmt.Sprintf("ms %s %d\r\n%s\r\n", keys[0], len(value), value), false
		}
		silent = w.one(4)
		r.want = []byte("STORED\r\n")
		return fmt.Sprintf("set %s 0 0 %d%s\r\n%s\r\n", keys[0], len(value), noreplyIf(silent), value), silent
	case "incr":
		silent = w.one(4)
		r.want = executeMemcache([]string{"incr", keys[0]})
		return "incr " + keys[0] + " 1" + noreplyIf(silent) + "\r\n", silent
	case "odd":
		switch w.random.IntN(6) {
		case 0:
			r.servers = c.pool.servers
			line = "verbosity 1"
		case 1:
			r.servers = c.pool.servers // whichever
			line = "version"
		case 2:
			line = "delete " + keys[0]
		case 3:
			line = "touch " + keys[0] + " 0"
		case 4:
			line = "mg " + keys[0] + " v"
		case 5:
			line = "mn"
		}
	}
	r.want = executeMemcache(strings.Fields(line))
	return line + "\r\n", false
}

func noreplyIf(silent bool) string {
	if silent {
		return " noreply"
	}
	return ""
}

// send sends something, or everything, of what is to be said.
func (c *faultyClient) send(w *faultyWorld, all bool) (busy bool) {
	if c.fd < 0 || c.ended || len(c.asks)+len(c.rest) == 0 {
		return false
	}
	if c.tls != nil {
		return c.sendTLS(w, all)
	}
	b := c.asks
	if !all {
		b = b[:w.random.IntN(min(len(b), 1<<w.random.IntN(18)))+1]
	}
	n, err := sock.Send(c.fd, b)
	w.happens("%s sends %.60q… %d of %d", c.name, b, n, len(c.asks))
	c.asks = c.asks[n:]
	if err != nil && err != unix.EAGAIN {
		c.asks = nil
	}
	return n > 0
}

// receive takes what is there and compares it with what must be.
func (c *faultyClient) receive(w *faultyWorld) (busy bool) {
	if c.fd < 0 {
		return false
	}
	c.deaf = false
	busy = c.pull()
	c.deaf = true
	c.checkTLS(w)
	c.got = append(c.got, c.take()...)
	for len(c.got) > 0 {
		n := 0
		var err error
		if c.pool.protocol == link.Memcache {
			n, _, err = memcache.ConsumeReply(c.got, memcache.Progress{})
		} else {
			n, _, err = resp.ConsumeReply(c.got, resp.Progress{})
		}
		if err != nil {
			w.t.Fatalf("%s gets no reply but %.200q: %v", c.name, c.got, err)
		}
		if n == 0 {
			break
		}
		c.hears(w, c.got[:n])
		c.got = c.got[n:]
	}
	if c.ended {
		c.mayEnd(w)
		c.hangUp()
	}
	return busy
}

// hears compares a reply.
func (c *faultyClient) hears(w *faultyWorld, reply []byte) {
	if isPushed(reply) {
		c.hearsPush(w, reply)
		return
	}
	w.answered++
	w.happens("%s hears %.60q… %d", c.name, reply, len(reply))
	if len(c.waits) == 0 {
		if reason := c.reason(w, reply); reason == "" {
			w.t.Fatalf("%s, which waits for nothing, gets %.300q", c.name, reply)
		}
		return
	}
	r := c.waits[0]
	c.waits = c.waits[1:]
	if r.isMet(reply) {
		if r.then != nil {
			r.then()
		}
		if strings.HasSuffix(r.asks, "EXEC\r\n") || strings.HasSuffix(r.asks, "DISCARD\r\n") {
			c.aborted = false
		}
		return
	}
	w.errors++
	if bytes.HasSuffix(reply, []byte("; the outcome is unknown\r\n")) {
		w.unknown[c.nameOf(&r)] = true
	}
	if r.fails != nil {
		r.fails()
	}
	if c.aborted && bytes.Equal(reply, resp.AppendError(nil, resp.ExecAbort)) {
		c.aborted = false
		return
	}
	c.aborted = c.aborted || bytes.Equal(r.want, queuedReply) || strings.HasPrefix(r.asks, "*2\r\n$5\r\nWATCH")
	if r.watched && (string(reply) == "*-1\r\n" || string(reply) == "_\r\n") && (c.aborted || len(w.shortage.texts()) > 0 || slices.ContainsFunc(r.servers, func(s *faultyServer) bool { return s.victim })) {
		return
	}
	if r.parts != nil && !resp.IsError(reply) {
		c.hearsParts(w, r, reply)
		return
	}
	if !c.mayHear(w, r, reply) {
		w.t.Fatalf("%s gets %.300q, want %.300q, to %q to %v", c.name, reply, r.want, r.asks, namesOf(r.servers))
	}
}

// nameOf returns what the keys of a request have in common and those of no other have: whose it is, and its number.
func (c *faultyClient) nameOf(r *wait) string {
	_, rest, _ := strings.Cut(r.asks, c.name+":")
	seq, _, _ := strings.Cut(rest, ":")
	return c.name + ":" + seq
}

// isMet tells whether this is the right reply.
func (r *wait) isMet(reply []byte) bool {
	if r.meets != nil {
		return r.meets(reply)
	}
	return bytes.Equal(reply, r.want) || r.or != nil && bytes.Equal(reply, r.or)
}

func namesOf(servers []*faultyServer) (names []string) {
	for _, s := range servers {
		names = append(names, s.name)
	}
	return names
}

// hearsParts compares an array, of which each element may be an error.
func (c *faultyClient) hearsParts(w *faultyWorld, r wait, reply []byte) {
	_, off, ok := resp.ArrayLen(reply)
	for _, want := range r.parts {
		n, _, err := resp.ConsumeReply(reply[off:], resp.Progress{})
		if !ok || err != nil || n == 0 || !bytes.Equal(reply[off:off+n], want) && !c.mayHear(w, r, reply[off:off+n]) {
			w.t.Fatalf("%s gets %.300q, want %.300q, to %q", c.name, reply, r.want, r.asks)
		}
		off += n
	}
	if off != len(reply) {
		w.t.Fatalf("%s gets %.300q, want %d elements", c.name, reply, len(r.parts))
	}
}

// mayHear tells whether an error may stand for the reply.
func (c *faultyClient) mayHear(w *faultyWorld, r wait, reply []byte) bool {
	if !resp.IsError(reply) && !memcache.IsError(reply) {
		return false
	}
	moved := bytes.HasPrefix(reply, []byte("-UNBLOCKED the key has moved")) // also when a server is back
	for _, s := range r.servers {
		if s.victim || moved && s.wasVictim {
			return isKnown(reply)
		}
		if s.hasLateReplica() && bytes.Contains(reply, []byte("Connection timed out")) {
			return true
		}
	}
	if c.pool.cluster != nil && (w.shortage.limit || w.shortage.memory) { // nothing waits then for slots that move
		return isKnown(reply)
	}
	return c.reason(w, reply) != ""
}

// reason returns which shortage an error tells of.
func (c *faultyClient) reason(w *faultyWorld, reply []byte) string {
	for _, text := range w.shortage.texts() {
		if bytes.Contains(reply, []byte(text)) {
			return text
		}
	}
	return ""
}

// isKnown tells whether an error is one that clients are told.
func isKnown(reply []byte) bool {
	for _, known := range []string{
		"Connection refused", "Connection timed out", "Connection reset by peer", "Broken pipe", "Host is down", "No route to host",
		"Network is unreachable", "Too many open files", "Cannot assign requested address", "No space left on device",
		"No buffer space available", "Cannot allocate memory", "LOADING", "out of memory storing object",
		errGarbage.Error(), errUnsolicited.Error(), errGreeting.Error(), errMemory.Error(), errNoMemory.Error(), errReplyMemory.Error(),
		foreignCause(errOpenTransaction), "Connection timed out", "No such file or directory", "EXECABORT", "CROSSSHARD", "UNBLOCKED the key has moved",
		errServerDown.Error(), "Server has moved", "Slot moves", "CLUSTERDOWN",
	} {
		if bytes.Contains(reply, []byte(known)) {
			return true
		}
	}
	return false
}

// mayEnd checks that there is a reason for the end of the connection.
func (c *faultyClient) mayEnd(w *faultyWorld) {
	s := w.shortage
	switch {
	case c.victim, c.ends, c.mayBeEnded(w):
	case !c.modest && (s.memory || s.limit):
	default:
		w.t.Fatalf("%s, which has done nothing wrong, is closed; it waits for %d replies", c.name, len(c.waits))
	}
	c.waits, c.asks = nil, nil
}
