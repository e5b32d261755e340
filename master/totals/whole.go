// The whole: what all generations have counted, those that are gone included, for a reader beside the loop. It does not go
// by way of Inherit, which is the loop's: it adds up, by name, when it is read.

package totals

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Whole is the counters of generations as they were known at one moment. Any one goroutine may read it, as long as the memory
// of the generations is there. What it returns of a counter never goes backwards from one Whole of a service to the next.
type Whole struct {
	serving *Counters
	others  []elsewhere
	past    *Sums

	slow      []SlowRequest // of generations that are gone
	slowSince map[string]time.Time
	keys      map[sketchOf]keptKeys
}

// elsewhere is another generation: which of its pools and servers are those of the one that serves.
type elsewhere struct {
	*Counters
	pools   []int   // by pool; -1: it has none of that name
	servers [][]int // by pool and server, likewise; nil: in the same order
}

// Whole returns the counters of the generation that serves, of all others, and of those that are gone.
func (t *Totals) Whole(serving *Counters, g Generations) *Whole {
	w := &Whole{serving: serving, past: t.Past, slow: t.slow, slowSince: t.slowSince, keys: t.keys}
	for _, c := range g.All {
		if c != serving {
			w.others = append(w.others, elsewhere{Counters: c})
		}
	}
	return w
}

// Locate finds the pools and servers of the generation that serves in the others. It is called once, before anything else.
func (w *Whole) Locate() {
	for i := range w.others {
		w.others[i].locate(w.serving.Pools)
	}
}

func (e *elsewhere) locate(pools []link.Pool) {
	for i := range pools {
		at := slices.IndexFunc(e.Pools, func(p link.Pool) bool { return p.Name == pools[i].Name })
		e.pools = append(e.pools, at)
		var servers []int
		sameName := func(a, b link.Server) bool { return a.Name == b.Name }
		if at >= 0 && !slices.EqualFunc(pools[i].Servers, e.Pools[at].Servers, sameName) {
			index := map[string]int{}
			for k, s := range e.Pools[at].Servers {
				index[s.Name] = k
			}
			for _, s := range pools[i].Servers {
				k, has := index[s.Name]
				if !has {
					k = -1
				}
				servers = append(servers, k)
			}
		}
		e.servers = append(e.servers, servers)
	}
}

// find returns where a server is in that generation; false: nowhere.
func (e *elsewhere) find(pool, server int) (p, s int, has bool) {
	p, s = e.pools[pool], server
	if p >= 0 && e.servers[pool] != nil {
		s = e.servers[pool][server]
	}
	return p, s, p >= 0 && s >= 0
}

// Worker returns a counter of workers by its index in link.WorkerCounters.
func (w *Whole) Worker(counter int) uint64 {
	kind := link.WorkerCounters[counter].Kind
	sum := w.serving.OwnWorker(counter)
	for i := range w.others {
		sum = kind.Add(sum, w.others[i].OwnWorker(counter))
	}
	if w.past != nil && kind != link.Gauge {
		sum = kind.Add(sum, w.past.Worker[link.WorkerCounters[counter].Name])
	}
	return sum
}

// Pool returns a counter of a pool by its index in link.PoolCounters.
func (w *Whole) Pool(pool, counter int) uint64 {
	if counter == link.ClientConnections { // clients may be on their way from one generation to another
		return w.serving.Clients(pool)
	}
	kind := link.PoolCounters[counter].Kind
	sum := w.serving.OwnPool(pool, counter)
	for i := range w.others {
		if at := w.others[i].pools[pool]; at >= 0 {
			sum = kind.Add(sum, w.others[i].OwnPool(at, counter))
		}
	}
	if w.past != nil && kind != link.Gauge {
		sum = kind.Add(sum, w.past.Pools[w.serving.Pools[pool].Name].Counters[link.PoolCounters[counter].Name])
	}
	return sum
}

// Server is what has been counted of one server.
type Server struct {
	Counters  [len(link.ServerCounters)]uint64 // by index of link.ServerCounters
	Latencies [link.LatencyBuckets]uint64      // by link.LatencyBucket
}

// ReadServer reads all of a server.
func (w *Whole) ReadServer(pool, server int, to *Server) {
	*to = Server{}
	w.serving.addOwn(pool, server, to)
	for i := range w.others {
		if p, s, has := w.others[i].find(pool, server); has {
			w.others[i].addOwn(p, s, to)
		}
	}
	if w.past == nil {
		return
	}
	past := w.past.Pools[w.serving.Pools[pool].Name].Servers[w.serving.Pools[pool].Servers[server].Name]
	for i, info := range link.ServerCounters {
		if info.Kind != link.Gauge {
			to.Counters[i] = info.Kind.Add(to.Counters[i], past.Counters[info.Name])
		}
	}
	if len(past.Latencies) > 0 {
		counts := past.Latencies.counts()
		for bucket, n := range counts {
			to.Latencies[bucket] += n
		}
	}
}

// addOwn adds what the workers of one generation have counted of a server.
func (c *Counters) addOwn(pool, server int, to *Server) {
	for i, info := range link.ServerCounters {
		to.Counters[i] = info.Kind.Add(to.Counters[i], c.OwnServer(pool, server, i))
	}
	c.AddOwnLatency(pool, server, &to.Latencies)
}

// Serving returns the counters of the generation that serves.
func (w *Whole) Serving() *Counters { return w.serving }
