//go:build fault

// The servers of worlds in which things break: what they answer depends on the request alone, so that everybody knows
// what is right.

package core

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// faultyPool is a pool as its clients know it.
type faultyPool struct {
	index     int
	protocol  link.Protocol
	perKey    bool
	repeats   bool // reads may come twice
	replicas  bool // and be answered by replicas
	db        int
	databases int // 0: no others
	servers   []*faultyServer
	keys      *shard.Map // with all servers live
	encrypted bool       // its clients encrypt
	users     bool       // and are somebody

	wrongLogins int
	cluster     *faultyCluster // nil: it is none
}

// faultyServer is a server that may do anything while it is a victim.
type faultyServer struct {
	*fakeServer
	pool      *faultyPool
	index     int
	primary   *faultyServer   // of a replica; nil: it is none
	replicas  []*faultyServer // that reads may come to
	victim    bool
	wasVictim bool // in any storm
	silent    bool
	failures  int // in a row that were counted before the storm
	talks     map[*peer]*faultyTalk
}

// whyNot is what a server may say instead of what it is asked for.
var whyNot = map[link.Protocol]string{
	link.Redis: "-LOADING Redis is loading the dataset in memory\r\n", link.Memcache: "SERVER_ERROR out of memory storing object\r\n",
}

func (w *faultyWorld) addPool(index int, protocol link.Protocol) {
	var names []string
	count := 2 + w.random.IntN(3)
	if protocol == link.Redis && w.one(5) {
		count = 1
	}
	for i := range count {
		names = append(names, fmt.Sprintf("%c%d", protocol[0], i))
	}
	spec := w.redisPool(names...)
	spec.Name, spec.Protocol = string(protocol), protocol
	spec.Timeout = w.pace
	spec.Distribution = "ketama"
	spec.ServerConnections = 1 + w.random.IntN(2)
	spec.Preconnect = w.one(2)
	if w.one(3) {
		spec.ClientOutstanding = 1 + w.random.IntN(20)
	}
	if w.one(3) {
		spec.ClientOutputSoft = 1 << 14
	}
	if !w.one(4) {
		spec.AutoEjectHosts = true
		spec.ServerFailureLimit = 1 + w.random.IntN(3)
		spec.ServerRetryTimeout = w.retry
	}
	if protocol == link.Redis && w.one(3) {
		spec.DB = 1
	}
	if w.waits.IntN(3) == 0 {
		const least = 200 // ms: more than passes before those who are no victims are let do their work
		spec.FailoverWait = time.Duration(least+w.waits.IntN(2000)) * time.Millisecond
	}
	if spec.AutoEjectHosts && w.waits.IntN(3) == 0 {
		spec.AutoEjectHosts, spec.OnFailure = false, link.OnFailureFailFast
	}
	if protocol == link.Redis && w.one(2) {
		spec.Databases = 4
	}
	p := &faultyPool{index: index, protocol: protocol, repeats: spec.FailoverWait > 0, db: spec.DB, databases: spec.Databases}
	if w.one(2) {
		spec.MGetErrors = link.MGetErrorsPerKey
		p.perKey = protocol == link.Redis
	}
	var weighted []shard.Server
	where := w.random.IntN(3)
	for i, name := range names {
		s := &faultyServer{fakeServer: w.rig.servers[len(w.rig.servers)-len(names)+i], pool: p, index: i, talks: map[*peer]*faultyTalk{}}
		s.deaf = true
		switch where {
		case 1:
			spec.Servers[i].Network, spec.Servers[i].Address = "tcp", s.address(w)
		case 2:
			spec.Servers[i].Network, spec.Servers[i].Address = "tcp", name+".test:6379"
		}
		p.servers = append(p.servers, s)
		weighted = append(weighted, shard.Server{Name: name, Weight: 1})
	}
	w.servers = append(w.servers, p.servers...)
	w.secure(p, spec)
	if protocol == link.Redis && w.waits.IntN(3) == 0 {
		w.addReplicas(p, spec)
	}
	fn, _ := hash.ByName(spec.Hash)
	p.keys = shard.NewMap(shard.Ketama, fn, shard.HashTag{}, weighted)
	w.pools = append(w.pools, p)
}

// liveness is what the workers think of the server.
func (s *faultyServer) liveness(w *faultyWorld) shard.Liveness {
	return w.workers[0].pools[s.pool.index].servers[s.index].liveness()
}

// address is that of a server in a network that is not there, see divert.
func (s *faultyServer) address(w *faultyWorld) string {
	return fmt.Sprintf("192.0.2.%d:6379", 1+10*s.pool.index+s.index)
}

// owner returns the server of a key.
func (p *faultyPool) owner(key string) *faultyServer {
	if p.cluster != nil {
		return p.servers[p.cluster.ranges[rangeOf(key)].owner]
	}
	return p.servers[p.keys.Server([]byte(key))]
}

