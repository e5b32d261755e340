// Where servers were found whose configuration gives a name: a worker that begins while the name server is silent knows what
// others have known.

package link

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// An address is three words: when it was found, and its sixteen bytes. It is being written while the first is 0.
const foundWords = 3

var foundNames = [foundWords]string{"found_at", "found_high", "found_low"}

// layFound places the words: per slot, and for Legacy, one address of each server.
func (l *layout) layFound() {
	servers, words := l.beginPart(foundWord, 0, foundWords)
	b := block{
		Of: ofServer, Words: states(foundNames[:]...), First: l.end, Slots: l.Slots + 1, PerSlot: roundUp(words), Pools: servers, PerServer: foundWords,
	}
	l.add(b)
	l.end += b.Slots * b.PerSlot
}

// SetFound stores where a slot's worker has reached a server, at a time in ns, which is above 0. That worker calls it, and
// for Legacy the master. Memory of another build may have no place for it; neither is there one for an address with a zone.
func (s *Shared) SetFound(slot, pool, server int, addr netip.Addr, now uint64) {
	w, ok := s.foundOf(slot, pool, server)
	if !ok || addr.Zone() != "" || !addr.IsValid() {
		return
	}
	b := addr.As16()
	atomic.StoreUint64(w[0], 0)
	atomic.StoreUint64(w[1], binary.BigEndian.Uint64(b[:8]))
	atomic.StoreUint64(w[2], binary.BigEndian.Uint64(b[8:]))
	atomic.StoreUint64(w[0], now)
}

// Found returns the address at which any worker, or an earlier generation (Legacy), last reached a server, and when; the zero
// Addr: unknown.
func (s *Shared) Found(pool, server int) (addr netip.Addr, at uint64) {
	for slot := range s.dir.Slots + 1 {
		w, ok := s.foundOf(slot, pool, server)
		if !ok {
			break
		}
		var b [16]byte
		before := atomic.LoadUint64(w[0])
		binary.BigEndian.PutUint64(b[:8], atomic.LoadUint64(w[1]))
		binary.BigEndian.PutUint64(b[8:], atomic.LoadUint64(w[2]))
		if before > at && atomic.LoadUint64(w[0]) == before {
			addr, at = netip.AddrFrom16(b).Unmap(), before
		}
	}
	return addr, at
}

// foundOf returns the words of an address; false: the memory does not have them.
func (s *Shared) foundOf(slot, pool, server int) (words [foundWords]*uint64, ok bool) {
	for i := range words {
		if words[i] = s.at(s.found[i], slot, pool, server); words[i] == nil {
			return words, false
		}
	}
	return words, true
}
