// The crowd of a storm: many clients that each know what the next reply must be, and so notice whatever is lost, said
// twice, or said to somebody else.

package storm_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// address is a place that clients connect to.
type address struct{ network, at string }

// entrances are the listeners of the proxy that a storm blows through, by the names of their pools.
type entrances map[string]address

// password opens the private pool.
const password = "open sesame"

// crowd is clients that talk to a proxy until they are told to leave. A test has them gather, says that it has turned
// after each thing that it does to the proxy, has them leave, and checks.
type crowd struct {
	t       testing.TB
	in      entrances
	tls     *encryption   // nil: nobody speaks TLS
	prefix  string        // of all keys
	pace    time.Duration // mean time between two exchanges of a busy client
	leaving chan struct{} // closed when all are to come to an end
	gone    sync.Once
	group   sync.WaitGroup

	requests  atomic.Int64 // that were answered as they must be
	newcomers atomic.Int64 // that connected, asked, got their answer and left
	tally     sessionTally

	mu       sync.Mutex
	talkers  []*talker
	failures []failure
	turn     chan struct{} // closed at the next turn
	call     chan struct{} // closed when everybody is to say something
}

func newCrowd(t testing.TB, in entrances, prefix string) *crowd {
	c := &crowd{t: t, in: in, prefix: prefix, pace: 50 * time.Millisecond,
		leaving: make(chan struct{}), turn: make(chan struct{}), call: make(chan struct{})}
	t.Cleanup(func() {
		c.leave()
		if failures := c.broken(); t.Failed() && len(failures) > 0 {
			t.Logf("clients noticed until they left: %s", describe(failures))
		}
	})
	return c
}

// breach says how a failure came to be noticed.
type breach uint8

const (
	wrongReply   breach = iota // another reply than the one that was due
	wasCut                     // the connection ended before its client did
	noReply                    // no reply
	noConnection               // no connection
	numBreaches
)

var breachNames = [...]string{wrongReply: "wrong reply", wasCut: "cut", noReply: "no reply", noConnection: "no connection"}

func (b breach) String() string { return breachNames[b] }

// failure is what has happened to one client.
type failure struct {
	breach  breach
	who     string
	err     error
	at      time.Time
	history string
}

func (f failure) String() string {
	return fmt.Sprintf("%s %s: %s: %v\n%s", f.at.Format(clockFormat), f.who, f.breach, f.err, f.history)
}

const clockFormat = "15:04:05.000"

// unexpected is an error about what was said, as opposed to one of the connection.
type unexpected struct{ got, want string }

func (u unexpected) Error() string { return fmt.Sprintf("got %.120q, want %.120q", u.got, u.want) }

func breachOf(err error) breach {
	var said unexpected
	var network net.Error
	switch {
	case errors.As(err, &said):
		return wrongReply
	case errors.As(err, &network) && network.Timeout():
		return noReply
	}
	return wasCut
}

// failed notes the end of a client that did not want to end.
func (c *crowd) failed(f failure) {
	f.at = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, f)
}

// broken returns the failures so far, in the order in which they were noticed.
func (c *crowd) broken() []failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failures)
}

// counted returns how many of these failures are of each kind.
func counted(failures []failure) (n [numBreaches]int) {
	for _, f := range failures {
		n[f.breach]++
	}
	return n
}

// turned tells the clients that something has happened to the proxy: those who have waited for it go on.
func (c *crowd) turned() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.turn)
	c.turn = make(chan struct{})
}

func (c *crowd) nextTurn() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.turn
}

func (c *crowd) nextCall() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.call
}

// callRoll has everybody say something now, those too who would be silent for a while, and returns when each of them has
// been answered or has noticed that he cannot be.
func (c *crowd) callRoll() {
	c.t.Helper()
	answered := map[*talker]int64{}
	c.mu.Lock()
	for _, k := range c.talkers {
		if k.key != "" {
			answered[k] = k.answered.Load()
		}
	}
	close(c.call)
	c.call = make(chan struct{})
	c.mu.Unlock()
	rig.Eventually(c.t, "calling the roll", func() error {
		c.turned()
		for k, n := range answered {
			if k.answered.Load() == n && !k.broken.Load() {
				return fmt.Errorf("nothing of %s", k.name)
			}
		}
		return nil
	})
}

// admitted is how many clients come at the same time: more would only wait in each other's way.
const admitted = 16

