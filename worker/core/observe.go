// Observations: somebody looks at requests as they come, those that he means, and never at more than is cheap.

package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	maxObservations  = 4                      // at a time; a line takes some µs, so they take a few percent of a worker at most
	observationTime  = 2 * time.Second        // after which one that is not asked for ends: nobody reads it any more
	observationBurst = 100 * time.Millisecond // for which lines may come at once, at their rate
	shownKeyBytes    = 512
	mostVerdicts     = 4096 // of clients, about their addresses
)

// observation is what one observer gets. Loop only.
type observation struct {
	l     *loop
	means link.MonitorQuestion
	pool  *pool // nil: all
	timer timer.Timer
	where map[uint64]bool // by client: whether its address is the one that is meant, which the kernel need not be asked again
	epoch int64           // ns: what the loop's clock showed at the epoch, negated

	met    uint64         // requests that were meant
	paid   int64          // ns: until when the rate is used up by the lines so far
	text   *memory.Buffer // lines that were not asked for yet; nil: none
	missed int            // of those that were to be told, since it was last said
}

// tellObserved tells of the requests since the last question, and begins an observation with the first.
func (l *loop) tellObserved(q *link.QuestionBody, done func(page)) {
	var means link.MonitorQuestion
	if failed := readArgument(q, &means); failed != "" || means.Every < 1 || means.Rate < 1 || means.Rate > link.MaxObservedRate {
		done(page{failed: unreadable})
		return
	}
	o, failed := l.observationOf(means)
	if failed != "" {
		done(page{failed: failed})
		return
	}
	l.timers.Set(&o.timer, l.now+int64(observationTime))
	if o.missed > 0 {
		o.write(&link.ObservedRequest{At: o.micros(), Worker: l.spec.Slot, Missed: o.missed})
		o.missed = 0
	}
	text := o.text
	o.text = nil
	done(page{text: text})
}

// observationOf finds an observation or begins it.
func (l *loop) observationOf(means link.MonitorQuestion) (o *observation, failed string) {
	at := slices.IndexFunc(l.observed, func(o *observation) bool { return o.means.Observation == means.Observation })
	p := l.poolNamed(means.Pool)
	switch {
	case at >= 0:
		return l.observed[at], ""
	case p == nil && means.Pool != "":
		return nil, fmt.Sprintf("it has no pool %q", means.Pool)
	case len(l.observed) == maxObservations:
		return nil, fmt.Sprintf("it is observed by %d others already", maxObservations)
	}
	o = &observation{l: l, means: means, pool: p, where: make(map[uint64]bool), epoch: time.Now().UnixNano() - l.now}
	o.timer.Fire = o.end
	l.observed = append(l.observed, o)
	return o, ""
}

// end ends an observation.
func (o *observation) end() {
	l := o.l
	l.observed = slices.DeleteFunc(l.observed, func(other *observation) bool { return other == o })
	l.memory.Put(o.text)
	o.text = nil
}

func (o *observation) micros() int64 { return (o.epoch + o.l.now) / int64(time.Microsecond) }

// observeRedis has observers look at a request of Redis.
func (c *client) observeRedis(cmd *resp.Command, b []byte, args []resp.Span) {
	var key []byte
	rt := &c.pool.l.redisRoute
	keys, err := cmd.Keys(b, args, rt.keys)
	rt.keys = keys
	if err == nil && len(keys) > 0 {
		key = args[keys[0]].Of(b)
	}
	c.observe(cmd.Name, key, len(b))
}

// observeMemcache has observers look at a request of memcached.
func (c *client) observeMemcache(r *memcache.Request, b []byte, keys []memcache.Span) {
	var key []byte
	if len(keys) > 0 {
		key = keys[0].Of(b)
	}
	c.observe(r.Cmd.Name, key, len(b))
}

// observe has observers look at a request.
func (c *client) observe(command string, key []byte, size int) {
	for _, o := range c.pool.l.observed {
		if o.isMeant(c, command, key) && o.hasRoom() {
			o.tell(c, command, key, size)
		}
	}
}

// isMeant tells whether the request is one that the observer is to be told of. Addresses come last: the kernel is asked for them.
func (o *observation) isMeant(c *client, command string, key []byte) bool {
	m := &o.means
	if o.pool != nil && c.pool != o.pool || m.Client != 0 && m.Client != c.id || m.Name != "" && m.Name != c.session.name ||
		m.Command != "" && !isCommand(m.Command, command) || !bytes.HasPrefix(key, m.Prefix) || m.Address != "" && !o.isFrom(c) {
		return false
	}
	o.met++
	return o.met%m.Every == 0
}

// isFrom tells whether the client's address is the one that is meant.
func (o *observation) isFrom(c *client) bool {
	verdict, known := o.where[c.id]
	if !known {
		if len(o.where) == mostVerdicts {
			clear(o.where)
		}
		verdict = isAddress(o.means.Address, c.peer())
		o.where[c.id] = verdict
	}
	return verdict
}

// hasRoom takes a place of the rate for a line, if there is one.
func (o *observation) hasRoom() bool {
	paid := max(o.paid, o.l.now)
	if paid-o.l.now >= int64(observationBurst) || len(o.text.Bytes()) >= link.MaxPageBytes {
		o.missed++
		return false
	}
	o.paid = paid + int64(time.Second)/int64(o.means.Rate)
	return true
}

// tell writes a line about the request.
func (o *observation) tell(c *client, command string, key []byte, size int) {
	r := link.ObservedRequest{
		At: o.micros(), Worker: o.l.spec.Slot, Pool: c.pool.name, Client: c.id, Address: c.peer(), Name: c.session.name, Command: command,
		KeyCut: len(key) > shownKeyBytes, Bytes: size,
	}
	if key = key[:min(len(key), shownKeyBytes)]; utf8.Valid(key) {
		r.Key = string(key)
	} else {
		r.KeyBase64 = key
	}
	o.write(&r)
}

// write appends a line, unless there is no memory for it.
func (o *observation) write(r *link.ObservedRequest) {
	m := o.l.memory
	line, _ := json.Marshal(r) // of types that always have a form
	m.CountGarbage(len(line))
	line = append(line, '\n')
	if o.text == nil {
		o.text = m.GetChunk(memory.FirstChunkBytes)
	}
	for cap(o.text.B)-len(o.text.B) < len(line) {
		if m.Grow(o.text, len(line)) != nil {
			o.missed++
			return
		}
	}
	o.text.B = append(o.text.B, line...)
}
