// The slow log: requests whose clients have waited long for the reply, with where the time went.
//
//	received ── wait ──► first byte sent ── server ──► reply came ── behind ──► its turn among the client's ── back ──► taken
//
// What a request asked for is in the server's hands when it turns out to be slow, so each notes its first bytes. A request that is
// slow only because its client's earlier ones are is not noted, but counted with the one that holds it up.

package core

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	saidBytes = 45 // of each request that are noted

	// mostSlow is how many entries a worker makes in each slowPeriod, so that a server that makes all requests slow does not make
	// the worker slow, too. All are counted.
	mostSlow   = 32
	slowPeriod = int64(100 * time.Millisecond)
)

// said is what a request notes of itself.
type said struct {
	began    int64     // ns: when it was received
	begun    int64     // ns: when the first byte of it was sent; 0: none was
	answered int64     // ns: when its reply came
	at       *endpoint // where it was sent; nil: nowhere
	count    uint8     // of arguments, with the name of the command; 0: text says it, if anything does
	size     uint8     // of text
	sample   uint8     // its key was looked at, see hot_keys.go; 0: it was not
	text     [saidBytes]byte
}

// note has r note its first bytes b, but for its name if that is in the usual form.
func (p *pool) note(r *request, b []byte) {
	if p.l.sampling.at != 0 {
		p.l.sampling.give(r, p, len(b))
	}
	if p.noted == math.MaxInt64 {
		return
	}
	end := nameEnd(b)
	if end > 0 {
		r.said.count = b[1] - '0'
	}
	r.said.size = uint8(copy(r.said.text[:], b[end:]))
}

// nameEnd returns where the first argument begins behind the name of a command of Redis; 0: it is not that simple.
func nameEnd(b []byte) int {
	const header = len("*2\r\n$3\r\n")
	if len(b) <= header || b[0] != '*' || b[2] != '\r' || b[4] != '$' || b[6] != '\r' {
		return 0
	}
	end := header + int(b[5]-'0') + len("\r\n")
	if end >= len(b) || b[end] != '$' {
		return 0
	}
	return end
}

// follow takes over what the last fragment of a request has noted, since the others are not to blame.
func (s *said) follow(last *said, now int64) {
	began := s.began
	*s = *last
	s.began, s.answered = began, now
}

// slowLog is the worker's part of the slow log. Loop only.
type slowLog struct {
	l      *loop
	lastID uint64
	since  int64   // ns: when the period began
	made   int     // entries in it
	client *client // whose request the last entry is of
	turn   int64   // ns: when that was
	takers map[*client]slowTaker
}

// slowTaker is a client that has not taken all of its output.
type slowTaker struct {
	since int64  // ns
	entry uint64 // of its request, whose reply is among that; 0: there is none
}

func newSlowLog(l *loop) slowLog {
	return slowLog{l: l, lastID: l.shared.LastSlow(l.spec.Slot), takers: map[*client]slowTaker{}}
}

// thresholdOf returns from how many ns on requests of a pool are slow.
func thresholdOf(spec *link.Pool) int64 {
	if spec.SlowLog <= 0 {
		return math.MaxInt64
	}
	return int64(spec.SlowLog)
}

// noteSlow is called when the reply to r, which took long, is on its way to c.
func (s *slowLog) noteSlow(c *client, r *request) {
	if r.said.answered == 0 {
		r.said.answered = s.l.now
	}
	if r.said.at == nil || r.state&(isBlocking|isNoReply) != 0 {
		return
	}
	l := s.l
	if s.client == c && s.turn == l.now && r.said.answered-r.said.began < c.pool.slow {
		l.shared.HoldUpSlow(l.spec.Slot, s.lastID)
		return
	}
	*c.pool.counters[link.SlowRequests]++
	if !s.admits() {
		s.client = nil
		return
	}
	e := s.entryOf(c, r)
	s.make(c, &e)
}

// admits tells whether there may be one more entry in this period, and counts it.
func (s *slowLog) admits() bool {
	if s.l.now-s.since >= slowPeriod {
		s.since, s.made = s.l.now, 0
	}
	s.made++
	return s.made <= mostSlow
}

