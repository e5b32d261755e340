// Would the crowd notice? A proxy that errs in every way that its clients must not miss.

package storm_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// forger is a Redis that counts, and does something else the ninth time that anybody counts.
type forger struct {
	mu     sync.Mutex
	counts map[string]int
	asked  int
	forge  func(f *forger, key string) (reply string)
}

func (f *forger) reply(args []string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if args[0] != "INCR" {
		return "+PONG\r\n"
	}
	f.asked++
	if f.asked == 9 {
		return f.forge(f, args[1])
	}
	f.counts[args[1]]++
	return integerReply(f.counts[args[1]])
}

func (f *forger) values(_ testing.TB, _ *kind, keys []string) (values []int) {
	for _, key := range keys {
		values = append(values, f.counts[key])
	}
	return values
}

// hangUp as a reply closes the connection.
const hangUp = "(hang up)"

func TestCrowdNotices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		forge func(f *forger, key string) string
		want  []breach
	}{
		{"honest", func(f *forger, key string) string {
			f.counts[key]++
			return integerReply(f.counts[key])
		}, nil},
		{"a request is carried out twice", func(f *forger, key string) string {
			f.counts[key] += 2
			return integerReply(f.counts[key] - 1)
		}, []breach{wrongReply}},
		{"a request is not carried out", func(f *forger, key string) string {
			return integerReply(f.counts[key] + 1)
		}, []breach{wrongReply}},
		{"a reply comes twice", func(f *forger, key string) string {
			f.counts[key]++
			return strings.Repeat(integerReply(f.counts[key]), 2)
		}, []breach{wrongReply}},
		{"the reply of somebody else", func(f *forger, key string) string {
			f.counts[key]++
			return integerReply(f.counts[key] + 1000)
		}, []breach{wrongReply}},
		{"an error", func(f *forger, key string) string {
			return "-ERR Connection refused\r\n"
		}, []breach{wrongReply}},
		{"the end of a connection", func(f *forger, key string) string {
			f.counts[key]++
			return hangUp
		}, []breach{wasCut}},
		{"the end in the middle of a reply", func(f *forger, key string) string {
			f.counts[key]++
			return ":1" + hangUp
		}, []breach{wasCut}},
	} {
		f := &forger{counts: map[string]int{}, forge: test.forge}
		b := rig.FakeServer(t, "tcp", rig.FreeAddress(t), hangingUp(rig.Answering(f.reply)))
		c := newCrowd(t, entrances{"redis": address{b.Network, b.Address}}, "")
		c.pace = time.Millisecond
		for i := range 4 {
			c.admit(&kinds[0], i)
		}
		c.admit(kindNamed("half"), 4)
		rig.Eventually(t, "counting", func() error { c.turned(); return f.enough(40) })
		c.leave()
		var got []breach
		for _, f := range c.check(f.values) {
			if !slices.Contains(got, f.breach) {
				got = append(got, f.breach)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: noticed %v, want %v: %s", test.name, got, test.want, describe(c.broken()))
		}
	}
}

// Would session clients notice? A Redis with which somebody else meddles.
func TestSessionsNotice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		meddle func(c *crowd, redis *rig.Client)
		noted  func(*sessionTally) int64 // nil: nothing
		again  bool
	}{
		{"honest", func(*crowd, *rig.Client) {}, nil, false},
		{"an increment comes twice", func(_ *crowd, redis *rig.Client) { redis.Do("INCR", "transacting:0") },
			func(s *sessionTally) int64 { return s.repeated.Load() + s.lost.Load() }, false}, // lost if it was watched
		{"an increment is lost", func(_ *crowd, redis *rig.Client) { redis.Do("DECR", "transacting:0") },
			func(s *sessionTally) int64 { return s.lost.Load() }, false},
		{"an element comes twice", func(_ *crowd, redis *rig.Client) { redis.Do("RPUSH", "blocked:1", "1") },
			func(s *sessionTally) int64 { return s.repeated.Load() }, false},
		{"an element is lost", func(_ *crowd, redis *rig.Client) { redis.Do("RPUSH", "blocked:1", "1000000") },
			func(s *sessionTally) int64 { return s.lost.Load() }, false},
		{"a message comes twice", func(_ *crowd, redis *rig.Client) { redis.Do("PUBLISH", "subscribed:2", "1") },
			func(s *sessionTally) int64 { return s.repeated.Load() }, false},
		{"a message is missed", func(_ *crowd, redis *rig.Client) { redis.Do("PUBLISH", "subscribed:6", "1000000") },
			func(s *sessionTally) int64 { return s.missed.Load() }, false},
		{"what is kept is stale", func(c *crowd, _ *rig.Client) {
			for _, k := range c.talkers {
				if k.kind.name == "writer" {
					k.of.written.Add(1000000)
				}
			}
		}, func(s *sessionTally) int64 { return s.stale.Load() }, true},
	} {
		b := rig.RedisServer(t)
		c := newCrowd(t, entrances{"redis": address{b.Network, b.Address}}, "")
		c.pace = time.Millisecond
		c.gatherSessions(8)
		rig.Eventually(t, "talking", func() error { c.turned(); return atLeast(c.tally.least(), 20) })
		test.meddle(c, b.Dial())
		rig.Eventually(t, "noticing", func() error {
			c.turned()
			if test.noted == nil {
				return nil
			}
			err := atLeast(test.noted(&c.tally), 1)
			if err != nil && test.again { // a writer may have taken it back before anyone looked
				test.meddle(c, nil)
			}
			return err
		})
		c.leave()
		failures := c.check((&stormServers{redis: []*rig.Backend{b}}).values)
		if n := counted(failures); (n[wrongReply] > 0) != (test.noted != nil) || test.noted == nil && len(failures) > 0 {
			t.Errorf("%s: %s: %s", test.name, &c.tally, describe(failures))
		}
	}
}

