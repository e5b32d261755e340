// Where the words of the shared memory are. Builds meet each other's memory, so it says itself what is where, in a
// directory that every build from the one on reads which has first written one; see directory.go.
//
//	header │ per pool: epoch, liveness of each server │ per slot: worker, per pool: pool counters, per server: counters, latencies
//	       │ per slot: signs of life, see pulse.go │ per slot: clients that have moved, see moved.go
//	       │ per server: when it last failed, see blame.go │ per slot: where servers were found, see found.go
//	       │ per slot: later counters │ per server: leases of replicas, see replica.go
//	       │ per server: why it is ejected, when it was probed, since when it is back, see ejection.go
//	       │ per slot: slow requests, see slow.go │ per slot: hot keys, see keys.go │ what the master counts, see tally.go
//	       │ per slot: what is wrong with servers, see trouble.go
//	       │ per slot: until when their certificates are good, see certificate.go │ directory
//
// The first two lines are where builds without a directory look for them, so they stay as they are. A counter that is
// added to the tables of counter.go gets a word on the third by itself.

package link

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	wordBytes    = 8
	wordsPerLine = 64 / wordBytes // a cache line; blocks of different writers never share one
	headerWords  = wordsPerLine
	sharedMagic  = 0x50494e494f4e0002 // "PINION", format 2

	sharedMinimum = headerWords * wordBytes
)

// Words of the header. Word 0 is the magic. Words 1 to 4 are for builds that know the parts behind the counters, but no
// directory; a part that is not there is 0.
const (
	pulseWord     = 1 // the first word of the signs of life
	movedWord     = 2 // of what is known of clients that move
	blameWord     = 3 // of the times of failures
	foundWord     = 4 // of the addresses
	directoryWord = 5 // of the directory
	directorySize = 6 // its bytes
)

// What is counted in the part that stays as it is, in that order.
var (
	firstOfWorker = []string{"total_connections", "curr_connections"}
	firstOfPool   = []string{"client_eof", "client_err", "client_connections", "server_ejects", "forward_error", "fragments"}
	firstOfServer = []string{"server_eof", "server_err", "server_timedout", "server_connections", "server_ejected_at", "requests",
		"request_bytes", "responses", "response_bytes", "in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes"}
)

// layout is where a build puts what it knows.
type layout struct {
	directory
	counters int                // words up to the end of the counters that every build lays out alike
	parts    [foundWord + 1]int // by word of the header: where the parts begin of which that word tells
	later    int                // where they end
	end      int                // words in all, but for the directory
}

// newLayout returns that of this build; servers[i] is the number of servers of pool i.
func newLayout(servers []int, slots int) *layout {
	l := &layout{directory: directory{Slots: slots, Servers: servers}, end: headerWords}
	l.layLiveness()
	l.layCounters(firstOfWorker, firstOfPool, firstOfServer, latencyNames())
	l.counters = l.end
	l.layPulse()
	l.layMoved()
	l.layBlame()
	l.layFound()
	l.later = l.end
	l.layCounters(without(WorkerCounters[:], firstOfWorker), without(PoolCounters[:], firstOfPool), without(ServerCounters[:], firstOfServer), nil)
	l.layReplicas()
	l.layEjections()
	l.laySlow()
	l.layKeys()
	l.layTally()
	l.layServerWords(troubleNames[:])
	l.layServerWords(certificateNames[:])
	return l
}

// layLiveness places the words of which there is one for all slots: per pool, the epoch and each server's liveness.
func (l *layout) layLiveness() {
	var epochs []int
	for _, n := range l.Servers {
		epochs = append(epochs, l.end)
		l.end += roundUp(1 + n)
	}
	l.add(block{Of: ofPool, Words: states("epoch"), Pools: epochs})
	l.add(block{Of: ofServer, Words: states("liveness"), First: 1, Pools: epochs, PerServer: 1})
}

