// Where servers were found whose configuration gives a name: a worker that begins while the name server is silent knows what
// others have known.

package link

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// These words stand behind the times of failures, and the fifth word of the header says where. An address is three of
// them: when it was found, and its sixteen bytes. It is being written while the first is 0.
const (
	foundWord  = 4 // of the header: the first of these words; 0: there are none
	foundWords = 3
)

// layFound places the words behind everything else: per slot, and for Legacy, one address of each server.
func (s *Shared) layFound() {
	next := 0
	for _, n := range s.servers {
		s.found = append(s.found, next)
		next += n * foundWords
	}
	s.perFound = roundUp(next)
	s.end = s.found0 + (s.slots+1)*s.perFound
}

// SetFound says where a slot's worker has reached a server, at a time in ns, which is above 0. That worker calls it, and
// for Legacy the master. Who made the memory may not know it; an address with a zone has no place there.
func (s *Shared) SetFound(slot, pool, server int, addr netip.Addr, now uint64) {
	w := s.foundOf(slot, pool, server)
	if w == nil || addr.Zone() != "" || !addr.IsValid() {
		return
	}
	b := addr.As16()
	atomic.StoreUint64(&w[0], 0)
	atomic.StoreUint64(&w[1], binary.BigEndian.Uint64(b[:8]))
	atomic.StoreUint64(&w[2], binary.BigEndian.Uint64(b[8:]))
	atomic.StoreUint64(&w[0], now)
}

// Found returns where a server was last reached by any worker, or is said to have been by Legacy, and when; the zero Addr:
// nobody knows.
func (s *Shared) Found(pool, server int) (addr netip.Addr, at uint64) {
	for slot := range s.slots + 1 {
		w := s.foundOf(slot, pool, server)
		if w == nil {
			break
		}
		var b [16]byte
		before := atomic.LoadUint64(&w[0])
		binary.BigEndian.PutUint64(b[:8], atomic.LoadUint64(&w[1]))
		binary.BigEndian.PutUint64(b[8:], atomic.LoadUint64(&w[2]))
		if before > at && atomic.LoadUint64(&w[0]) == before {
			addr, at = netip.AddrFrom16(b).Unmap(), before
		}
	}
	return addr, at
}

func (s *Shared) foundOf(slot, pool, server int) *[foundWords]uint64 {
	if !s.finds {
		return nil
	}
	off := s.found0 + slot*s.perFound + s.found[pool] + server*foundWords
	return (*[foundWords]uint64)(s.words[off : off+foundWords])
}