// least is how much there was of that of which there was least.
func (s *sessionTally) least() int64 {
	return min(s.transactions.Load(), s.elements.Load(), s.messages.Load(), s.invalidations.Load())
}

// enough reports whether the clients have counted n times, or tried to.
func (f *forger) enough(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return atLeast(int64(f.asked), n)
}

func kindNamed(name string) *kind {
	return &kinds[slices.IndexFunc(kinds[:], func(k kind) bool { return k.name == name })]
}

// hangingUp closes a connection where hangUp is to be written.
func hangingUp(serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) { serve(hanging{c}) }
}

type hanging struct{ net.Conn }

func (h hanging) Write(b []byte) (int, error) {
	text, _, ends := strings.Cut(string(b), hangUp)
	n, err := h.Conn.Write([]byte(text))
	if ends {
		h.Conn.Close()
		return n, net.ErrClosed
	}
	return n, err
}

// No reply at all takes its time to be noticed, and a dead proxy is refused.
func TestBreaches(t *testing.T) {
	t.Parallel()
	gone := newCrowd(t, entrances{"redis": address{"tcp", rig.FreeAddress(t)}}, "")
	gone.gather(1)
	gone.newcome(1, time.Millisecond)
	rig.Eventually(t, "being refused", func() error {
		return atLeast(int64(counted(gone.broken())[noConnection]), 2)
	})
	gone.leave()
	for _, f := range gone.broken() {
		if f.breach != noConnection {
			t.Errorf("a proxy that is not there: %v", f)
		}
	}

	ours, theirs := net.Pipe()
	defer theirs.Close()
	ours.SetReadDeadline(time.Now())
	if _, err := ours.Read(make([]byte, 1)); breachOf(err) != noReply {
		t.Errorf("a connection without a reply: %v, %v", breachOf(err), err)
	}
}

// The death of a worker is what a crowd must notice at a real proxy: half of the connections are cut, nothing worse
// happens, and who stays or comes later is served.
func TestCrowdNoticesDeath(t *testing.T) {
	t.Parallel()
	servers := startStormServers(t)
	in := freeEntrances(t)
	p := rig.Pinion(t, servers.config(in, 2), "tcp", in["redis"].at)
	fillLarge(t, in, "")
	c := newCrowd(t, in, "")
	c.gather(100)
	c.admit(&slow, 100)
	c.newcome(4, 20*time.Millisecond)
	c.turned()
	requests := c.requests.Load()
	rig.Eventually(t, "talking", func() error {
		c.turned()
		return atLeast(c.requests.Load()-requests, 500)
	})
	if failures := c.broken(); len(failures) > 0 {
		t.Fatalf("before anything has happened: %s", describe(failures))
	}
	if err := syscall.Kill(p.Workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	newcomers := c.newcomers.Load()
	rig.Eventually(t, "going on", func() error { return atLeast(c.newcomers.Load()-newcomers, 50) })
	c.leave()
	failures := c.check(servers.values)
	n := counted(failures)
	if n[wasCut] < 20 || n[wasCut] > 80 || len(failures) > n[wasCut] {
		t.Errorf("noticed: %s", describe(failures))
	}
	t.Logf("%d requests, %d newcomers, %d of 101 connections cut", c.requests.Load(), c.newcomers.Load(), n[wasCut])
}

func atLeast(n, want int64) error {
	if n < want {
		return fmt.Errorf("%d so far, waiting for %d", n, want)
	}
	return nil
}
