// Two ends of a connection between two workers that are nothing but bookkeeping: who serves which client, who holds it
// ready, and what is on the wire.

package handoff

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// wire is one direction of the connection.
type wire struct {
	messages []Message
	raw      [][]byte // their bytes
	end      bool     // after them
}

// side is one worker.
type side struct {
	name     string
	world    *world
	link     *Link
	out      wire
	blocked  bool // the socket takes nothing
	dead     bool
	shut     bool // has closed its end
	unsent   []Message
	serves   []string            // clients
	sealed   map[string]int      // by client: the number of the next record that this side would encrypt for it
	gives    map[uint32][]string // by batch, not released yet
	released map[uint32][]string
	ready    map[uint32][]string // held ready
	lost     map[string]bool     // clients that this side takes to be lost with the other
	passed   map[string]bool     // clients that this side takes to be served by the other
	promised map[string]bool     // clients that this side has held ready
	verdicts []Verdict           // of the next Judge, again and again
}

// world is both, and a clock.
type world struct {
	t    testing.TB
	a, b *side
	now  int64
	log  func(format string, args ...any)
	used map[string]int // by client: how many records have been encrypted for it, by whoever served it
}

func newWorld(t testing.TB, log func(format string, args ...any)) *world {
	w := &world{t: t, log: log, used: map[string]int{}}
	w.a, w.b = w.newSide("a"), w.newSide("b")
	return w
}

func (w *world) newSide(name string) *side {
	s := &side{
		name: name, world: w, verdicts: []Verdict{Accept},
		gives: map[uint32][]string{}, released: map[uint32][]string{}, ready: map[uint32][]string{},
		sealed: map[string]int{}, lost: map[string]bool{}, passed: map[string]bool{}, promised: map[string]bool{},
	}
	s.link = NewLink(s, "1.0-"+name)
	return s
}

func (w *world) other(s *side) *side {
	if s == w.a {
		return w.b
	}
	return w.a
}

func (w *world) side(name string) *side {
	if name == "a" {
		return w.a
	}
	return w.b
}

// offer has s offer the next count clients that it serves.
func (s *side) offer(count int) {
	batch := s.link.Next()
	s.gives[batch] = slices.Clone(s.serves[:count])
	s.serves = slices.Delete(s.serves, 0, count)
	s.link.Offer(s.world.now, count)
}

func (s *side) Send(m Message) bool {
	switch {
	case s.shut:
		s.world.log("%s cannot write %s any more", s.name, show(m))
		return m.Kind == Abort
	case s.blocked || len(s.unsent) > 0:
		s.world.log("%s keeps %s", s.name, show(m))
		s.unsent = append(s.unsent, m)
		return false
	}
	s.write(m)
	return true
}

func (s *side) write(m Message) {
	s.world.log("%s: %s", s.name, show(m))
	s.out.messages = append(s.out.messages, m)
	s.out.raw = append(s.out.raw, AppendMessage(nil, m))
}

// unblock writes what was kept.
func (s *side) unblock() {
	s.blocked = false
	for len(s.unsent) > 0 {
		m := s.unsent[0]
		s.unsent = s.unsent[1:]
		s.write(m)
		s.link.Sent(s.world.now, m)
	}
	s.shutIfDone()
}

func (s *side) Unsend(batch uint32) (unheard bool) {
	s.unsent = slices.DeleteFunc(s.unsent, func(m Message) bool {
		offer := m.Kind == Offer && m.Batch == batch
		unheard = unheard || offer
		return offer || m.Kind == Commit && m.Batch == batch
	})
	return unheard
}

func (s *side) Failed(reason string) {
	s.world.log("%s gives nothing more: %s", s.name, reason)
}

func (s *side) Reclaim(batch uint32, verdicts []Verdict) {
	// Kept clients are offered again, so an earlier promise says nothing any more.
	for _, c := range s.gives[batch] {
		if verdicts == nil {
			delete(s.world.other(s).promised, c)
		}
	}
	var kept, rest []string
	for i, c := range s.gives[batch] {
		if verdicts != nil && verdicts[i] == Accept {
			rest = append(rest, c)
		} else {
			kept = append(kept, c)
		}
	}
	s.gives[batch] = rest
	s.serve("keeps", kept)
}

