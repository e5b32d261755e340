// The slow log: of each worker a ring of the last requests that took long, which outlives the worker.
//
// One worker writes a ring, others read it meanwhile: an entry's ID is 0 while it is written, and its last word to be stored.

package link

import (
	"sync/atomic"
	"unsafe"
)

// ofSlow is a word of an entry of the slow log.
const ofSlow = "slow"

const (
	slowEntries  = 128 // of each worker
	slowPerEntry = 64  // words
)

// SlowEntry is a request that took long. Times are in µs.
type SlowEntry struct {
	ID     uint64 // of this slot's entries: each has the next one, from 1 on
	At     uint64 // since the epoch: when it was received
	Wait   uint64 // until it was sent to the server
	Server uint64 // until the reply came
	Behind uint64 // that the reply waited for those to earlier requests of the client
	Back   uint64 // until the client had taken the reply; 0: at once, or it has not yet
	HeldUp uint64 // later requests of the client whose replies had come, and waited for this one
	Pool   uint64 // index
	Client uint64 // the client's ID
	Count  uint64 // of arguments, with the name of the command; 0: not known

	Command    string // lower case
	ServerName string
	Address    string // of the server
	Peer       string // address of the client
	ClientName string // that it has set
	Args       []byte // the first arguments behind the command, see AppendSlowArg
}

// Took returns how long the client waited.
func (e *SlowEntry) Took() uint64 { return e.Wait + e.Server + e.Behind + e.Back }

// numbers are the words of an entry, in the order of slowNumbers.
func (e *SlowEntry) numbers() [len(slowNumbers)]*uint64 {
	return [...]*uint64{&e.ID, &e.At, &e.Wait, &e.Server, &e.Behind, &e.Back, &e.HeldUp, &e.Pool, &e.Client, &e.Count}
}

var slowNumbers = [...]string{"id", "at_us", "wait_us", "server_us", "behind_us", "back_us", "held_up", "pool", "client", "args"}

// Indexes of slowNumbers.
const (
	slowID     = 0
	slowBack   = 5
	slowHeldUp = 6
)

// textName is the name of bytes of an entry: their number, and then as many.
type textName struct {
	Name  string `json:"name"`
	First int    `json:"first"` // word of the entry
	Bytes int    `json:"bytes"`
}

// slowTexts are the texts of an entry. What is longer is cut.
var slowTexts = [...]textName{
	{"command", 10, 32}, {"server", 14, 64}, {"address", 22, 56}, {"peer", 29, 56}, {"client_name", 36, 32}, {"arguments", 40, MaxSlowArgs + 1},
}

// MaxSlowArgs is how many bytes SlowEntry.Args may have.
const MaxSlowArgs = 191

// maxSlowArg is how many bytes of an argument are kept.
const maxSlowArg = 127

// isCut is set in the byte before an argument of which only the beginning is kept.
const isCut = 0x80

// AppendSlowArg appends the first bytes of an argument, and whether there are more, unless there is no room.
func AppendSlowArg(args, arg []byte, cut bool) []byte {
	room := MaxSlowArgs - len(args) - 1
	if room <= 0 {
		return args
	}
	if most := min(room, maxSlowArg); len(arg) > most {
		arg, cut = arg[:most], true
	}
	head := byte(len(arg))
	if cut {
		head |= isCut
	}
	return append(append(args, head), arg...)
}

// SlowArg takes the first argument off what AppendSlowArg has made; false: there is none.
func SlowArg(args []byte) (arg []byte, cut bool, rest []byte, ok bool) {
	if len(args) == 0 || len(args) <= int(args[0]&^isCut) {
		return nil, false, nil, len(args) > 0 && args[0] == 0
	}
	end := 1 + int(args[0]&^isCut)
	return args[1:end], args[0]&isCut != 0, args[end:], true
}

// laySlow places the rings. A build that does not know them sees one word of each, for each slot.
func (l *layout) laySlow() {
	b := block{
		Of: ofSlow, Words: states(slowNumbers[:]...), First: l.end, Slots: l.Slots, PerSlot: slowEntries * slowPerEntry,
		Pools: make([]int, len(l.Servers)), Entries: slowEntries, PerEntry: slowPerEntry, Texts: slowTexts[:],
	}
	l.add(b)
	l.end += b.Slots * b.PerSlot
}

// slowRing is where the rings are.
type slowRing struct {
	*block                        // nil: nowhere
	numbers [len(slowNumbers)]int // words of an entry; -1: it has none
	texts   [len(slowTexts)]textName
}

func (s *Shared) locateSlow() {
	p := s.dir.find(ofSlow, slowNumbers[slowID])
	if p.block == nil || p.Entries == 0 || p.PerSlot < p.Entries*p.PerEntry {
		return
	}
	s.slow.block = p.block
	for i, name := range slowNumbers {
		s.slow.numbers[i] = -1
		if at := s.dir.find(ofSlow, name); at.block == p.block && at.column < p.PerEntry {
			s.slow.numbers[i] = at.column
		}
	}
	for i, known := range slowTexts {
		for _, text := range p.Texts {
			if text.Name == known.Name && text.First >= 0 && text.Bytes >= 0 && text.First+text.Bytes/wordBytes <= p.PerEntry {
				s.slow.texts[i] = text
			}
		}
	}
}