// gather lets n clients of the kinds of everybody come, and returns when each has been greeted. Who is of which kind
// depends on its number alone.
func (c *crowd) gather(n int) { c.flock(n, func(i int) { c.admit(kindOf(i), i) }) }

// gatherSessions does the same for n of those that are in the middle of something with a server, and their companions.
func (c *crowd) gatherSessions(n int) { c.flock(n, c.admitSession) }

// flock has n clients come, as many at the same time as may.
func (c *crowd) flock(n int, come func(number int)) {
	numbers := make(chan int)
	var door sync.WaitGroup
	for range admitted {
		door.Go(func() {
			for i := range numbers {
				come(i)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	door.Wait()
}

// admit lets one client come, which stays until the crowd leaves or something breaks.
func (c *crowd) admit(kind *kind, number int) *talker {
	k := &talker{name: fmt.Sprint(kind.name, " ", number), key: fmt.Sprint(c.prefix, kind.name, ":", number), kind: kind}
	c.enter(k, number)
	return k
}

// enter has a client connect, greet and talk.
func (c *crowd) enter(k *talker, number int) {
	kind := k.kind
	k.crowd, k.rand, k.timer = c, newRand(number), time.NewTimer(time.Hour)
	c.mu.Lock()
	c.talkers = append(c.talkers, k)
	c.mu.Unlock()
	conn, err := k.dial(kind.pool, number)
	if err != nil {
		k.broken.Store(true)
		c.failed(failure{breach: noConnection, who: k.name, err: err})
		return
	}
	k.conn, k.in = conn, bufio.NewReaderSize(conn, 4<<10)
	k.note("connected from %s", conn.LocalAddr())
	if err := kind.greet(k); err != nil {
		k.end(err)
		return
	}
	c.group.Go(func() { k.end(kind.talk(k)) })
}

// newRand returns what one client rolls. Runs differ in what the machine does meanwhile, not in this.
func newRand(number int) *rand.Rand { return rand.New(rand.NewPCG(uint64(number), 1)) }

// leave lets everybody finish what they are at, and returns when all have gone.
func (c *crowd) leave() {
	c.gone.Do(func() { close(c.leaving) })
	c.group.Wait()
}

// check compares what the servers hold with what the clients were told, and returns what went wrong in the whole life of
// the crowd. values returns the number that each key has, 0 for one that does not exist.
func (c *crowd) check(values func(t testing.TB, kind *kind, keys []string) []int) []failure {
	keys, of := map[*kind][]string{}, map[*kind][]*talker{}
	for _, k := range c.talkers {
		if k.kind.counts {
			keys[k.kind], of[k.kind] = append(keys[k.kind], k.key), append(of[k.kind], k)
		}
	}
	for kind, keys := range keys {
		for i, got := range values(c.t, kind, keys) {
			k := of[kind][i]
			if got < k.acked || got > k.sent || got != k.acked && !k.broken.Load() {
				c.failed(failure{breach: wrongReply, who: k.name, history: k.history(),
					err: fmt.Errorf("the server counted %d, the client was told %d of %d", got, k.acked, k.sent)})
			}
		}
	}
	return c.broken()
}

// describe returns the first failures, and how many there are.
func describe(failures []failure) string {
	const most = 8
	var b strings.Builder
	for kind, n := range counted(failures) {
		if n > 0 {
			fmt.Fprintf(&b, "%d × %s; ", n, breach(kind))
		}
	}
	b.WriteString("\n")
	for _, f := range failures[:min(most, len(failures))] {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// forgetWaits has waits begin anew: how long it took to gather is of no interest.
func (c *crowd) forgetWaits() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.talkers {
		k.longest.Store(0)
	}
}

// waits returns the longest time that each client has waited for a reply, in rising order, and who waited longest. Those
// whose server takes its time do not count.
func (c *crowd) waits() (all []time.Duration, who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest := time.Duration(-1)
	for _, k := range c.talkers {
		if k.kind == &tardy {
			continue
		}
		d := time.Duration(k.longest.Load())
		if all = append(all, d); d > longest {
			longest, who = d, k.name
		}
	}
	slices.Sort(all)
	return all, who
}

// quantiles returns the median, the 99th percentile and the last of sorted durations.
func quantiles(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "none"
	}
	at := func(q float64) time.Duration {
		return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, max %v", at(0.5), at(0.99), at(1))
}
