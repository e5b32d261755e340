// Memory of builds that count more, fewer or other things: what both know is read, and nothing is read beside it.

package link

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// memoryOf returns memory for these pools that another build has made, whose layout differs by change.
func memoryOf(t *testing.T, change func(l *layout)) []byte {
	t.Helper()
	l := newLayout(two, 2)
	change(l)
	mem := newMemory((l.end + 1 + len(l.text())/wordBytes) * wordBytes)
	s := &Shared{words: wordsOf(mem)}
	if err := s.claim(mem, l); err != nil {
		t.Fatal(err)
	}
	return mem
}

// later adds counters that this build does not know.
func later(l *layout) {
	pools, servers := []int{1, 5}, []int{2, 6}
	b := block{First: l.end, Slots: l.Slots + 1, PerSlot: wordsPerLine}
	worker, pool, server := b, b, b
	worker.Of, worker.Words = ofWorker, []counterName{{"reloads", ""}}
	pool.Of, pool.Words, pool.Pools = ofPool, []counterName{{"moved_keys", ""}}, pools
	server.Of, server.Words, server.Pools, server.PerServer = ofServer, []counterName{{"pushes", "gauge"}}, servers, 1
	l.Blocks = append(l.Blocks, worker, pool, server)
	l.add(block{Of: ofServer, Words: []counterName{{"mood", "colour"}}, First: l.end + 1, Slots: l.Slots + 1, PerSlot: wordsPerLine, Pools: servers})
	l.end += b.Slots * b.PerSlot
}

var two = []int{2, 1}

func TestMemoryWithMoreCounters(t *testing.T) {
	s, err := ReopenShared(memoryOf(t, later), two, 2)
	if err != nil {
		t.Fatal(err)
	}
	write := func(of, name string, slot, pool, server int, n uint64) {
		atomic.StoreUint64(s.at(s.dir.find(of, name), slot, pool, server), n)
	}
	write(ofWorker, "reloads", 0, 0, 0, 3)
	write(ofWorker, "reloads", 2, 0, 0, 4) // of Legacy
	write(ofPool, "moved_keys", 1, 1, 0, 5)
	write(ofServer, "pushes", 1, 1, 0, 6)
	write(ofServer, "mood", 1, 1, 0, 7)
	*s.Pool(1, 1)[ClientEOF] = 8
	*s.Server(1, 1, 0)[Requests] = 9
	all := SlotRange{0, 3}
	if n := s.WorkerTotals(all, false)["reloads"]; n != 7 {
		t.Errorf("%d reloads, want 7", n)
	}
	if n := s.WorkerTotals(SlotRange{0, 2}, false)["reloads"]; n != 3 {
		t.Errorf("%d reloads without those of Legacy, want 3", n)
	}
	pool := s.PoolTotals(1, all, false)
	if pool["moved_keys"] != 5 || pool["client_eof"] != 8 || len(pool) != numPoolCounters-3 { // four gauges less, one counter more
		t.Errorf("the pool has counted %v", pool)
	}
	server := s.ServerTotals(1, 0, all, true)
	if _, ok := server["mood"]; ok || server["pushes"] != 6 || server["requests"] != 9 {
		t.Errorf("the server has counted %v", server)
	}
	if _, ok := s.ServerTotals(1, 0, all, false)["pushes"]; ok {
		t.Error("a gauge is among what outlives the worker")
	}
	s.ZeroGauges(1)
	if n := s.ServerTotals(1, 0, all, true)["pushes"]; n != 0 {
		t.Errorf("a dead worker has %d pushes", n)
	}
}

func TestMemoryWithFewerCounters(t *testing.T) {
	mem := memoryOf(t, func(l *layout) {
		for i := range l.Blocks {
			l.Blocks[i].Words = slices.Clone(l.Blocks[i].Words)
			for k := range l.Blocks[i].Words {
				switch name := &l.Blocks[i].Words[k]; name.Name {
				case "fragments", "curr_connections", "in_queue", "turns", "moved", "found_low", "epoch", "liveness", "failed_at":
					*name = counterName{"former", "state"}
				}
			}
		}
	})
	s, err := ReopenShared(mem, two, 2)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(mem)
	pool, server := s.Pool(1, 1), s.Server(1, 1, 0)
	*pool[Fragments], *server[InQueue], *s.Worker(1)[CurrConnections] = 1, 2, 3
	*s.Epoch(1)++
	*s.Liveness(1, 0)++
	if !slices.Equal(before, mem) {
		t.Error("what the memory does not have is written into it")
	}
	*pool[ClientErr], *server[OutQueue] = 4, 5
	for name, got := range map[string][2]uint64{
		"fragments": {s.SumPool(1, Fragments), 0}, "in_queue": {s.SumServer(1, 0, InQueue), 0}, "curr_connections": {s.SumWorker(CurrConnections), 0},
		"client_err": {s.SumPool(1, ClientErr), 4}, "out_queue": {s.SumServer(1, 0, OutQueue), 5},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %d, want %d", name, got[0], got[1])
		}
	}
	if _, known := s.Balance(0); known || s.Turns(0) != nil || s.Blamed(0, 0) != nil || s.Heard(0, 1, 0) == nil {
		t.Error("something is known that is not there, or the other way round")
	}
	if addr, _ := s.Found(0, 0); addr.IsValid() {
		t.Errorf("found at %v", addr)
	}
}