// slowWords are the words of the entry with an ID; nil: there is no slow log.
func (s *Shared) slowWords(slot int, id uint64) []uint64 {
	b := s.slow.block
	if b == nil || slot < 0 || slot >= b.Slots {
		return nil
	}
	first := b.First + slot*b.PerSlot + int(id%uint64(b.Entries))*b.PerEntry
	return s.words[first : first+b.PerEntry]
}

// SlowRoom returns how many entries each slot has room for; 0: the memory, of another build, has no slow log.
func (s *Shared) SlowRoom() int {
	if s.slow.block == nil {
		return 0
	}
	return s.slow.Entries
}

// LastSlow returns the ID of the last entry of a slot; 0: there is none.
func (s *Shared) LastSlow(slot int) (id uint64) {
	for i := range s.SlowRoom() {
		if words := s.slowWords(slot, uint64(i)); words != nil {
			id = max(id, atomic.LoadUint64(&words[s.slow.numbers[slowID]]))
		}
	}
	return id
}

// WriteSlow writes the entry with e.ID, in the place of an older one. Only the slot's worker calls it.
func (s *Shared) WriteSlow(slot int, e *SlowEntry) {
	words := s.slowWords(slot, e.ID)
	if words == nil {
		return
	}
	id := &words[s.slow.numbers[slowID]]
	atomic.StoreUint64(id, 0)
	for i, number := range e.numbers() {
		if at := s.slow.numbers[i]; at >= 0 && i != slowID {
			atomic.StoreUint64(&words[at], *number)
		}
	}
	for i, text := range [len(slowTexts)]string{e.Command, e.ServerName, e.Address, e.Peer, e.ClientName, unsafe.String(unsafe.SliceData(e.Args), len(e.Args))} {
		storeText(words, s.slow.texts[i], text)
	}
	atomic.StoreUint64(id, e.ID)
}

// addSlow adds to a number of an entry, if the ring still has it.
func (s *Shared) addSlow(slot int, id uint64, number int, n uint64) {
	words := s.slowWords(slot, id)
	if words == nil || s.slow.numbers[number] < 0 || atomic.LoadUint64(&words[s.slow.numbers[slowID]]) != id {
		return
	}
	word := &words[s.slow.numbers[number]]
	atomic.StoreUint64(word, atomic.LoadUint64(word)+n)
}

// HoldUpSlow counts one more reply that has waited for that of the entry, BackSlow the µs until the client had taken it. Only the
// slot's worker calls them.
func (s *Shared) HoldUpSlow(slot int, id uint64)          { s.addSlow(slot, id, slowHeldUp, 1) }
func (s *Shared) BackSlow(slot int, id uint64, us uint64) { s.addSlow(slot, id, slowBack, us) }

// SlowLog returns the entries of a slot, in any order, but for one that is being written.
func (s *Shared) SlowLog(slot int) (all []SlowEntry) {
	for i := range s.SlowRoom() {
		words := s.slowWords(slot, uint64(i))
		if words == nil {
			return all
		}
		id := &words[s.slow.numbers[slowID]]
		var e SlowEntry
		if e.ID = atomic.LoadUint64(id); e.ID == 0 {
			continue
		}
		for i, number := range e.numbers() {
			if at := s.slow.numbers[i]; at >= 0 && i != slowID {
				*number = atomic.LoadUint64(&words[at])
			}
		}
		var args string
		for i, text := range [len(slowTexts)]*string{&e.Command, &e.ServerName, &e.Address, &e.Peer, &e.ClientName, &args} {
			*text = loadText(words, s.slow.texts[i])
		}
		e.Args = []byte(args)
		if atomic.LoadUint64(id) == e.ID {
			all = append(all, e)
		}
	}
	return all
}

// storeText stores bytes as words, of which the first has their number in its lowest byte.
func storeText(words []uint64, at textName, text string) {
	text = text[:min(len(text), at.Bytes-1, 255)]
	word, shift := uint64(len(text)), 8
	next := at.First
	for i := range len(text) {
		word |= uint64(text[i]) << shift
		if shift += 8; shift == 64 {
			atomic.StoreUint64(&words[next], word)
			word, shift = 0, 0
			next++
		}
	}
	if shift > 0 {
		atomic.StoreUint64(&words[next], word)
	}
}

func loadText(words []uint64, at textName) string {
	if at.Bytes < wordBytes {
		return ""
	}
	word := atomic.LoadUint64(&words[at.First])
	n := min(int(word&0xff), at.Bytes-1)
	text := make([]byte, 0, n)
	next := at.First
	for shift := 8; len(text) < n; shift += 8 {
		if shift == 64 {
			next, shift = next+1, 0
			word = atomic.LoadUint64(&words[next])
		}
		text = append(text, byte(word>>shift))
	}
	return string(text)
}
