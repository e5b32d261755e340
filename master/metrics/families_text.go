// From what was read to text, family by family.

package metrics

import (
	"github.com/pinion-proxy/pinion/worker/link"
)

// write writes all families that have samples.
func (s *scrape) write(t *text) {
	for _, table := range [][]family{ofService, ofWorkers, ofQueues, ofProcesses} {
		for i := range table {
			f := &table[i]
			t.begin(f.name, f.kind, f.help)
			f.samples(s, func(value float64, values ...string) { t.add(labelsOf(f.labels, values...), value) })
		}
	}
	for i, info := range link.WorkerStatistics {
		t.begin(nameOf(prefix, info), kindOf(info), helpOf(info))
		t.add("", float64(s.worker[i])*scaleOf(info))
	}
	s.writePools(t)
	s.writeTurns(t)
	s.writeServers(t)
	s.writeReplicas(t)
	s.writeInfo(t)
	s.writeLatencies(t)
}

// writePools writes what is counted of pools.
func (s *scrape) writePools(t *text) {
	for i, info := range link.PoolCounters[:link.FirstCommandFamily] {
		t.begin(nameOf(prefix, info), kindOf(info), helpOf(info)+notInEachPool[i].note())
		scale := scaleOf(info)
		for k := range s.pools {
			if one := &s.pools[k]; notInEachPool[i].concerns(one.of) {
				t.add(one.labels, float64(one.counters[i])*scale)
			}
		}
	}
	s.writeNamed(t, commandsName, commandsLabels, commandsHelp, link.FirstCommandFamily, link.CommandFamilies[:],
		func(family int, p link.Protocol) bool { return link.CommandFamily(family).Of(p) })
	s.writeNamed(t, errorsName, errorsLabels, errorsHelp, link.FirstErrorWord, link.ErrorWords[:], link.ErrorWordOf)
	s.writeNamed(t, closingsName, closingsLabels, closingsHelp, link.FirstClosing, link.Closings[:], func(int, link.Protocol) bool { return true })
}

// writeNamed writes counters of pools that differ by a name, those from the first one on that concern the protocol of the pool.
func (s *scrape) writeNamed(t *text, name, names, help string, first int, all []string, concerns func(int, link.Protocol) bool) {
	t.begin(name, counter, help)
	for i := range s.pools {
		p := &s.pools[i]
		for k, one := range all {
			if concerns(k, p.of.Protocol) {
				t.add(labelsOf(names, p.of.Name, one), float64(p.counters[first+k]))
			}
		}
	}
}

func kindOf(info link.CounterInfo) kind {
	if info.Kind == link.Counter {
		return counter
	}
	return gauge
}

// writeServers writes what is counted and known of servers.
func (s *scrape) writeServers(t *text) {
	for i, info := range link.ServerCounters {
		t.begin(nameOf(serverPrefix, info), kindOf(info), helpOf(info)+notEverywhere[i].note())
		scale := scaleOf(info)
		for k := range s.servers {
			if one := &s.servers[k]; notEverywhere[i].concerns(one.pool) {
				t.add(one.labels, float64(one.counters[i])*scale)
			}
		}
	}
	for i := range ofServers {
		f := &ofServers[i]
		t.begin(f.name, f.kind, f.help)
		for k := range s.servers {
			if v, has := f.value(&s.servers[k]); has {
				t.add(s.servers[k].labels, v)
			}
		}
	}
}

// writeReplicas writes what is known of replicas.
func (s *scrape) writeReplicas(t *text) {
	for i := range ofReplicas {
		f := &ofReplicas[i]
		t.begin(f.name, gauge, f.help)
		for k := range s.servers {
			for n := range s.servers[k].replicas {
				r := &s.servers[k].replicas[n]
				if v, has := f.value(r); has {
					t.add(r.labels, v)
				}
			}
		}
	}
}

// writeInfo writes where servers are.
func (s *scrape) writeInfo(t *text) {
	t.begin(infoName, gauge, infoHelp)
	for k := range s.servers {
		if one := &s.servers[k]; one.address != "" {
			t.add(one.labels.and(labelsOf("address", one.address)), 1)
		}
	}
}

// writeLatencies writes the histograms of servers.
func (s *scrape) writeLatencies(t *text) {
	t.begin(latencyName, histograms, latencyHelp)
	for k := range s.servers {
		h := &s.servers[k].latencies
		t.histogram(s.servers[k].labels, boundLabels[:], h.below[:], h.all, h.seconds)
	}
}
