// Package outlier finds the server of a pool that is much slower than the others, by how long servers took to reply to what workers have
// asked them. It knows no clock and no memory: it is shown the histograms once a second, and says which server is to be ejected.
//
//	counts of each server ─► since the last look, or some looks if there are few ─► its median
//	medians of the others ─► their median × factor, and the floor ─► slow, or not ─► three times in a row: a verdict
//
// A median tells of the server, where a mean or a high percentile would tell of the few keys or commands that take long anyway. It is
// compared with servers that do the same work at the same time, so a pool that is slow as a whole, since it has too much to do or the worker
// is late, has no outlier.
package outlier

import (
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	leastReplies = 10 // of which a median is taken
	mostLooks    = 10 // in a row, in which so many must have come; older ones are forgotten, and so is the median
	slowInARow   = 3  // medians that are too great, before a server is ejected
	leastOthers  = 2  // with a median: of two servers nobody can tell which is the odd one
	shareOut     = 3  // at most one in three servers is out, for whatever reason, when one is ejected
)

// Histogram is how many replies took how long, by link.LatencyBucket.
type Histogram = [link.LatencyBuckets]uint64

// Judge compares the servers of one pool. The zero values of Factor and Floor are no limits: any difference would count.
type Judge struct {
	Factor int           // a server is slow whose median is greater than so many times that of the others
	Floor  time.Duration // and greater than this

	servers []record // by index of the server
}

// record is what is known of one server.
type record struct {
	began  bool // its counts are known from an earlier look
	counts Histogram
	looks  int           // since then
	median time.Duration // of the latest replies that are enough; 0: not known
	slow   int           // medians in a row that were too great
}

// Server is what a judge is shown of one.
type Server struct {
	Live   bool
	Counts Histogram // of all replies so far
}

// Verdict is that a server is to be ejected.
type Verdict struct {
	Server int           // its index
	Median time.Duration // of its replies
	Others time.Duration // the median of the medians of the others
}

// Look is called once a second with all servers of the pool, in the same order each time. found is false if none of them is to be ejected. If one
// is, and is not live at the next look, its judgement begins anew when it is live again.
func (j *Judge) Look(servers []Server) (v Verdict, found bool) {
	if len(j.servers) != len(servers) {
		j.servers = make([]record, len(servers))
	}
	out := 0
	var fresh []int
	for i := range servers {
		r := &j.servers[i]
		if !servers[i].Live {
			out++
			*r = record{}
		} else if r.add(&servers[i].Counts) {
			fresh = append(fresh, i)
		}
	}
	for _, i := range fresh {
		j.compare(i)
	}
	if (out+1)*shareOut > len(servers) {
		return v, false
	}
	for i := range j.servers {
		if r := &j.servers[i]; r.slow >= slowInARow && r.median > v.Median {
			others, _ := j.others(i)
			v, found = Verdict{i, r.median, others}, true
		}
	}
	return v, found
}

// add takes the counts of another look; true: there is a new median.
func (r *record) add(counts *Histogram) bool {
	if !r.began {
		*r = record{began: true, counts: *counts}
		return false
	}
	r.looks++
	var news Histogram
	total := uint64(0)
	for i, n := range counts {
		if n < r.counts[i] { // another memory
			*r = record{began: true, counts: *counts}
			return false
		}
		news[i] = n - r.counts[i]
		total += news[i]
	}
	switch {
	case total >= leastReplies:
		r.median = link.Quantile(&news, 0.5)
		r.counts, r.looks = *counts, 0
		return true
	case r.looks >= mostLooks:
		*r = record{began: true, counts: *counts}
	}
	return false
}

// compare judges the new median of a server.
func (j *Judge) compare(server int) {
	r := &j.servers[server]
	others, known := j.others(server)
	if !known || r.median <= max(j.Floor, time.Duration(j.Factor)*others) {
		r.slow = 0
		return
	}
	r.slow++
}

// others returns the median of the medians of all servers but one; the greater one of the two in the middle. known is false if too few
// have one.
func (j *Judge) others(server int) (median time.Duration, known bool) {
	var all []time.Duration
	for i := range j.servers {
		if m := j.servers[i].median; i != server && m > 0 {
			all = append(all, m)
		}
	}
	if len(all) < leastOthers {
		return 0, false
	}
	slices.Sort(all)
	return all[len(all)/2], true
}