func TestMemoryWithOtherBuckets(t *testing.T) {
	mem := memoryOf(t, func(l *layout) {
		for i := range l.Blocks {
			if b := &l.Blocks[i]; b.Of == ofLatency {
				b.Words = []counterName{{Name: "100"}, {Name: "never"}, {Name: "1000"}, {Name: "2000000"}}
			}
		}
	})
	s, err := ReopenShared(mem, two, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Latency(0, 1, 0)[0] = 9 // it has no place there
	var counts, want [LatencyBuckets]uint64
	counts[LatencyBucket(int64(40*time.Microsecond))] = 1
	counts[LatencyBucket(int64(300*time.Microsecond))] = 2
	counts[LatencyBucket(int64(time.Minute))] = 4
	s.SetLatency(s.Legacy(), 1, 0, &counts)
	totals := s.LatencyTotals(1, 0, SlotRange{0, 3})
	if w := (map[string]uint64{"100": 1, "1000": 2, "2000000": 4}); !maps.Equal(totals, w) {
		t.Errorf("the memory has %v, want %v", totals, w)
	}
	for us, n := range map[int64]uint64{99: 1, 999: 2, 1999999: 4} {
		want[LatencyBucket(us*int64(time.Microsecond))] = n
	}
	if got := s.SumLatency(1, 0); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	own := openShared(t, two, 2)
	own.SetLatency(1, 1, 0, &counts)
	if got := *own.Latency(1, 1, 0); got != counts {
		t.Errorf("in its own buckets there are %v, want %v", got, counts)
	}
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *layout)
		want   string
	}{
		"insists on what is not known": {func(l *layout) { l.Critical = []string{"blocks.words.colour"} }, "unknown critical field"},
		"beyond the end":               {func(l *layout) { l.Blocks[2].First = l.end * wordBytes }, "does not lie"},
		"in the header":                {func(l *layout) { l.Blocks[2].First = 0 }, "does not lie"},
		"below nothing":                {func(l *layout) { l.Blocks[2].Slots = -1 }, "does not lie"},
		"servers without pools":        {func(l *layout) { l.Blocks[4].Pools = nil }, "does not lie"},
		"too many slots":               {func(l *layout) { l.Blocks[3].Slots = 1 << 40 }, "does not lie"},
		"a pool far away":              {func(l *layout) { l.Blocks[4].Pools = []int{0, 1 << 62} }, "does not lie"},
		"other slots":                  {func(l *layout) { l.Slots++ }, "it is for"},
	} {
		mem := memoryOf(t, c.change)
		if _, err := ReopenShared(mem, two, 2); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	mem := memoryOf(t, func(*layout) {})
	wordsOf(mem)[directorySize] = 1 << 63
	if _, err := ReopenShared(mem, two, 2); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory that is too long: %v", err)
	}
}

// What every build before the directory knew is where they look for it, however much is added to the tables.
func TestFirstCountersStay(t *testing.T) {
	for _, c := range []struct {
		infos []CounterInfo
		first []string
	}{{WorkerCounters[:], firstOfWorker}, {PoolCounters[:], firstOfPool}, {ServerCounters[:], firstOfServer}} {
		for _, name := range c.first {
			if !slices.ContainsFunc(c.infos, func(info CounterInfo) bool { return info.Name == name }) {
				t.Errorf("nobody counts %s any more: its word stays, and its kind must be said", name)
			}
		}
	}
	if n := newLayout(two, 2).counters; n != 8+16+3*656 {
		t.Errorf("the first counters end at word %d", n)
	}
}

// FuzzDirectory has every word of whatever is accepted be within the memory, and nothing be lost on the way.
func FuzzDirectory(f *testing.F) {
	l := newLayout(two, 2)
	f.Add(l.text())
	later(l)
	f.Add(l.text())
	f.Add([]byte(`{"slots":2,"servers":[2,1],"blocks":[{"of":"server","words":[{"name":"heard"}],"first":8,"pools":[0,9223372036854775807]}]}`))
	const words = 1 << 12
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseDirectory(text, words, two, 2)
		if err != nil {
			return
		}
		again, err := parseDirectory(d.text(), words, two, 2)
		if errors.Is(err, ErrCritical) || err != nil || !reflect.DeepEqual(again.text(), d.text()) {
			t.Fatalf("%s is written as %s, %v", text, d.text(), err)
		}
		s := &Shared{words: make([]uint64, words), dir: d}
		s.locate()
		for slot := range 3 {
			s.ZeroGauges(slot)
			*s.Worker(slot)[TotalConnections]++
		}
		s.Turns(1)
		for pool, n := range two {
			*s.Epoch(pool)++
			s.PoolTotals(pool, SlotRange{0, 3}, true)
			s.Clients(pool)
			*s.Pool(2, pool)[ClientErr]++
			for server := range n {
				*s.Liveness(pool, server)++
				s.ServerTotals(pool, server, SlotRange{0, 3}, true)
				s.LatencyTotals(pool, server, SlotRange{0, 3})
				s.SumLatency(pool, server)
				s.Found(pool, server)
				s.LastHeard(pool, server)
				*s.Server(2, pool, server)[Requests]++
				s.Blamed(pool, server)
				s.Latency(2, pool, server)[0]++
				s.SetLatency(2, pool, server, new([LatencyBuckets]uint64))
			}
		}
	})
}

func wordsOf(mem []byte) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/wordBytes)
}
