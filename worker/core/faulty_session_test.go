//go:build fault

// What clients of worlds in which things break do beyond asking for keys: they subscribe, track, monitor, wait in servers, choose a
// protocol and a database, and want no replies. Each knows what it may hear because of that, and what it must.

package core

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// names are those of channels and patterns, by kind.
type names [channelKinds]map[string]bool

func (n *names) set(kind channelKind, name string, on bool) {
	if n[kind] == nil {
		n[kind] = map[string]bool{}
	}
	if on {
		n[kind][name] = true
	} else {
		delete(n[kind], name)
	}
}

func (n *names) sorted(kind channelKind) []string { return slices.Sorted(maps.Keys(n[kind])) }

// count returns what a confirmation says.
func (n *names) count(kind channelKind) int {
	if kind == kindShardChannel {
		return len(n[kindShardChannel])
	}
	return len(n[kindChannel]) + len(n[kindPattern])
}

func (n *names) none() bool { return n.count(kindChannel)+n.count(kindShardChannel) == 0 }

// faultySession is what a client has set.
type faultySession struct {
	// When all that it has asked is answered.
	version  resp.Version
	db       int
	silent   bool // it wants no replies
	asked    names
	tracks   string // in which mode; empty: in none
	caching  string
	monitors bool
	era      int // what was read in another one does not matter any more

	// By what it has heard.
	speaks     resp.Version
	hears      names
	tracking   bool
	broadcast  bool // in the mode in which it ends with one of its servers' connections
	monitoring bool
	failed     bool           // a subscription has not come about: the connection ends
	reads      map[string]int // keys that may be invalidated: in which era it has asked for them
	forgets    map[string]int // of them, those that it must still hear of
	stints     map[int]int    // of servers' connections: the number of the last push
}

func newFaultySession(p *faultyPool) faultySession {
	return faultySession{
		version: resp.RESP2, speaks: resp.RESP2, db: p.db,
		reads: map[string]int{}, forgets: map[string]int{}, stints: map[int]int{},
	}
}

// isBound tells whether it may ask little but for channels.
func (s *faultySession) isBound() bool { return s.version == resp.RESP2 && !s.asked.none() }

// marks are what keys say of the connection over which they are asked for: which database and protocol, and whether the server is to
// remember who reads them.
func (s *faultySession) marks() string {
	tracked := "0"
	switch {
	case s.tracks == "BCAST":
		tracked = "x"
	case s.tracks == "default", s.tracks == "OPTIN" && s.caching == "YES", s.tracks == "OPTOUT" && s.caching != "NO":
		tracked = "1"
	}
	return fmt.Sprintf("%d.%d.%s", s.db, s.version, tracked)
}

// checkMarks compares a key with the connection over which it is asked for.
func (t *faultyTalk) checkMarks(w *faultyWorld, words []string, key string) {
	marks := strings.Split(strings.Split(key, ":")[2], ".")[1:]
	tracked := "0"
	if t.tracksNext() {
		tracked = "1"
	}
	if marks[0] != strconv.Itoa(t.db) || marks[1] != strconv.Itoa(int(t.version)) {
		w.t.Fatalf("%.200q comes in database %d over RESP%d", words, t.db, t.version)
	}
	if isRead(words[0]) && marks[2] != "x" && marks[2] != tracked {
		w.t.Fatalf("%.200q comes over a connection that tracks it: %s (mode %q, caching %q)", words, tracked, t.tracks, t.caching)
	}
}

// isToForget is called when a server says that a key has changed.
func (s *faultySession) isToForget(key string) {
	if era, ok := s.reads[key]; ok && era == s.era {
		s.forgets[key] = era
	}
}

// say says a request, and what is to come of it.
func (c *faultyClient) say(r wait, words ...string) {
	asks := string(redisRequestOf(words...))
	c.asks = append(c.asks, asks...)
	r.asks = asks[:min(len(asks), 200)]
	if !c.session.silent && !r.silent {
		c.waits = append(c.waits, r)
	}
}

