// The map of a pool: from a key to the server that owns it.

package shard

import (
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/shard/hash"
)

// Map finds the server of a key among the servers of one pool.
type Map struct {
	distribution Distribution
	hash         hash.Func
	tag          HashTag
	servers      []Server // in name order, never changed
	live         []bool   // parallel to servers
	liveCount    int      // of live, those that are true
	slots        uint32   // modula and random: the slots in use; ≥ 1 once built
	ring         ring
	random       random
	label        []byte // scratch of placeKetama, kept for its memory
}

// NewMap returns the map of a pool whose servers are all live. The servers must be in name order (Less), with names
// that differ and weights ≥ 1, as the configuration has checked: anything else panics.
func NewMap(d Distribution, h hash.Func, tag HashTag, servers []Server) *Map {
	if len(servers) == 0 {
		panic("shard: a pool without servers")
	}
	for i, s := range servers {
		if s.Weight < 1 {
			panic(fmt.Sprintf("shard: server %q has weight %d", s.Name, s.Weight))
		}
		if i > 0 && !Less(servers[i-1].Name, s.Name) {
			panic(fmt.Sprintf("shard: server %q must not follow %q", s.Name, servers[i-1].Name))
		}
	}
	m := &Map{distribution: d, hash: h, tag: tag, servers: slices.Clone(servers), random: randomSeed}
	live := make([]bool, len(servers))
	for i := range live {
		live[i] = true
	}
	m.SetLive(live)
	return m
}

// SetLive says which servers are live, live[i] for server i, and moves the keys of the others to those. It copies live,
// and takes about a millisecond for fifty ketama servers.
func (m *Map) SetLive(live []bool) {
	if len(live) != len(m.servers) {
		panic(fmt.Sprintf("shard: liveness of %d servers for a pool of %d", len(live), len(m.servers)))
	}
	m.live = append(m.live[:0], live...)
	m.liveCount = 0
	for _, alive := range live {
		if alive {
			m.liveCount++
		}
	}
	m.slots = 0
	m.ring.reset()
	switch m.distribution {
	case Ketama:
		m.placeKetama()
		m.ring.seal(^uint32(0))
	case Modula:
		m.placeModula()
		m.sealSlots()
	case Random:
		m.placeRandom()
		m.sealSlots()
	default:
		panic("shard: unknown " + m.distribution.String())
	}
}

// sealSlots seals a ring of slots in a row. Without a live server one slot remains, which nobody owns.
func (m *Map) sealSlots() {
	m.slots = max(m.slots, 1)
	m.ring.seal(m.slots - 1)
}

// Server returns the index of the server that owns key, or -1 if no server is live.
func (m *Map) Server(key []byte) int {
	if len(m.servers) == 1 { // as twemproxy since 0.5.0: no hash; all of the ring leads to this server, or to none
		return m.ring.owner(0)
	}
	switch m.distribution {
	case Ketama:
		return m.ring.owner(m.keyHash(m.tag.Part(key)))
	case Modula:
		return m.ring.owner(m.keyHash(m.tag.Part(key)) % m.slots)
	default:
		return m.ring.owner(m.random.below(m.slots))
	}
}

// keyHash hashes the part of a key that counts. An empty one has hash 0 whatever the function (server_pool_hash in
// nc_server.c).
func (m *Map) keyHash(part []byte) uint32 {
	if len(part) == 0 {
		return 0
	}
	return m.hash(part)
}
