// From what was read to the types of Prometheus' library, in few allocations: there may be thousands of servers.

package metrics

import (
	"math"

	dto "github.com/prometheus/client_model/go"

	"github.com/pinion-proxy/pinion/worker/link"
)

// batch makes the samples of one family.
type batch struct {
	of      *dto.MetricFamily
	metrics []dto.Metric
	values  []float64
	counts  []dto.Counter
	gauges  []dto.Gauge
}

// newBatch begins a family. room is how many samples there are going to be, about.
func newBatch(name string, kind dto.MetricType, help string, room int) *batch {
	b := &batch{of: &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}}
	b.of.Metric = make([]*dto.Metric, 0, room)
	b.metrics, b.values = make([]dto.Metric, 0, room), make([]float64, 0, room)
	if kind == counter {
		b.counts = make([]dto.Counter, 0, room)
	} else {
		b.gauges = make([]dto.Gauge, 0, room)
	}
	return b
}

// next returns the next element of a slice, in a new one where that is full: pointers to the elements before stay good.
func next[T any](s *[]T) *T {
	if len(*s) == cap(*s) {
		*s = make([]T, 0, max(8, cap(*s)))
	}
	*s = (*s)[:len(*s)+1]
	return &(*s)[len(*s)-1]
}

func (b *batch) add(labels []*dto.LabelPair, value float64) {
	m, v := next(&b.metrics), next(&b.values)
	*v, m.Label = value, labels
	if *b.of.Type == counter {
		m.Counter = next(&b.counts)
		m.Counter.Value = v
	} else {
		m.Gauge = next(&b.gauges)
		m.Gauge.Value = v
	}
	b.of.Metric = append(b.of.Metric, m)
}

// families returns all families that have samples.
func (s *scrape) families() (all []*dto.MetricFamily) {
	put := func(b *batch) {
		if len(b.of.Metric) > 0 {
			all = append(all, b.of)
		}
	}
	for _, table := range [][]family{ofService, ofWorkers, ofProcesses} {
		for i := range table {
			f := &table[i]
			b := newBatch(f.name, f.kind, f.help, 8)
			f.samples(s, func(value float64, values ...string) { b.add(labels(f.labels, values...), value) })
			put(b)
		}
	}
	for i, info := range link.WorkerStatistics {
		b := newBatch(nameOf(prefix, info), kindOf(info), info.Doc, 1)
		b.add(nil, float64(s.worker[i])*scaleOf(info))
		put(b)
	}
	for i, info := range link.PoolCounters[:link.FirstCommandFamily] {
		b := newBatch(nameOf(prefix, info), kindOf(info), info.Doc, len(s.pools))
		for k := range s.pools {
			b.add(s.pools[k].labels, float64(s.pools[k].counters[i])*scaleOf(info))
		}
		put(b)
	}
	put(s.commands())
	put(s.errors())
	put(s.closings())
	if len(s.turns) > 0 {
		all = append(all, s.turnTimes())
	}
	for i, info := range link.ServerCounters {
		b := newBatch(nameOf(serverPrefix, info), kindOf(info), info.Doc, len(s.servers))
		for k := range s.servers {
			b.add(s.servers[k].labels, float64(s.servers[k].counters[i])*scaleOf(info))
		}
		put(b)
	}
	for i := range ofServers {
		f := &ofServers[i]
		b := newBatch(f.name, f.kind, f.help, len(s.servers))
		for k := range s.servers {
			if v, has := f.value(&s.servers[k]); has {
				b.add(s.servers[k].labels, v)
			}
		}
		put(b)
	}
	for i := range ofReplicas {
		f := &ofReplicas[i]
		b := newBatch(f.name, gauge, f.help, 8)
		for k := range s.servers {
			for n := range s.servers[k].replicas {
				r := &s.servers[k].replicas[n]
				if v, has := f.value(r); has {
					b.add(r.labels, v)
				}
			}
		}
		put(b)
	}
	put(s.info())
	if len(s.servers) > 0 {
		all = append(all, s.latencies())
	}
	return all
}

func kindOf(info link.CounterInfo) dto.MetricType {
	if info.Kind == link.Counter {
		return counter
	}
	return gauge
}

// commands are what clients of pools have asked for.
func (s *scrape) commands() *batch {
	b := newBatch(commandsName, counter, commandsHelp, len(s.pools)*link.NumCommandFamilies)
	for i := range s.pools {
		of := &s.view.Counts.Serving().Pools[i]
		for family, name := range link.CommandFamilies {
			if link.CommandFamily(family).Of(of.Protocol) {
				b.add(labels(commandsLabels, of.Name, name), float64(s.pools[i].counters[link.FirstCommandFamily+family]))
			}
		}
	}
	return b
}

// errors are what servers of pools have answered with.
func (s *scrape) errors() *batch {
	b := newBatch(errorsName, counter, errorsHelp, len(s.pools)*link.NumErrorWords)
	for i := range s.pools {
		of := &s.view.Counts.Serving().Pools[i]
		for word, name := range link.ErrorWords {
			if link.ErrorWordOf(word, of.Protocol) {
				b.add(labels(errorsLabels, of.Name, name), float64(s.pools[i].counters[link.FirstErrorWord+word]))
			}
		}
	}
	return b
}

// closings are why connections of clients have ended.
func (s *scrape) closings() *batch {
	b := newBatch(closingsName, counter, closingsHelp, len(s.pools)*link.NumClosings)
	for i := range s.pools {
		name := s.view.Counts.Serving().Pools[i].Name
		for cause, text := range link.Closings {
			b.add(labels(closingsLabels, name, text), float64(s.pools[i].counters[link.FirstClosing+cause]))
		}
	}
	return b
}

// info is where servers are.
func (s *scrape) info() *batch {
	b := newBatch(infoName, gauge, infoHelp, len(s.servers))
	for k := range s.servers {
		one := &s.servers[k]
		if one.address != "" {
			b.add(append(one.labels[:len(one.labels):len(one.labels)], labels("address", one.address)...), 1)
		}
	}
	return b
}

// latencies are the histograms of servers.
func (s *scrape) latencies() *dto.MetricFamily {
	name, help, kind := latencyName, latencyHelp, dto.MetricType_HISTOGRAM
	f := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: make([]*dto.Metric, 0, len(s.servers))}
	metrics, histograms := make([]dto.Metric, len(s.servers)), make([]dto.Histogram, len(s.servers))
	const perServer = len(latencyBounds) + 1
	buckets, places := make([]dto.Bucket, len(s.servers)*perServer), make([]*dto.Bucket, len(s.servers)*perServer)
	for k := range s.servers {
		from := &s.servers[k].latencies
		m, h := &metrics[k], &histograms[k]
		h.Bucket = places[k*perServer : (k+1)*perServer]
		for i := range h.Bucket {
			h.Bucket[i] = &buckets[k*perServer+i]
			h.Bucket[i].UpperBound = &upperBounds[i]
			if i < len(latencyBounds) {
				h.Bucket[i].CumulativeCount = &from.below[i]
			} else {
				h.Bucket[i].CumulativeCount = &from.all
			}
		}
		h.SampleCount, h.SampleSum = &from.all, &from.seconds
		m.Label, m.Histogram = s.servers[k].labels, h
		f.Metric = append(f.Metric, m)
	}
	return f
}

// upperBounds are latencyBounds in s, and the one above all.
var upperBounds = func() (all [len(latencyBounds) + 1]float64) {
	for i, us := range latencyBounds {
		all[i] = float64(us) / 1e6
	}
	all[len(latencyBounds)] = math.Inf(1)
	return all
}()
