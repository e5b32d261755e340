// The directory of the shared memory: which word is where, by name. The build that makes the memory writes it. Another build
// reads the words that both know: one that the memory lacks is 0, and one that the reader does not know is still summed by
// its name.

package link

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Of what there is one word for each.
const (
	ofWorker  = "worker"
	ofPool    = "pool"
	ofServer  = "server"
	ofLatency = "latency_us" // a bucket of a server; its name is its bound in µs
)

// directory is the content of the directory, as JSON.
type directory struct {
	Critical []string `json:"critical,omitempty"` // names of fields that the reader must know
	Slots    int      `json:"slots"`              // without Legacy
	Servers  []int    `json:"servers"`            // of each pool
	Blocks   []block  `json:"blocks"`
}

// block describes adjacent words. There may be several blocks of one kind.
type block struct {
	Of    string        `json:"of"`
	Words []counterName `json:"words"`
	First int           `json:"first"` // index of the first word in the memory, for the first of everything

	Slots   int `json:"slots,omitempty"`    // that have such words of their own; 0: one for all
	PerSlot int `json:"per_slot,omitempty"` // words from one slot to the next

	Pools     []int `json:"pools,omitempty"`      // words from First to those of each pool; none: it is of no pool
	PerServer int   `json:"per_server,omitempty"` // words from one server of a pool to the next

	// Of a ring, see slow.go. Words are those of its first entry.
	Entries  int        `json:"entries,omitempty"`
	PerEntry int        `json:"per_entry,omitempty"` // words from one entry to the next
	Texts    []textName `json:"texts,omitempty"`     // of an entry
}

// counterName is the name of one counter in shared memory.
type counterName struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
}

var kindNames = [...]string{Counter: "", Gauge: "gauge", Timestamp: "timestamp", state: "state"}

// kind returns state for kinds that this build does not know.
func (n counterName) kind() CounterKind {
	if kind := slices.Index(kindNames[:], n.Kind); kind >= 0 {
		return CounterKind(kind)
	}
	return state
}

// parseDirectory reads the directory of a memory of so many words, which must be of these pools.
func parseDirectory(text []byte, words int, servers []int, slots int) (d directory, err error) {
	if err := decode(text, &d); err != nil {
		return d, err
	}
	if d.Slots != slots || !slices.Equal(d.Servers, servers) {
		return d, fmt.Errorf("it is for %d slots and pools of %v servers, want %d and %v", d.Slots, d.Servers, slots, servers)
	}
	for i := range d.Blocks {
		if !d.Blocks[i].lies(words, servers) {
			return d, fmt.Errorf("block %d does not lie within %d words", i, words)
		}
	}
	return d, nil
}

// lies tells whether all of the block is within so many words, behind the header.
func (b *block) lies(words int, servers []int) bool {
	if b.Of != ofWorker && len(b.Pools) != len(servers) {
		return false
	}
	if min(b.Entries, b.PerEntry) < 0 || max(b.Entries, b.PerEntry) > words || b.Entries > 0 && b.First+max(0, b.Slots-1)*b.PerSlot+slices.Max(append(b.Pools, 0))+b.Entries*b.PerEntry > words {
		return false
	}
	if min(b.First, b.Slots, b.PerSlot, b.PerServer) < 0 || max(b.First, b.Slots, b.PerSlot, b.PerServer, len(b.Words)) > words {
		return false
	}
	first, last := b.First, b.First+len(b.Words)+max(0, b.Slots-1)*b.PerSlot
	if b.Of == ofWorker {
		return first >= headerWords && last <= words
	}
	for i, offset := range b.Pools {
		if offset < 0 || offset > words || servers[i] < 0 || servers[i] > words {
			return false
		}
		if b.PerServer > 0 && servers[i] == 0 {
			continue
		}
		of := max(0, servers[i]-1) * b.PerServer
		if first+offset < headerWords || last+offset+of > words {
			return false
		}
	}
	return true
}

// place is where one word is, for all of what it is of.
type place struct {
	*block     // nil: nowhere
	column int // of its words
}

// find returns the place of a word.
func (d *directory) find(of, name string) place {
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Of != of {
			continue
		}
		for column := range b.Words {
			if b.Words[column].Name == name {
				return place{b, column}
			}
		}
	}
	return place{}
}

// each calls f for every word of a kind.
func (d *directory) each(of string, f func(name counterName, p place)) {
	for i := range d.Blocks {
		if b := &d.Blocks[i]; b.Of == of {
			for column, name := range b.Words {
				f(name, place{b, column})
			}
		}
	}
}

// index returns which word of the memory it is.
func (p place) index(slot, pool, server int) int {
	i := p.First + p.column + slot*p.PerSlot
	if len(p.Pools) > 0 {
		i += p.Pools[pool] + server*p.PerServer
	}
	return i
}

func (d *directory) text() []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic("link: " + err.Error()) // it consists of numbers and names
	}
	return text
}