func (s *side) serve(verb string, clients []string) {
	if len(clients) > 0 {
		s.world.log("%s %s %s", s.name, verb, strings.Join(clients, " "))
	}
	s.serves = append(s.serves, clients...)
}

func (s *side) Committed(batch uint32) {
	s.world.log("%s releases batch %d", s.name, batch)
	s.released[batch] = s.gives[batch]
	delete(s.gives, batch)
}

func (s *side) Confirmed(batch uint32, pause time.Duration) {
	s.world.log("%s is told that batch %d is served, after %v", s.name, batch, pause)
	for _, c := range s.released[batch] {
		s.passed[c] = true
	}
	delete(s.released, batch)
}

func (s *side) Lost(batch uint32) {
	s.world.log("%s takes batch %d to be lost", s.name, batch)
	for _, c := range s.released[batch] {
		s.lost[c] = true
	}
	delete(s.released, batch)
}

func (s *side) Prepare(batch uint32, count int) []Verdict {
	verdicts := make([]Verdict, count)
	offered := s.world.offeredTo(s, batch)
	for i := range verdicts {
		verdicts[i] = s.verdicts[i%len(s.verdicts)]
		if verdicts[i] == Accept && i < len(offered) {
			s.ready[batch] = append(s.ready[batch], offered[i])
			s.promised[offered[i]] = true
			s.sealed[offered[i]] = s.world.other(s).sealed[offered[i]]
		}
	}
	return verdicts
}

// offeredTo returns the clients of a batch, which came with their descriptors.
func (w *world) offeredTo(s *side, batch uint32) []string {
	from := w.other(s)
	if clients, ok := from.gives[batch]; ok && len(clients) > 0 {
		return clients
	}
	return nil // taken back meanwhile, or never there
}

func (s *side) StartServing(batch uint32) time.Duration {
	s.serve("serves", s.ready[batch])
	delete(s.ready, batch)
	return time.Duration(batch) * time.Millisecond
}

func (s *side) Drop(batch uint32) {
	s.world.log("%s drops batch %d", s.name, batch)
	delete(s.ready, batch)
}

// shutIfDone closes the end of a side that has nothing more to say.
func (s *side) shutIfDone() {
	if s.link.Retired() && len(s.unsent) == 0 && !s.shut {
		s.shut = true
		s.out.end = true
		s.world.log("%s closes its end", s.name)
	}
}

// deliver hands over the next thing that s has sent, and tells whether there was any.
func (w *world) deliver(s *side) bool {
	to := w.other(s)
	if len(s.out.raw) > 0 {
		raw := s.out.raw[0]
		s.out.messages, s.out.raw = s.out.messages[1:], s.out.raw[1:]
		if !to.dead {
			to.link.Receive(w.now, raw)
			to.shutIfDone()
		}
		return true
	}
	if s.out.end {
		s.out.end = false
		if !to.dead {
			w.log("%s sees the end", to.name)
			to.link.End("it is gone", !s.dead)
			to.shutIfDone()
		}
		return true
	}
	return false
}

// settle delivers everything.
func (w *world) settle() {
	for w.deliver(w.a) || w.deliver(w.b) {
	}
}

func (s *side) die() {
	s.dead, s.shut = true, true
	s.unsent = nil
	s.out.end = true
}

// wait lets time pass, and everyone look at the clock.
func (w *world) wait(by time.Duration) {
	w.now += int64(by)
	for _, s := range []*side{w.a, w.b} {
		if !s.dead && s.link.Overdue(w.now) {
			w.log("%s has waited long enough", s.name)
			s.link.Retire("no answer")
			s.shutIfDone()
		}
	}
}

func show(m Message) string {
	switch m.Kind {
	case Hello:
		if m.Refuses {
			return fmt.Sprintf("HELLO %d to %d, refuses", m.Min, m.Max)
		}
		return fmt.Sprintf("HELLO %d to %d", m.Min, m.Max)
	case Offer:
		return fmt.Sprintf("OFFER %d of %d", m.Batch, m.Count)
	case Prepared:
		return fmt.Sprintf("PREPARED %d %v", m.Batch, m.Verdicts)
	}
	return fmt.Sprintf("%v %d", m.Kind, m.Batch)
}