// valueOf returns the value of a key, which says how long it is.
func valueOf(key string) string {
	parts := strings.Split(key, ":")
	size, _ := strconv.Atoi(parts[len(parts)-1])
	return strings.Repeat(key+"|", size/(len(key)+1)+1)[:size]
}

func numberOf(key string) int64 { return int64(crc32.ChecksumIEEE([]byte(key))) }

// executeRedis returns the reply to a request.
func executeRedis(args []string) []byte {
	switch strings.ToLower(args[0]) {
	case "ping":
		return []byte("+PONG\r\n")
	case "get":
		return resp.AppendBulkString(nil, valueOf(args[1]))
	case "brpop", "blpop":
		return resp.AppendBulkString(resp.AppendBulkString(resp.AppendArray(nil, 2), args[1]), valueOf(args[1]))
	case "incr":
		return resp.AppendInt(nil, numberOf(args[1]))
	case "mget":
		b := resp.AppendArray(nil, len(args)-1)
		for _, key := range args[1:] {
			b = resp.AppendBulkString(b, valueOf(key))
		}
		return b
	case "del", "exists":
		return resp.AppendInt(nil, int64(len(args)-1))
	case "set", "mset", "select", "watch", "unwatch":
		return []byte("+OK\r\n")
	}
	panic("no server knows " + args[0])
}

// executeMemcache is executeRedis for the words of a line.
func executeMemcache(words []string) []byte {
	switch words[0] {
	case "version":
		return []byte("VERSION 1.6.18\r\n")
	case "mn":
		return []byte("MN\r\n")
	case "mg":
		return fmt.Appendf(nil, "VA %d\r\n%s\r\n", len(valueOf(words[1])), valueOf(words[1]))
	case "ms":
		return []byte("HD\r\n")
	case "get", "gets":
		var b []byte
		for _, key := range words[1:] {
			value := valueOf(key)
			unique := ""
			if words[0] == "gets" {
				unique = " 7"
			}
			b = fmt.Appendf(b, "VALUE %s 0 %d%s\r\n%s\r\n", key, len(value), unique, value)
		}
		return append(b, "END\r\n"...)
	case "set":
		return []byte("STORED\r\n")
	case "delete":
		return []byte("DELETED\r\n")
	case "touch":
		return []byte("TOUCHED\r\n")
	case "incr":
		return fmt.Appendf(nil, "%d\r\n", numberOf(words[1]))
	case "verbosity":
		return []byte("OK\r\n")
	}
	panic("no server knows " + words[0])
}

// parse returns the words of the request at the front of b, and its length.
func (p *faultyPool) parse(w *faultyWorld, b []byte) (words []string, n int) {
	if p.protocol == link.Memcache {
		r, _, n, err := memcache.ConsumeRequest(b, nil)
		w.must(err)
		if n == 0 {
			return nil, 0
		}
		if r.NoReply {
			w.t.Fatalf("a server is asked for no reply: %.100q", b[:n])
		}
		line, _, _ := bytes.Cut(b[:n], []byte("\r\n"))
		return strings.Fields(string(line)), n
	}
	n, args, err := resp.ConsumeRequest(b, nil)
	w.must(err)
	for _, arg := range args {
		words = append(words, string(arg.Of(b)))
	}
	return words, n
}

// check that nothing comes to a replica but reads, that no request comes twice, those of one client in their order, and nothing of anybody else's within a transaction.
func (s *faultyServer) check(w *faultyWorld, t *faultyTalk, words []string) {
	if words[0] == "WATCH" || t.misled || s.pool.cluster != nil { // see executes
		return
	}
	if s.primary != nil && !isForReplica(words[0]) {
		w.t.Fatalf("replica %s gets %.200q", s.name, words)
	}
	if inBlock := len(words) > 1 && strings.HasPrefix(words[1], "t"); inBlock != (t.block != nil) && words[0] != "EXEC" {
		w.t.Fatalf("server %s gets %.200q; in a transaction: %v", s.name, words, t.block != nil)
	}
	key := keyOf(words)
	if key == "" {
		return
	}
	if s.pool.protocol == link.Redis {
		t.checkMarks(w, words, key)
	}
	if w.denied[key] {
		w.t.Fatalf("server %s gets %.200q, which is forbidden", s.name, words)
	}
	id := words[0] + " " + key
	repeats := s.pool.repeats && strings.HasSuffix(strings.ToLower(words[0]), "get") && s.pool.protocol == link.Redis
	if w.executed[id] && !repeats {
		w.t.Fatalf("server %s is asked twice: %.200q", s.name, id)
	}
	w.executed[id] = true
	if s.pool.replicas && isRead(words[0]) { // it is asked again of whoever answers
		return
	}
	parts := strings.Split(key, ":")
	seq, _ := strconv.Atoi(parts[1])
	if last, known := t.last[parts[0]]; known && seq <= last {
		w.t.Fatalf("server %s gets request %d of %s after request %d", s.name, seq, parts[0], last)
	}
	t.last[parts[0]] = seq
}

