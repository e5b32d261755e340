// Hot and big keys: now and then a request is looked at, and its key counted in the sketches of its pool. It stands for as many as
// were not looked at. Where there are few requests, all are looked at.

package core

import (
	"math/rand/v2"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sketch"
)

const (
	mostInterval = 1 << 16 // requests for which one stands, at most
	halveEvery   = link.KeysHalveEvery
	mostSampled  = 128 // requests that are looked at and wait for their replies
)

// sampling chooses which keys are looked at. Loop only.
type sampling struct {
	l        *loop
	left     int   // keys until the next
	gap      int   // from the last to the next: for so many it stands
	interval int   // how many that is on average
	last     int64 // ns: when one was last looked at
	pause    int64 // ns: between two, about; 0: none are looked at
	at       uint8 // of sampled, the one for the request at hand; 0: none
	random   *rand.Rand

	sampled [mostSampled]sampledKey // that requests which wait for their replies have asked for; the first is none
	free    []uint8                 // of them
}

// sampledKey is one whose reply is to come.
type sampledKey struct {
	hash, weight uint64
}

// halving is what a pool's sketches need.
type halving struct {
	hot, big sketch.Top
	at       *uint64 // shared: when counts were last halved
}

func newSampling(l *loop) sampling {
	s := sampling{l: l, interval: 1, left: never, gap: 1, random: rand.New(rand.NewPCG(uint64(l.now), uint64(l.spec.Slot)))}
	if l.spec.KeySamples <= 0 {
		return s
	}
	s.left, s.pause = 1, int64(time.Second)/int64(l.spec.KeySamples)
	for i := mostSampled - 1; i > 0; i-- {
		s.free = append(s.free, uint8(i))
	}
	return s
}

const never = int(^uint(0) >> 1)

func (p *pool) newSketches() {
	slot := p.l.spec.Slot
	p.sketches = halving{
		hot: p.l.shared.Keys(link.ByRequests, slot, p.index), big: p.l.shared.Keys(link.ByBytes, slot, p.index),
		at: p.l.shared.KeysHalvedAt(slot, p.index),
	}
}

// placeOne returns the server on which the only key of a request lives, which is forwarded at once: it tells how many bytes come
// with the key.
func (p *pool) placeOne(key []byte) int {
	if s := &p.l.sampling; s.left > 1 {
		s.left--
	} else {
		s.look(p, key)
	}
	return p.placement.one(key)
}

// placeAmong returns the server on which a key of several lives. Nothing tells which of them the bytes are.
func (p *pool) placeAmong(key []byte) int {
	server := p.placeOne(key)
	p.l.sampling.forgo()
	return server
}

// look counts key, and has the request at hand tell how many bytes come with it.
func (s *sampling) look(p *pool, key []byte) {
	if s.pause == 0 {
		s.left = never
		return
	}
	weight := uint64(s.gap)
	s.adapt()
	p.halve()
	hash := sketch.Hash(key)
	p.sketches.hot.Add(key, hash, weight, 0)
	p.sketches.big.Add(key, hash, weight*uint64(len(key)), 0)
	s.forgo()
	if last := len(s.free) - 1; last >= 0 {
		s.at = s.free[last]
		s.free = s.free[:last]
		s.sampled[s.at] = sampledKey{hash, weight}
	}
}

// adapt has keys be looked at as often as they should.
func (s *sampling) adapt() {
	now := s.l.now
	switch took := now - s.last; {
	case took < s.pause/2:
		s.interval = min(s.interval*2, mostInterval)
	case took > s.pause*2:
		s.interval = max(s.interval/2, 1)
	}
	s.last = now
	s.gap = 1
	if s.interval > 1 {
		s.gap += s.random.IntN(2*s.interval - 1)
	}
	s.left = s.gap
}

// hurry is called in each turn: where keys have become rare, the next one is looked at.
func (s *sampling) hurry() {
	if s.l.now-s.last > 2*s.pause && s.left > 1 && s.pause > 0 {
		s.gap -= s.left - 1
		s.left = 1
	}
}

// halve halves the counts of the pool's sketches when it is time.
func (p *pool) halve() {
	now := uint64(p.l.now)
	if *p.sketches.at == 0 || now < *p.sketches.at {
		*p.sketches.at = now
	}
	for now-*p.sketches.at >= uint64(halveEvery) {
		p.sketches.hot.Halve()
		p.sketches.big.Halve()
		*p.sketches.at += uint64(halveEvery)
		if now-*p.sketches.at > 64*uint64(halveEvery) {
			*p.sketches.at = now
		}
	}
}

// give gives r, of which so many bytes go to the server, the key that was looked at last.
func (s *sampling) give(r *request, p *pool, bytes int) {
	if r.parent != nil || r.said.sample != 0 {
		s.forgo()
		return
	}
	r.said.sample, s.at = s.at, 0
	k := &s.sampled[r.said.sample]
	p.sketches.big.Grow(k.hash, k.weight*uint64(bytes), uint64(bytes))
}

// forgo is called when nothing tells how many bytes come with what was looked at.
func (s *sampling) forgo() {
	if s.at != 0 {
		s.free = append(s.free, s.at)
		s.at = 0
	}
}

// answered counts the bytes of the reply to r.
func (s *sampling) answered(r *request, p *pool, bytes int) {
	k := &s.sampled[r.said.sample]
	p.sketches.big.Grow(k.hash, k.weight*uint64(bytes), uint64(bytes))
	s.drop(r)
}

// drop frees what r was given.
func (s *sampling) drop(r *request) {
	s.free = append(s.free, r.said.sample)
	r.said.sample = 0
}