var okReply = []byte("+OK\r\n")

// askSession says something that is about the session, and tells whether it has.
func (c *faultyClient) askSession(w *faultyWorld) bool {
	s := &c.session
	switch {
	case c.pool.protocol != link.Redis || c.plain:
		return false
	case s.silent:
		c.askSilently(w)
	case s.monitors:
		c.askMonitoring(w)
	case s.isBound():
		c.askBound(w)
	case w.one(2):
		return false
	default:
		c.askToSet(w)
	}
	return true
}

// askSilently says what comes of nothing, or ends that.
func (c *faultyClient) askSilently(w *faultyWorld) {
	switch {
	case w.one(4):
		c.session.silent = false
		c.say(wait{want: okReply}, "CLIENT", "REPLY", "ON")
	case w.one(8):
		c.askReset()
	case w.one(8) && c.session.version == resp.RESP3:
		c.askChannels(w) // confirmations come all the same
	default:
		key := c.key(w, false)
		c.say(wait{}, "SET", key, valueOf(key))
	}
}

func (c *faultyClient) askMonitoring(w *faultyWorld) {
	switch {
	case w.one(5):
		c.askReset()
	case w.one(2):
		c.say(wait{want: []byte("+PONG\r\n")}, "PING")
	case c.session.monitoring && !c.isOwed(): // else that may end, or a next attempt fail
		c.say(wait{want: resp.AppendError(nil, resp.MonitorsOnly)}, "GET", c.key(w, false))
	}
}

// askBound says what a client of RESP2 may that has subscriptions, or may not.
func (c *faultyClient) askBound(w *faultyWorld) {
	switch w.random.IntN(8) {
	case 0:
		c.askReset()
	case 1:
		c.say(wait{want: []byte("*2\r\n$4\r\npong\r\n$0\r\n\r\n")}, "PING")
	case 2:
		c.say(wait{want: resp.AppendOnlySubscriber(nil, resp.Lookup([]byte("get")))}, "GET", c.key(w, false))
	default:
		c.askChannels(w)
	}
}

// askToSet changes the session.
func (c *faultyClient) askToSet(w *faultyWorld) {
	s := &c.session
	switch w.random.IntN(13) {
	case 0, 1:
		version := resp.Version(2 + w.random.IntN(2))
		if s.tracks != "" {
			version = resp.RESP3
		}
		c.askHello(version)
	case 2, 3, 4:
		c.askChannels(w)
	case 5:
		c.publish(w)
	case 6, 7:
		c.askTracking(w)
	case 8:
		if w.one(2) {
			c.say(wait{silent: true}, "CLIENT", "REPLY", "OFF")
			s.silent = true
			return
		}
		c.say(wait{silent: true}, "CLIENT", "REPLY", "SKIP")
		key := c.key(w, false)
		c.say(wait{silent: true}, "SET", key, valueOf(key))
	case 9:
		if n := w.random.IntN(4); n < c.pool.databases && s.tracks != "BCAST" {
			if n != s.db {
				s.era++
			}
			s.db = n
			c.say(wait{want: okReply, moves: true}, "SELECT", strconv.Itoa(n))
		}
	case 10:
		c.askReset()
	case 11:
		c.askToWait(w)
	case 12:
		if len(c.pool.servers) == 1 && s.tracks == "" && s.asked.none() {
			s.monitors, s.era = true, s.era+1
			era := s.era
			c.say(wait{want: okReply, servers: c.pool.servers, then: func() { s.monitoring = true }, fails: func() { s.monitors = s.monitors && s.era != era }}, "MONITOR")
		}
	}
}

func (c *faultyClient) askHello(version resp.Version) {
	s := &c.session
	s.version = version
	begins := version.AppendMap(nil, 7)
	c.say(wait{
		meets: func(reply []byte) bool { return bytes.HasPrefix(reply, begins) },
		then:  func() { s.speaks = version },
	}, "HELLO", strconv.Itoa(int(version)))
}