func (s *slowLog) make(c *client, e *link.SlowEntry) {
	s.lastID++
	e.ID = s.lastID
	s.client, s.turn = c, s.l.now
	s.l.shared.WriteSlow(s.l.spec.Slot, e)
	s.l.requestLog.noteSlow(e)
	s.takers[c] = slowTaker{s.l.now, e.ID}
}

// entryOf returns the entry of r, but for its ID.
func (s *slowLog) entryOf(c *client, r *request) link.SlowEntry {
	n, now := &r.said, s.l.now
	begun := n.begun
	if begun == 0 {
		begun = n.answered
	}
	e := s.entryOfClient(c)
	e.At -= micros(now - n.began)
	e.Wait, e.Server, e.Behind = micros(begun-n.began), micros(n.answered-begun), micros(now-n.answered)
	e.ServerName, e.Address = n.at.server.spec.Name, n.at.address
	text := n.text[:n.size]
	if r.command != nil {
		e.Command = r.command.Name
		if !hidesArguments(e.Command) {
			e.Count, e.Args = redisArguments(text)
			e.Count += uint64(n.count)
		}
		return e
	}
	e.Command, e.Args = memcacheArguments(text)
	return e
}

// entryOfClient returns an entry that says who and when.
func (s *slowLog) entryOfClient(c *client) link.SlowEntry {
	return link.SlowEntry{
		At: uint64(time.Now().UnixMicro()), Pool: uint64(c.pool.index), Client: c.id, Peer: c.peer(), ClientName: c.session.name,
	}
}

func micros(ns int64) uint64 { return uint64(max(ns, 0) / int64(time.Microsecond)) }

// hidesArguments tells whether those of a command may be secrets.
func hidesArguments(command string) bool {
	for _, name := range [...]string{"acl", "auth", "config", "hello", "migrate"} {
		if strings.HasPrefix(command, name) {
			return true
		}
	}
	return false
}

// redisArguments returns how many arguments a request has, if its first bytes tell, and the first of them without the name of the
// command.
func redisArguments(text []byte) (count uint64, args []byte) {
	named := len(text) > 0 && text[0] == '*'
	if named {
		header, rest, _ := bytes.Cut(text[1:], []byte("\r\n"))
		count, _ = strconv.ParseUint(string(header), 10, 32)
		text = rest
	}
	for len(text) > 0 && text[0] == '$' {
		header, rest, whole := bytes.Cut(text[1:], []byte("\r\n"))
		size, err := strconv.Atoi(string(header))
		if !whole || err != nil || size < 0 {
			break
		}
		if !named {
			args = link.AppendSlowArg(args, rest[:min(size, len(rest))], size > len(rest))
		}
		named = false
		text = rest[min(size+len("\r\n"), len(rest)):]
	}
	return count, args
}

// memcacheArguments returns the words of a request's line.
func memcacheArguments(text []byte) (command string, args []byte) {
	line, _, whole := bytes.Cut(text, []byte("\r\n"))
	words := bytes.Split(line, []byte(" "))
	for i, word := range words {
		if i > 0 {
			args = link.AppendSlowArg(args, word, !whole && i == len(words)-1)
		}
	}
	return strings.ToLower(string(words[0])), args
}

// unsent is called when c has not taken all of its output.
func (s *slowLog) unsent(c *client) {
	if _, has := s.takers[c]; !has && c.pool.slow != math.MaxInt64 {
		s.takers[c] = slowTaker{since: s.l.now}
	}
}

// sent is called when c has taken all of its output.
func (s *slowLog) sent(c *client) {
	t, has := s.takers[c]
	if !has {
		return
	}
	delete(s.takers, c)
	took := s.l.now - t.since
	switch {
	case t.entry != 0:
		s.l.shared.BackSlow(s.l.spec.Slot, t.entry, micros(took))
	case took >= c.pool.slow && s.admits():
		*c.pool.counters[link.SlowRequests]++
		e := s.entryOfClient(c)
		e.At -= micros(took)
		e.Back = micros(took)
		if c.last > 0 {
			e.Command = resp.ByID(c.last - 1).Name
		}
		s.make(c, &e)
		delete(s.takers, c)
	}
}

// forget is called when c is here no more.
func (s *slowLog) forget(c *client) {
	delete(s.takers, c)
	if s.client == c {
		s.client = nil
	}
}
