// Rows about memory. Each round has fresh proxies: one that never gives memory back would spoil the next.

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

const (
	// settleTime is how long a proxy may tidy up before its idle connections are weighed.
	settleTime = 3 * time.Second

	// sleepTime is how long a connection with TLS has to be idle until nothing is kept for the next record, nor of its handshake.
	sleepTime = 15 * time.Second

	// recoverTime is how long it may take to give back the memory of a burst.
	recoverTime = 10 * time.Second

	// memoryRounds bounds the rounds of these rows: memory varies less than time, and each round takes long.
	memoryRounds = 3
)

// experiment does something to a proxy whose memory was before, and tells what that means.
type experiment func(ctx context.Context, p *proxy, spec load.Spec, before int64) (sample, error)

// idleRow weighs connections that have made one request and are idle.
func idleRow(id string, connections int, goals ...goal) row {
	title := fmt.Sprintf("memory of %d idle connections", connections)
	return memoryRow(id, title, loadOf(load.Get, connections), goals, weighIdle(settleTime))
}

// weighIdle opens all connections of a load, each of which makes one request, and weighs them after a while.
func weighIdle(while time.Duration) experiment {
	return func(ctx context.Context, p *proxy, spec load.Spec, before int64) (sample, error) {
		l, err := load.Connect(ctx, spec)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		after, err := memoryIn(ctx, while, p)
		return sample{memoryPerConnection: float64(after-before) / float64(spec.Connections)}, err
	}
}

// weighMore weighs connections beside as many that are idle already. So a handshake's code, and tables of the runtime that are as long as
// the most that the heap ever had, do not count as theirs.
func weighMore(while time.Duration) experiment {
	return func(ctx context.Context, p *proxy, spec load.Spec, _ int64) (sample, error) {
		l, err := load.Connect(ctx, spec)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		before, err := memoryIn(ctx, while, p)
		if err != nil {
			return nil, err
		}
		return weighIdle(while)(ctx, p, spec, before)
	}
}

// burstRow lets each of some clients write and read a large value at the same time, and weighs the proxy when it has
// had time to recover. Few keys are enough: what is at issue is the proxy's memory, not that of the servers.
func burstRow(id string, connections, bytes int, goals ...goal) row {
	spec := loadOf(load.Set, connections, valueBytes(bytes), keys(8))
	title := fmt.Sprintf("memory after %d clients moved %d MiB each", connections, bytes>>20)
	return memoryRow(id, title, spec, goals,
		func(ctx context.Context, p *proxy, spec load.Spec, before int64) (sample, error) {
			for _, o := range []load.Operation{load.Set, load.Get} {
				spec.Operation = o
				l, err := load.Connect(ctx, spec) // this makes one request on each connection
				if err != nil {
					return nil, err
				}
				if err := l.Close(); err != nil {
					return nil, err
				}
			}
			after, err := memoryIn(ctx, recoverTime, p)
			return sample{memoryAfterBurst: float64(after) / float64(before), memory: float64(after) / (1 << 20)}, err
		})
}

// memoryRow runs an experiment on each contestant, after a little of ordinary load: the memory that a proxy needs to
// work at all does not count.
func memoryRow(id, title string, spec load.Spec, goals []goal, e experiment) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		arms := [2]arm{}
		for i, c := range []contestant{b.left, b.right} {
			arms[i] = arm{name: c.name, measure: func(ctx context.Context) (sample, error) {
				return b.weigh(ctx, c, spec, e)
			}}
		}
		return b.duel(ctx, title, min(b.rounds, memoryRounds), arms, goals)
	}}
}

func (b *bench) weigh(ctx context.Context, c contestant, spec load.Spec, e experiment) (sample, error) {
	s, err := openStage(ctx, topology{protocol: load.Redis, servers: b.servers, pools: 1}, b.cpus.rest)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if c.tls != "" {
		c = s.toClients(c)
	}
	p, err := s.startProxy(ctx, c, b.cpus.proxy)
	if err != nil {
		return nil, err
	}
	usual := loadOf(load.Get, 50)
	if err := fill(ctx, usual, p, p); err != nil {
		return nil, err
	}
	before, err := memoryIn(ctx, settleTime, p)
	if err != nil {
		return nil, err
	}
	spec.Addresses, spec.TLS, spec.CPUs, spec.InOrder = p.listen, p.tls, b.cpus.rest, true
	return e(ctx, p, spec, before)
}

// memoryIn returns the memory of a proxy's process tree after a while.
func memoryIn(ctx context.Context, while time.Duration, p *proxy) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(while):
	}
	return process.Memory(p.process.PID())
}