func (c *faultyClient) askReset() {
	s := &c.session
	era := s.era + 1
	fresh := newFaultySession(c.pool)
	c.user = acl.DefaultUser
	s.version, s.db, s.silent, s.asked, s.tracks, s.caching, s.monitors, s.era = fresh.version, fresh.db, false, names{}, "", "", false, era
	c.say(wait{want: []byte("+RESET\r\n"), then: func() {
		s.speaks, s.hears, s.monitoring = resp.RESP2, names{}, false
		s.endTracking(era)
	}}, "RESET")
}

// endTracking is called with the reply to what has ended it, unless it has begun anew meanwhile.
func (s *faultySession) endTracking(era int) {
	s.tracking = s.era != era
	s.broadcast = s.broadcast && s.tracking
}

// askToWait says a request that the server answers when it likes to.
func (c *faultyClient) askToWait(w *faultyWorld) {
	key := c.key(w, false)
	words := []string{"BLPOP", key, "0"}
	r := wait{want: executeRedis(words), servers: c.pool.servers}
	if w.one(2) {
		words[2] = fmt.Sprintf("%.3f", 0.001+w.random.Float64()/2)
		r.or = c.session.version.AppendNullArray(nil)
	}
	c.say(r, words...)
}

// askTracking begins to track, or ends it, or says that the next request is to be remembered, and asks it.
func (c *faultyClient) askTracking(w *faultyWorld) {
	s := &c.session
	switch {
	case s.version != resp.RESP3:
		c.askHello(resp.RESP3)
	case s.tracks == "":
		s.tracks = []string{"default", "BCAST", "OPTIN", "OPTOUT"}[w.random.IntN(4)]
		s.era++
		s.tracking = true
		words := []string{"CLIENT", "TRACKING", "ON"}
		if s.tracks != "default" {
			words = append(words, s.tracks)
		}
		if w.one(3) {
			words = append(words, "NOLOOP")
		}
		r := wait{want: okReply}
		if s.tracks == "BCAST" {
			s.broadcast = true
			words = append(words, "PREFIX", c.name+":")
			era := s.era
			r.servers = c.pool.servers
			r.fails = func() { // although some servers have agreed, and may have told something already
				if s.era == era {
					s.tracks, s.broadcast = "", false
				}
			}
		}
		c.say(r, words...)
	case w.one(4):
		s.tracks = ""
		s.era++
		era := s.era
		c.say(wait{want: okReply, then: func() { s.endTracking(era) }}, "CLIENT", "TRACKING", "OFF")
	case s.tracks == "OPTIN" || s.tracks == "OPTOUT":
		s.caching = map[string]string{"OPTIN": "YES", "OPTOUT": "NO"}[s.tracks]
		c.say(wait{want: okReply}, "CLIENT", "CACHING", s.caching)
		if w.one(2) {
			c.askTransaction(w, false)
		} else {
			c.seq++
			c.put(w, false, "mget", c.key(w, false), c.key(w, false))
		}
		s.caching = ""
	}
}

// publish publishes something to a client that listens.
func (c *faultyClient) publish(w *faultyWorld) {
	var channels, commands []string
	for _, other := range w.clients {
		if other.pool == c.pool {
			for _, name := range other.session.hears.sorted(kindChannel) {
				channels, commands = append(channels, name), append(commands, "PUBLISH")
			}
			for _, name := range other.session.hears.sorted(kindShardChannel) {
				channels, commands = append(channels, name), append(commands, "SPUBLISH")
			}
		}
	}
	if len(channels) == 0 {
		return
	}
	i := w.random.IntN(len(channels))
	c.say(wait{
		meets:   func(reply []byte) bool { return reply[0] == ':' },
		servers: []*faultyServer{c.pool.owner(channels[i])},
	}, commands[i], channels[i], c.key(w, false))
}