// keyOf returns what tells a request from all others; empty: nothing does.
func keyOf(words []string) string {
	switch {
	case words[0] == "PUBLISH" || words[0] == "SPUBLISH":
		return words[2]
	case len(words) < 2 || !strings.Contains(words[1], ":") || strings.HasSuffix(words[0], "SUBSCRIBE"):
		return ""
	}
	return words[1]
}

// serveAll does everything that there is to do.
func (s *faultyServer) serveAll(w *faultyWorld) (busy bool) {
	busy = s.accept()
	for _, c := range s.conns {
		if c.fd < 0 {
			continue
		}
		t := s.take(w, c)
		if due := t.until != 0 && w.now >= t.until; !w.storm || due || w.one(4) {
			busy = t.release(w) || busy
		}
		busy = t.write(c, 1<<30) || busy
		if c.ended && len(t.replies) == 0 || t.spoiled {
			c.hangUp()
			busy = true
		}
	}
	s.forget()
	return busy
}

// forget drops connections that are over.
func (s *faultyServer) forget() {
	kept := s.conns[:0]
	for _, c := range s.conns {
		if c.fd >= 0 {
			kept = append(kept, c)
		} else {
			delete(s.talks, c)
		}
	}
	s.conns = kept
}

// serverActs serves a little, or does what a server should not.
func (w *faultyWorld) serverActs(s *faultyServer) {
	s.accept()
	s.forget()
	if len(s.conns) == 0 {
		if s.victim {
			s.misbehave(w, nil)
		}
		return
	}
	c := s.conns[w.random.IntN(len(s.conns))]
	if s.victim && w.one(3) {
		s.misbehave(w, c)
		return
	}
	if s.silent {
		return
	}
	t := s.take(w, c)
	most := 1 << 30
	if w.one(2) {
		most = w.random.IntN(200)
	}
	if w.one(3) {
		t.release(w)
	}
	if w.one(2) {
		t.speak(w)
	}
	t.write(c, most)
	if s.pool.protocol == link.Redis && t.sent == 0 && w.one(30) && len(t.replies) > 0 {
		w.happens("%s pushes", c.name)
		t.replies = append([][]byte{[]byte(">2\r\n$10\r\ninvalidate\r\n*0\r\n")}, t.replies...)
	}
	if c.ended {
		c.hangUp()
	}
}

// misbehave does one of the things that servers do when they are not well. c is one of its connections, or nil.
func (s *faultyServer) misbehave(w *faultyWorld, c *peer) {
	kind := w.random.IntN(10)
	if c == nil {
		kind = 7 + kind%3
	}
	switch kind {
	case 0:
		t := s.take(w, c)
		if t.sent == 0 {
			w.breaks("garbage", "%s", c.name)
			t.spoiled = true
			t.replies = append([][]byte{[]byte(w.garbage())}, t.replies...)
			t.write(c, 1<<30)
		}
	case 1:
		w.breaks("early close", "%s", c.name)
		s.take(w, c).write(c, w.random.IntN(2000))
		c.hangUp()
	case 2:
		w.breaks("reset", "%s", c.name) // as the kernel does when something is left unread
		c.hangUp()
	case 3:
		if t := s.take(w, c); len(t.replies) == 0 && len(t.requests) == 0 && s.owesNothing(w, c) {
			w.breaks("unasked", "%s", c.name)
			sock.Send(c.fd, []byte(whyNot[s.pool.protocol]))
			t.spoiled = true
			w.smooth = true // else it may come later than a request
			w.turn()
			w.smooth = false
		}
	case 4, 5:
		w.breaks("error", "%s", c.name)
		s.take(w, c).sour += 1 + w.random.IntN(3)
	case 6:
		w.breaks("silence", "%s falls silent", s.name)
		s.silent = true
	case 7:
		w.breaks("refusal", "%s refuses", s.name)
		s.refuse()
		if w.one(3) { // with its path
			w.must(os.RemoveAll(s.path))
		}
		for _, c := range s.conns {
			c.hangUp()
		}
	default:
		s.mend(w)
	}
}

// garbage is what is neither a reply nor the beginning of one.
func (w *faultyWorld) garbage() string {
	return []string{"?\r\n", "\x00\x01\x02\r\n", "$-5\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n"}[w.random.IntN(5)]
}

// owesNothing tells whether no worker waits for this server, so that a reply is nobody's.
func (s *faultyServer) owesNothing(w *faultyWorld, c *peer) bool {
	for _, l := range w.workers {
		for _, c := range s.connsOf(l) {
			if c.head != nil || c.state == connGreeting {
				return false
			}
		}
	}
	return true
}

// mend has the server work again.
func (s *faultyServer) mend(w *faultyWorld) {
	s.silent = false
	if s.listener < 0 {
		w.happens("%s listens again", s.name)
		w.must(s.listen())
	}
	for _, c := range s.conns {
		if t := s.talks[c]; t != nil {
			t.sour = 0
			if t.spoiled {
				c.hangUp()
			}
		}
	}
}

// hostPatience bounds how long the test waits for a goroutine of the resolver.
const hostPatience = 10 * time.Second