// layCounters places counters with these names, per slot and for Legacy.
func (l *layout) layCounters(worker, pool, server, latency []string) {
	pools, servers := make([]int, len(l.Servers)), make([]int, len(l.Servers))
	perServer, next := len(server)+len(latency), len(worker)
	for i, n := range l.Servers {
		pools[i], servers[i] = next, next+len(pool)
		next += len(pool) + n*perServer
	}
	b := block{First: l.end, Slots: l.Slots + 1, PerSlot: roundUp(next)}
	at := func(of string, first int, words []counterName, pools []int, perServer int) {
		b := b
		b.Of, b.First, b.Words, b.Pools, b.PerServer = of, b.First+first, words, pools, perServer
		l.add(b)
	}
	at(ofWorker, 0, counters(WorkerCounters[:], worker), nil, 0)
	at(ofPool, 0, counters(PoolCounters[:], pool), pools, 0)
	at(ofServer, 0, counters(ServerCounters[:], server), servers, perServer)
	at(ofLatency, len(server), counters(nil, latency), servers, perServer)
	l.end += b.Slots * b.PerSlot
}

// beginPart begins one of the parts behind the counters. perServer is how many words each server has there, behind so many others.
// It returns where those of each pool's servers are, and how many words there are in all.
func (l *layout) beginPart(word, others, perServer int) (servers []int, words int) {
	l.parts[word] = l.end
	words = others
	for _, n := range l.Servers {
		servers = append(servers, words)
		words += n * perServer
	}
	return servers, words
}

// add adds a block, unless there is nothing in it.
func (l *layout) add(b block) {
	if len(b.Words) > 0 {
		l.Blocks = append(l.Blocks, b)
	}
}

func roundUp(words int) int { return (words + wordsPerLine - 1) &^ (wordsPerLine - 1) }

// counters describes counters with these names.
func counters(infos []CounterInfo, names []string) (all []counterName) {
	for _, name := range names {
		n := counterName{Name: name}
		if i := slices.IndexFunc(infos, func(info CounterInfo) bool { return info.Name == name }); i >= 0 {
			n.Kind = kindNames[infos[i].Kind]
		}
		all = append(all, n)
	}
	return all
}

// states describes words that are no counters.
func states(names ...string) (all []counterName) {
	for _, name := range names {
		all = append(all, counterName{name, kindNames[state]})
	}
	return all
}

// without returns the names of all but some counters.
func without(infos []CounterInfo, but []string) (names []string) {
	for _, info := range infos {
		if !slices.Contains(but, info.Name) {
			names = append(names, info.Name)
		}
	}
	return names
}

// latencyNames are those of the buckets: their bounds in µs.
func latencyNames() (names []string) {
	for bucket := range LatencyBuckets {
		names = append(names, strconv.FormatInt(int64(LatencyBound(bucket)/time.Microsecond), 10))
	}
	return names
}

// upTo returns what of the layout is in a memory without a directory: the first parts, in order, as far as its header says that
// they are where they would be here.
func (l *layout) upTo(words []uint64) directory {
	d := l.directory
	d.Blocks = nil
	end := l.counters
	for word := pulseWord; word <= foundWord && atomic.LoadUint64(&words[word]) == uint64(l.parts[word]); word++ {
		next := l.later
		if word < foundWord {
			next = l.parts[word+1]
		}
		if next > len(words) {
			break
		}
		end = next
	}
	for _, b := range l.Blocks {
		if b.First < end {
			d.Blocks = append(d.Blocks, b)
		}
	}
	return d
}

// layServerWords places words of each server: per slot, and for Legacy.
func (l *layout) layServerWords(names []string) {
	var servers []int
	words := 0
	for _, n := range l.Servers {
		servers = append(servers, words)
		words += n * len(names)
	}
	b := block{Of: ofServer, Words: states(names...), First: l.end, Slots: l.Slots + 1, PerSlot: roundUp(words), Pools: servers, PerServer: len(names)}
	l.add(b)
	l.end += b.Slots * b.PerSlot
}