// askChannels subscribes to channels or patterns, or ends that.
func (c *faultyClient) askChannels(w *faultyWorld) {
	kind := channelKind(w.random.IntN(channelKinds))
	switch names := c.session.asked.sorted(kind); {
	case w.one(2):
		n := 1 + w.random.IntN(3)
		if !c.modest && w.one(10) {
			n = mostHeadArgs + w.random.IntN(100)
		}
		var fresh []string
		for range n {
			fresh = append(fresh, c.channel(w, kind))
		}
		if w.one(6) && len(names) > 0 {
			fresh[0] = names[0]
		}
		c.sayChannels(w, kind, subscribeNames[kind], fresh...)
	case w.one(4):
		c.sayAllChannels(w, kind, names)
	case w.one(8) || len(names) == 0:
		c.sayChannels(w, kind, unsubscribeNames[kind], c.channel(w, kind))
	default:
		w.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		c.sayChannels(w, kind, unsubscribeNames[kind], names[:1+w.random.IntN(len(names))]...)
	}
}

// channel returns the name of a new channel or pattern of this client.
func (c *faultyClient) channel(w *faultyWorld, kind channelKind) string {
	name := fmt.Sprintf("%s:%x", c.name, w.random.Uint32())
	switch {
	case kind == kindPattern:
		return name + "*"
	case kind == kindChannel && w.one(6):
		return keyEvents + name
	}
	return name
}

func (c *faultyClient) sayChannels(w *faultyWorld, kind channelKind, command string, names ...string) {
	s := &c.session
	on := command == subscribeNames[kind]
	asks := redisRequestOf(append([]string{command}, names...)...)
	c.asks = append(c.asks, asks...)
	for _, name := range names {
		s.asked.set(kind, name, on)
		c.waits = append(c.waits, wait{
			asks: command + " " + name, want: confirms(s.version, command, name, s.asked.count(kind)), servers: c.pool.servers,
			then: func() { s.hears.set(kind, name, on) }, fails: func() { s.failed = true }, subscribes: true,
		})
	}
}

// sayAllChannels ends all subscriptions of a kind. They are confirmed in any order.
func (c *faultyClient) sayAllChannels(w *faultyWorld, kind channelKind, names []string) {
	s := &c.session
	command := unsubscribeNames[kind]
	c.asks = append(c.asks, redisRequestOf(command)...)
	if len(names) == 0 {
		reply := s.version.AppendNull(resp.AppendBulkString(s.version.AppendPush(nil, 3), strings.ToLower(command)))
		c.waits = append(c.waits, wait{asks: command, want: resp.AppendInt(reply, int64(s.asked.count(kind)))})
		return
	}
	left := maps.Clone(s.asked[kind])
	version := s.version
	for _, name := range names {
		s.asked.set(kind, name, false)
		count := s.asked.count(kind)
		c.waits = append(c.waits, wait{
			asks: command, servers: c.pool.servers, fails: func() { s.failed = true }, subscribes: true,
			meets: func(reply []byte) bool {
				words := wordsOf(reply)
				if len(words) != 3 || !left[words[1]] || !bytes.Equal(reply, confirms(version, command, words[1], count)) {
					return false
				}
				delete(left, words[1])
				s.hears.set(kind, words[1], false)
				return true
			},
		})
	}
}

func confirms(v resp.Version, command, name string, count int) []byte {
	out := resp.AppendBulkString(v.AppendPush(nil, 3), strings.ToLower(command))
	return resp.AppendInt(resp.AppendBulkString(out, name), int64(count))
}

// wordsOf returns the elements of an array or push of strings and numbers.
func wordsOf(reply []byte) (words []string) {
	head := bytes.IndexByte(reply, '\n') + 1
	for rest := reply[head:]; len(rest) > 0; {
		n, _, err := resp.ConsumeReply(rest, resp.Progress{})
		if n == 0 || err != nil {
			return nil
		}
		word := rest[:n]
		if rest[0] == '$' {
			word, _ = resp.Bulk(word)
		}
		words = append(words, string(word))
		rest = rest[n:]
	}
	return words
}

