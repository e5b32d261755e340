// The crowd as a whole: who is in it, and what it has seen so far.

package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	address, prefix                     string
	talkers, pipelined, idle, newcomers int
	again                               bool // who is cut off, or finds nobody, comes again: the service is stopped now and then
}

// crowd is shared by all clients; what changes is atomic.
type crowd struct {
	options
	complain func(string)
	clients  []*client

	replies  atomic.Int64
	failures atomic.Int64
	connects atomic.Int64 // of newcomers, each with its reply
	longest  atomic.Int64 // nanoseconds from a request to its reply
}

func newCrowd(o options, complain func(string)) *crowd {
	c := &crowd{options: o, complain: complain}
	add := func(n int, k kind) {
		for i := range n {
			name := fmt.Sprintf("%s:%s%d", o.prefix, k.name, i)
			c.clients = append(c.clients, &client{crowd: c, kind: k, key: name})
		}
	}
	add(o.talkers, kind{name: "talker", most: 1, pause: 10 * time.Millisecond})
	add(o.pipelined, kind{name: "pipelined", most: 24, pause: 20 * time.Millisecond})
	add(o.idle, kind{name: "idle", most: 1, pause: 700 * time.Millisecond})
	add(o.newcomers, kind{name: "newcomer", most: 1, pause: 2 * time.Millisecond, anew: true})
	return c
}

// run returns when all clients have left, and each has compared its count.
func (c *crowd) run(leaving context.Context) {
	var all sync.WaitGroup
	for _, k := range c.clients {
		all.Go(func() { k.run(leaving) })
	}
	all.Wait()
}

func (c *crowd) fail(format string, args ...any) {
	c.failures.Add(1)
	c.complain(fmt.Sprintf(format, args...))
}

func (c *crowd) waited(d time.Duration) {
	for {
		old := c.longest.Load()
		if int64(d) <= old || c.longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// figures returns them as words that a shell can read. least is the number of rounds of the client that has had the
// fewest: when it has grown, nobody stands still.
func (c *crowd) figures() string {
	least := int64(math.MaxInt64)
	for _, k := range c.clients {
		least = min(least, k.rounds.Load())
	}
	return fmt.Sprintf("replies=%d connects=%d least=%d failures=%d longest_ms=%d",
		c.replies.Load(), c.connects.Load(), least, c.failures.Load(), c.longest.Load()/int64(time.Millisecond))
}
