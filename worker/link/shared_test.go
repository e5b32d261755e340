// The layout of the shared memory: every word has one name, every block of one writer its own cache lines.

package link

import (
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// newMemory returns zeroed memory that begins a cache line, as a mapping does.
func newMemory(size int) []byte {
	words := make([]uint64, size/wordBytes+wordsPerLine)
	skip := -int(uintptr(unsafe.Pointer(&words[0]))/wordBytes) & (wordsPerLine - 1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[skip])), size)
}

func openShared(t *testing.T, servers []int, slots int) *Shared {
	t.Helper()
	s, err := OpenShared(newMemory(SharedBytes(servers, slots)), servers, slots)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blocks names the words of a layout, writer by writer: "" are those that anyone may write.
func blocks(s *Shared, servers []int, slots int) map[string][]*uint64 {
	all := map[string][]*uint64{}
	for pool, n := range servers {
		all[""] = append(all[""], s.Epoch(pool))
		for server := range n {
			all[""] = append(all[""], s.Liveness(pool, server), s.Blamed(pool, server))
		}
	}
	for pool, n := range servers {
		for server := range n {
			for replica := range MaxReplicas {
				all["judge"] = append(all["judge"], s.Lease(pool, server, replica), s.at(s.replicas[replica], 0, pool, server))
			}
		}
	}
	for slot := range slots {
		name := string(rune('0' + slot))
		worker := s.Worker(slot)
		all[name] = append(all[name], worker[:]...)
		for pool, n := range servers {
			words := s.Pool(slot, pool)
			all[name] = append(all[name], words[:]...)
			for server := range n {
				words, latency := s.Server(slot, pool, server), s.Latency(slot, pool, server)
				found, _ := s.foundOf(slot, pool, server)
				all[name] = append(all[name], words[:]...)
				for i := range latency {
					all[name] = append(all[name], &latency[i])
				}
				all[name] = append(all[name], s.Heard(slot, pool, server))
				all[name] = append(all[name], found[:]...)
				troubles := s.Troubles(slot, pool, server)
				all[name] = append(all[name], troubles[:]...)
			}
		}
		all[name] = append(all[name], s.Turns(slot))
		for pool := range servers {
			all[name] = append(all[name], s.Moved(slot, pool))
		}
	}
	return all
}

func TestWordsDoNotOverlap(t *testing.T) {
	for _, servers := range [][]int{{1}, {3}, {7}, {8}, {1, 2, 50}, {0}, {}} {
		for _, slots := range []int{1, 2, 5} {
			s := openShared(t, servers, slots)
			seen := map[*uint64]bool{}
			for i := range headerWords {
				seen[&s.words[i]] = true
			}
			for i := s.words[directoryWord]; i < uint64(len(s.words)); i++ {
				seen[&s.words[i]] = true
			}
			lines := map[uintptr]string{}
			for writer, words := range blocks(s, servers, slots) {
				for _, word := range words {
					if seen[word] {
						t.Fatalf("servers %v, slots %d: a word has two names", servers, slots)
					}
					seen[word] = true
					line := uintptr(unsafe.Pointer(word)) / 64
					if other, ok := lines[line]; ok && other != writer {
						t.Fatalf("servers %v, slots %d: writers %q and %q share a cache line", servers, slots, writer, other)
					}
					lines[line] = writer
				}
			}
		}
	}
}

func TestOpenShared(t *testing.T) {
	servers := []int{2}
	size := SharedBytes(servers, 2)
	mem := newMemory(size)
	first, err := OpenShared(mem, servers, 2)
	if err != nil {
		t.Fatal(err)
	}
	*first.Worker(1)[TotalConnections] = 5
	second, err := OpenShared(mem, servers, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got := *second.Worker(1)[TotalConnections]; got != 5 {
		t.Errorf("who opens it later reads %d", got)
	}
	if second.Slots() != 2 {
		t.Errorf("it has %d slots", second.Slots())
	}
	if _, err := OpenShared(newMemory(size)[:size-wordBytes], servers, 2); err == nil || !strings.Contains(err.Error(), "want") {
		t.Errorf("fresh memory that is one word short: %v", err)
	}
	counters := CounterBytes(servers, 2)
	if _, err := OpenShared(mem[:counters-1], servers, 2); err == nil || !strings.Contains(err.Error(), "want") {
		t.Errorf("memory that is one byte short of the counters: %v", err)
	}
	first.words[0]++
	if _, err := OpenShared(mem, servers, 2); err == nil || !strings.Contains(err.Error(), "unknown format") {
		t.Errorf("memory of another format: %v", err)
	}
}

func TestServerCounts(t *testing.T) {
	pools := []Pool{{Servers: make([]Server, 3)}, {}, {Servers: make([]Server, 1)}}
	if got := ServerCounts(pools); !slices.Equal(got, []int{3, 0, 1}) {
		t.Errorf("counts %v", got)
	}
}

func TestSums(t *testing.T) {
	s := openShared(t, []int{1, 2}, 3)
	for slot := range uint64(3) {
		*s.Worker(int(slot))[TotalConnections] = 1 << slot
		*s.Pool(int(slot), 1)[ClientEOF] = 10 << slot
		*s.Server(int(slot), 1, 1)[Requests] = 100 << slot
		*s.Server(int(slot), 1, 1)[ServerEjectedAt] = 5 - slot
	}
	for _, test := range []struct {
		name      string
		got, want uint64
	}{
		{"worker", s.SumWorker(TotalConnections), 7},
		{"other counter of the worker", s.SumWorker(CurrConnections), 0},
		{"pool", s.SumPool(1, ClientEOF), 70},
		{"other pool", s.SumPool(0, ClientEOF), 0},
		{"server", s.SumServer(1, 1, Requests), 700},
		{"other server", s.SumServer(1, 0, Requests), 0},
		{"time, of which the latest counts", s.SumServer(1, 1, ServerEjectedAt), 5},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d, want %d", test.name, test.got, test.want)
		}
	}
}

func TestZeroGauges(t *testing.T) {
	servers := []int{2, 1}
	s := openShared(t, servers, 2)
	for _, words := range blocks(s, servers, 2) {
		for _, word := range words {
			*word = 9
		}
	}
	s.ZeroGauges(1)
	check := func(slot int, words []*uint64, infos []CounterInfo) {
		for i, info := range infos {
			want := uint64(9)
			if slot == 1 && info.Kind == Gauge {
				want = 0
			}
			if *words[i] != want {
				t.Errorf("slot %d: %s is %d, want %d", slot, info.Name, *words[i], want)
			}
		}
	}
	for slot := range 2 {
		worker := s.Worker(slot)
		check(slot, worker[:], WorkerCounters[:])
		for pool, n := range servers {
			words := s.Pool(slot, pool)
			check(slot, words[:], PoolCounters[:])
			for server := range n {
				words := s.Server(slot, pool, server)
				check(slot, words[:], ServerCounters[:])
			}
		}
	}
	if *s.Epoch(0) != 9 || *s.Liveness(1, 0) != 9 {
		t.Error("what belongs to nobody was zeroed")
	}
}

// The names are those of nutcracker's statistics port, in its order (nc_stats.h).
func TestCounterNames(t *testing.T) {
	names := func(infos []CounterInfo) string {
		var all []string
		for _, info := range infos {
			if info.Doc == "" {
				t.Errorf("%s is not described", info.Name)
			}
			all = append(all, info.Name)
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		infos []CounterInfo
		want  string
	}{
		{WorkerStatistics, "total_connections curr_connections"},
		{PoolStatistics, "client_eof client_err client_connections server_ejects forward_error fragments " +
			"blocked_clients subscribers moved_replies ask_replies unknown_redirects tryagain_replies clusterdown_replies"},
		{ServerCounters[:], "server_eof server_err server_timedout server_connections server_ejected_at requests " +
			"request_bytes responses response_bytes in_queue in_queue_bytes out_queue out_queue_bytes dedicated_connections blocking_responses held held_bytes held_total held_expired replica_reads replica_fallbacks wait_us tls_handshakes tls_unverified tls_refused tls_failed"},
	} {
		if got := names(test.infos); got != test.want {
			t.Errorf("counters %s, want %s", got, test.want)
		}
	}
}

// Builds that know no signs of life share the counters with those that do.
func TestPulseOfAnotherBuild(t *testing.T) {
	servers := []int{2, 1}
	mem := newMemory(SharedBytes(servers, 2))
	own, err := OpenShared(mem, servers, 2)
	if err != nil {
		t.Fatal(err)
	}
	*own.Turns(1) = 7
	*own.Heard(0, 1, 0), *own.Heard(1, 1, 0) = 5, 9
	if ns, known := own.LastHeard(1, 0); ns != 9 || !known {
		t.Errorf("last heard at %d, %v", ns, known)
	}
	whole, err := OpenShared(mem, servers, 2)
	if err != nil || *whole.Turns(1) != 7 {
		t.Errorf("who maps all of it: %v", err)
	}
	for name, mem := range map[string][]byte{
		"only the counters are mapped": withoutDirectory(own).memory()[:CounterBytes(servers, 2)],
		"only the counters are there":  withoutPulse(servers, 2),
	} {
		s, err := OpenShared(mem, servers, 2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Turns(1) != nil || s.Heard(0, 1, 0) != nil {
			t.Errorf("%s: there are signs of life", name)
		}
		if _, known := s.LastHeard(1, 0); known {
			t.Errorf("%s: somebody knows when a server was last heard", name)
		}
	}
}

// withoutPulse returns memory that a build which knows no signs of life has claimed, mapped by one that does.
func withoutPulse(servers []int, slots int) []byte {
	mem := newMemory(SharedBytes(servers, slots))
	*(*uint64)(unsafe.Pointer(unsafe.SliceData(mem))) = sharedMagic
	return mem
}

// withoutDirectory makes the memory that of a build that knows no directory.
func withoutDirectory(s *Shared) *Shared {
	undirected(s.memory())
	return s
}

// memory returns what the layout was laid over.
func (s *Shared) memory() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s.words))), len(s.words)*wordBytes)
}