// isPushed tells whether what a client has got is no reply.
func isPushed(got []byte) bool {
	return resp.NoticeOf(got) == resp.Published || resp.IsPush(got) && resp.NoticeOf(got) != resp.Confirmed ||
		len(got) > 1 && got[0] == '+' && got[1] >= '0' && got[1] <= '9'
}

// hearsPush checks that a push is for this client, and the next one that it may get.
func (c *faultyClient) hearsPush(w *faultyWorld, b []byte) {
	s := &c.session
	w.pushed++
	w.happens("%s hears %.60q… %d", c.name, b, len(b))
	switch {
	case b[0] == '+':
		if !s.monitoring {
			w.t.Fatalf("%s, which does not monitor, gets %.200q", c.name, b)
		}
		c.hearsNumbered(w, string(b[1:]))
	case resp.NoticeOf(b) == resp.Published:
		c.hearsMessage(w, b)
	case resp.IsInvalidation(b):
		c.hearsInvalidation(w, b)
	default:
		w.t.Fatalf("%s gets %.200q", c.name, b)
	}
}

func (c *faultyClient) hearsMessage(w *faultyWorld, b []byte) {
	s := &c.session
	words := wordsOf(b)
	kind := map[string]channelKind{"message": kindChannel, "pmessage": kindPattern, "smessage": kindShardChannel}[words[0]]
	switch form := s.speaks.AppendPush(nil, 0); {
	case b[0] != form[0]:
		w.t.Fatalf("%s, which speaks RESP%d, gets %.200q", c.name, s.speaks, b)
	case clientOf(words[1]) == c.name && s.failed: // by one of several servers; its connection ends
		return
	case !s.hears[kind][words[1]]:
		w.t.Fatalf("%s, which has subscribed to %v, gets %.200q", c.name, s.hears.sorted(kind), b)
	}
	c.hearsNumbered(w, words[len(words)-1])
}

// hearsNumbered checks that what a server has pushed over a connection comes in order, once, and to one client.
func (c *faultyClient) hearsNumbered(w *faultyWorld, text string) {
	var stint, number int
	if _, err := fmt.Sscanf(text, "%d/%d/", &stint, &number); err != nil {
		w.t.Fatalf("%s gets %.200q", c.name, text)
	}
	if last := c.session.stints[stint]; number != last+1 {
		w.t.Fatalf("%s gets push %d of stint %d after push %d", c.name, number, stint, last)
	}
	c.session.stints[stint] = number
	for _, other := range w.clients {
		if other != c && other.session.stints[stint] > 0 {
			w.t.Fatalf("%s gets push %d of stint %d, which was %s's", c.name, number, stint, other.name)
		}
	}
}

func (c *faultyClient) hearsInvalidation(w *faultyWorld, b []byte) {
	s := &c.session
	const head = ">2\r\n$10\r\ninvalidate\r\n"
	switch rest := string(b[len(head):]); {
	case rest == "*0\r\n" && s.speaks == resp.RESP3:
		return
	case !s.tracking && rest != "_\r\n":
		w.t.Fatalf("%s, which tracks nothing, gets %.200q", c.name, b)
	case rest == "_\r\n":
		if moves := len(c.waits) > 0 && c.waits[0].moves; !moves && !c.mayLoseServers(w) {
			w.t.Fatalf("%s is to forget everything for no reason", c.name)
		}
		clear(s.forgets)
		c.holdsWhatIsToCome()
		return
	}
	words := wordsOf(wordsOfRest(b))
	key := words[0]
	delete(s.forgets, key)
	if strings.HasPrefix(key, c.name+":bcast:") {
		c.hearsNumbered(w, strings.TrimPrefix(key, c.name+":bcast:"))
		return
	}
	if _, ok := s.reads[key]; !ok {
		w.t.Fatalf("%s has never read %.200q", c.name, key)
	}
	for _, r := range c.waits {
		if slices.Contains(r.keys, key) {
			w.t.Fatalf("%s is to forget %.200q before it has got it", c.name, key)
		}
	}
}

