//go:build failover

// Trials: servers fail over while clients witness it, and while generations and masters of Pinion follow each other.
//
//	PINION_CHANGES=20 go test -tags failover -run 'TestMeasure(Sentinels|Cluster|Replicas)/kill' -v ./cmd/pinion/storm
//
// Each trial ends when so many reloads and upgrades were made at least, a few in a second; 0: there are none.

package storm_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// trial is one way for servers to fail over.
type trial struct {
	t       *testing.T
	s       *scene
	q       *inquest
	loses   bool          // what servers have acknowledged may be lost: their own failover does that
	changes int           // reloads, and upgrades, at least
	pause   time.Duration // for which each generation serves, about

	fault    time.Time
	switched time.Time // when somebody first said, or the servers made it so, that another one has the keys
	late     string    // writes that the former master executed later; empty: not counted

	stop    chan struct{}
	reloads atomic.Int64
	made    atomic.Int64 // upgrades
	refused map[string]int
}

// lateAfter is how long after a switch a former master may execute what comes from Pinion.
const lateAfter = 200 * time.Millisecond

// newTrial starts Pinion with one pool. Servers are as they are written in YAML.
func newTrial(t *testing.T, options []string, servers ...string) *trial {
	t.Helper()
	changes, err := strconv.Atoi(cmp.Or(os.Getenv("PINION_CHANGES"), "20"))
	if err != nil {
		t.Fatal(err)
	}
	s := newLone(t, oldRelease)
	s.begun()
	options = append([]string{"listen: " + s.in["redis"].at, "redis: true", "timeout: 1000", "failover_wait: 15000"}, options...)
	s.write("global:\n  workers: 2\nfollowed:\n  " + strings.Join(options, "\n  ") + "\n  servers:\n  - " + strings.Join(servers, "\n  - ") + "\n")
	if out, err := s.order("reload"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return &trial{t: t, s: s, q: newInquest(t, s.in["redis"].at), changes: changes, pause: 200 * time.Millisecond, stop: make(chan struct{}), refused: map[string]int{}}
}

const (
	counters = 8
	listers  = 4
	spreads  = 2
)

// witness admits clients. Of the keys, those of own are of the shard that fails; of other ones, nothing befalls the server.
func (tr *trial) witness(own, other, all []string) {
	q := tr.q
	for i := range counters {
		q.admit("counter", false, func(w *witness) { w.count("count:" + own[i%len(own)]) })
		q.admit("reader", false, func(w *witness) { w.read("count:" + own[i%len(own)]) })
	}
	for i := range listers {
		q.admit("lister", false, func(w *witness) { w.list(fmt.Sprintf("list%d:%s", i, own[i%len(own)])) })
	}
	for i := range spreads {
		var keys []string
		for _, key := range all {
			keys = append(keys, fmt.Sprintf("value%d:%s", i, key))
		}
		q.admit("spreader", false, func(w *witness) { w.spread(keys) })
	}
	q.admit("newcomer", false, func(w *witness) { w.come("come:" + own[0]) })
	q.admit("bystander", true, func(w *witness) { w.count("other:" + other[0]) })
}

// inFlight is how many requests of witnesses may be under way at a time.
const inFlight = counters + listers*listAtOnce + spreads + 2

// run has the servers fail over, meanwhile and afterwards reloads and upgrades be made, and reports what was seen. fail sets switched,
// and returns when all is as it is to be.
func (tr *trial) run(fail func()) {
	t := tr.t
	t.Helper()
	var group sync.WaitGroup
	if tr.changes > 0 {
		group.Go(tr.change)
	}
	stop := sync.OnceFunc(func() { close(tr.stop); group.Wait() })
	defer stop()
	time.Sleep(time.Second)
	tr.fault = time.Now()
	fail()
	time.Sleep(3 * time.Second)
	rig.EventuallyWithin(t, 5*rig.Patience, "making changes", func() error {
		if !tr.hasChanged() {
			return fmt.Errorf("%d reloads, %d upgrades", tr.reloads.Load(), tr.made.Load())
		}
		return nil
	})
	stop()
	time.Sleep(time.Second)
	tr.q.end()
	tr.report()
	tr.s.masterLeads(2)
	tr.s.stopped()
	if bad := tr.s.badEnds(); len(bad) > 0 {
		t.Errorf("ended badly: %s", strings.Join(bad, "\n"))
	}
}

// hasChanged tells whether there were as many reloads and upgrades as there are to be.
func (tr *trial) hasChanged() bool {
	return min(tr.reloads.Load(), tr.made.Load()) >= int64(tr.changes)
}

// change reloads and upgrades, in turns: to a build that knows more and less, and back.
func (tr *trial) change() {
	current, next := oldRelease, strangeRelease
	for {
		for command, made := range map[string]*atomic.Int64{"reload": &tr.reloads, "upgrade": &tr.made} {
			select {
			case <-tr.stop:
				return
			case <-time.After(tr.pause):
			}
			if command == "upgrade" {
				current, next = next, current
				tr.s.install(current)
			}
			if out, err := tr.s.order(command); err != nil {
				tr.refused[command+": "+strings.TrimSpace(out)]++
			} else {
				made.Add(1)
			}
		}
	}
}

// report prints a row of the table, and what must not be. The columns: reloads + upgrades; ms from the fault to the switch; ms from there to
// the first write; the longest pause of writes, and of the bystander's, in ms; replies; of these, unknown outcomes, and requests that have
// waited in vain; acknowledged writes that are lost, and those of later than lateAfter; what must not be; writes of the former master.
func (tr *trial) report() {
	t, q := tr.t, tr.q
	listsLost, late := q.check(tr.switched.Add(lateAfter))
	unknown, waited := 0, 0
	for text, n := range q.errors {
		if strings.HasSuffix(text, "not executed") {
			waited += n
		} else {
			unknown += n
		}
	}
	name := strings.ReplaceAll(t.Name()[strings.LastIndexByte(t.Name(), '/')+1:], "_", " ")
	times := "- | - | - | -"
	if !tr.switched.IsZero() {
		write, gap, otherGap := q.gaps(tr.switched)
		times = fmt.Sprintf("%d | %+d | %d | %d", tr.switched.Sub(tr.fault).Milliseconds(), write.Sub(tr.switched).Milliseconds(), gap.Milliseconds(), otherGap.Milliseconds())
	}
	t.Logf("| %s | %d + %d | %s | %d | %d | %d | %d | %d | %d | %s |", name, tr.reloads.Load(), tr.made.Load(), times, len(q.replies), unknown, waited,
		q.lost+listsLost, late, total(q.faults), cmp.Or(tr.late, "-"))
	for text, n := range q.errors {
		t.Logf("   %6d × %s", n, text)
	}
	for text, n := range tr.refused {
		t.Logf("   %6d × %s", n, text)
	}
	if len(q.faults) > 0 {
		t.Errorf("%v\n%s", q.faults, strings.Join(q.examples, "\n"))
	}
	if lost := q.lost + listsLost; lost > 0 && !tr.loses {
		t.Errorf("%d writes are lost that were acknowledged", lost)
	}
	if late > 0 {
		t.Errorf("%d writes are lost that were acknowledged more than %v after the switch", late, lateAfter)
	}
	if unknown > inFlight {
		t.Errorf("%d requests have an unknown outcome, and no more than %d were under way", unknown, inFlight)
	}
	for _, v := range q.replies {
		if !v.good && (v.other || !v.write) {
			t.Errorf("after %v a read (%t) has failed, or a request for a server that nothing befalls", v.at.Sub(tr.fault), !v.write)
			break
		}
	}
}

func total(of map[string]int) (n int) {
	for _, k := range slices.Collect(maps.Values(of)) {
		n += k
	}
	return n
}

// gaps returns when the first write succeeded after the switch, or before it where an outage has ended earlier, the longest pause of writes,
// and that of the bystander.
func (q *inquest) gaps(switched time.Time) (first time.Time, gap, otherGap time.Duration) {
	slices.SortFunc(q.replies, func(a, b verdict) int { return a.at.Compare(b.at) })
	var last, lastOther, ended time.Time
	const outage = 500 * time.Millisecond
	for _, v := range q.replies {
		switch {
		case !v.write || !v.good:
		case v.other:
			if d := v.at.Sub(lastOther); !lastOther.IsZero() && d > otherGap {
				otherGap = d
			}
			lastOther = v.at
		default:
			if d := v.at.Sub(last); !last.IsZero() && d > gap {
				gap, ended = d, v.at
			}
			if first.IsZero() && v.at.After(switched) {
				first = v.at
			}
			last = v.at
		}
	}
	if gap > outage && ended.Before(switched) {
		first = ended
	}
	return first, gap, otherGap
}

// writesAsMaster returns how many writes a server executes from a time on, for three seconds or until it is no master any more: of what
// a replica is told by its master nothing counts.
func writesAsMaster(server *rig.Backend, from time.Time) int {
	time.Sleep(time.Until(from))
	c := server.Dial()
	defer c.Conn.Close()
	first, last := -1, 0
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		c.Send(rig.Request("ROLE") + rig.Request("INFO", "commandstats"))
		role, stats := c.Reply(), c.Reply()
		if !strings.Contains(role, "master") {
			break
		}
		last = 0
		for line := range strings.Lines(stats) {
			for _, name := range []string{"incr", "rpush", "mset", "set"} {
				n := 0
				fmt.Sscanf(line, "cmdstat_"+name+":calls=%d", &n)
				last += n
			}
		}
		if first < 0 {
			first = last
		}
	}
	return last - max(first, 0)
}