// longAgo is an era before all others.
const longAgo = -1

// holdsWhatIsToCome has the client hold nothing that it has read, but for what it still waits for.
func (c *faultyClient) holdsWhatIsToCome() {
	for key := range c.session.reads {
		if !slices.ContainsFunc(c.waits, func(r wait) bool { return slices.Contains(r.keys, key) }) {
			c.session.reads[key] = longAgo
		}
	}
}

// wordsOfRest returns the array of keys of an invalidation.
func wordsOfRest(b []byte) []byte { return b[bytes.LastIndexByte(b, '*'):] }

// mayLoseServers tells whether connections to its servers may have ended.
func (c *faultyClient) mayLoseServers(w *faultyWorld) bool {
	return len(w.shortage.texts()) > 0 || slices.ContainsFunc(c.pool.servers, func(s *faultyServer) bool { return s.wasVictim })
}

// mayBeEnded tells whether the connection may end since one to a server has: what the client would listen to nobody tells it.
func (c *faultyClient) mayBeEnded(w *faultyWorld) bool {
	s := &c.session
	pending := slices.ContainsFunc(c.waits, func(r wait) bool { return r.subscribes })
	return s.failed || (pending || s.broadcast || s.monitors || s.monitoring) && c.mayLoseServers(w)
}

// unheard tells what a client of whom nothing is to be answered should have heard, or should be subscribed to.
func (c *faultyClient) unheard(w *faultyWorld) string {
	s := &c.session
	for key, era := range s.forgets {
		if era == s.era {
			return fmt.Sprintf("%s is not told that %s has changed", c.name, key)
		}
	}
	for kind := range s.hears {
		for name := range s.hears[kind] {
			want := 1
			if kind == int(kindPattern) || strings.HasPrefix(name, keyEvents) {
				want = len(c.pool.servers)
			}
			got := 0
			for _, server := range c.pool.servers {
				for _, t := range server.open() {
					if t.channels[kind][name] {
						got++
						if want == 1 && c.pool.owner(name) != server {
							return fmt.Sprintf("%s is subscribed to %s at %s", c.name, name, server.name)
						}
					}
				}
			}
			if got != want {
				return fmt.Sprintf("%s is subscribed to %s over %d connections, want %d", c.name, name, got, want)
			}
		}
	}
	return ""
}

// open returns the server's sides of connections that are good.
func (s *faultyServer) open() (talks []*faultyTalk) {
	for _, c := range s.conns {
		if t := s.talks[c]; t != nil && c.fd >= 0 && !c.ended && !t.spoiled {
			talks = append(talks, t)
		}
	}
	return talks
}

// unheardOf tells what a server has pushed that nobody has got.
func (s *faultyServer) unheardOf(w *faultyWorld) string {
	for _, t := range s.open() {
		for name := range t.everyChannel {
			c := w.named(clientOf(name))
			switch {
			case c == nil || c.fd < 0 || c.ended:
				return fmt.Sprintf("%s has a subscription to %q of a client that is gone", s.name, name)
			case c.session.stints[t.stint] != t.pushes:
				return fmt.Sprintf("%s has got %d of %d pushes of %s", c.name, c.session.stints[t.stint], t.pushes, s.name)
			}
		}
	}
	return ""
}

// named returns the client of that name; nil: it is gone.
func (w *faultyWorld) named(name string) *faultyClient {
	for _, c := range w.clients {
		if c.name == name {
			return c
		}
	}
	return nil
}

// free has a client that may not ask everything do so, or else ask what it may.
func (c *faultyClient) free(w *faultyWorld) (may bool) {
	s := &c.session
	if s.silent {
		s.silent = false
		c.say(wait{want: okReply}, "CLIENT", "REPLY", "ON")
	}
	if s.monitors || s.isBound() {
		if w.one(2) {
			c.say(wait{meets: func(reply []byte) bool { return bytes.Contains(bytes.ToLower(reply), []byte("pong")) }}, "PING")
			return false
		}
		c.askReset()
	}
	return true
}
