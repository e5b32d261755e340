// One comparison from start to end: who plays, on which CPUs, and rounds in turn.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// bench is what all rows share.
type bench struct {
	left, right contestant
	rounds      int
	time        time.Duration // of a round of load, for each arm
	servers     int
	cpus        placement
	progress    io.Writer
}

// placement says who runs where.
type placement struct {
	all   []int
	proxy []int // for one worker
	rest  []int // for servers and load
}

// newPlacement gives the proxy a CPU of its own, if there are two.
func newPlacement() (placement, error) {
	all, err := sock.Affinity()
	if err != nil {
		return placement{}, err
	}
	if len(all) == 1 {
		return placement{all: all, proxy: all, rest: all}, nil
	}
	return placement{all: all, proxy: all[:1], rest: all[1:]}, nil
}

// arm is one side of a comparison.
type arm struct {
	name    string
	measure func(context.Context) (sample, error)
}

// outcome is what a row has come to.
type outcome struct {
	Row     string       `json:"row"`
	Title   string       `json:"title"`
	Left    string       `json:"left,omitempty"`
	Right   string       `json:"right,omitempty"`
	Metrics []comparison `json:"metrics,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// duel lets two arms, left and right, measure in turn and compares.
func (b *bench) duel(ctx context.Context, title string, rounds int, arms [2]arm, goals []goal) ([]outcome, error) {
	samples, err := b.takeTurns(ctx, rounds, arms[:])
	if err != nil {
		return nil, err
	}
	pairs := make([][2]sample, rounds)
	for i := range pairs {
		pairs[i] = [2]sample(samples[i])
	}
	o := outcome{Title: title, Left: arms[0].name, Right: arms[1].name, Metrics: compare(pairs, goals)}
	return []outcome{o}, nil
}

// takeTurns lets all arms measure in each round, and returns what they have, by round and arm. Who begins changes from round to round,
// so that what drifts slowly favours nobody.
func (b *bench) takeTurns(ctx context.Context, rounds int, arms []arm) ([][]sample, error) {
	samples := make([][]sample, rounds)
	for round := range samples {
		samples[round] = make([]sample, len(arms))
		for turn := range arms {
			i := (round + turn) % len(arms)
			s, err := arms[i].measure(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", arms[i].name, round+1, err)
			}
			samples[round][i] = s
		}
		fmt.Fprint(b.progress, ".")
	}
	return samples, nil
}

// loadArm measures a load on a proxy.
func (b *bench) loadArm(name string, p *proxy, spec load.Spec) arm {
	return arm{name: name, measure: func(ctx context.Context) (sample, error) {
		return b.measureLoad(ctx, p, spec)
	}}
}

func (b *bench) measureLoad(ctx context.Context, p *proxy, spec load.Spec) (sample, error) {
	spec.Addresses, spec.TLS = p.listen, p.tls
	l, err := load.Connect(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	result, err := l.Drive(ctx, load.Limit{Time: b.time})
	switch {
	case err != nil:
		return nil, err
	case result.Err != nil:
		return nil, result.Err
	case result.Requests() == 0:
		return nil, errors.New("not one request was answered")
	}
	after, err := p.cpu()
	if err != nil {
		return nil, err
	}
	return sample{
		cpu:        micros(after-before) / float64(result.Requests()),
		throughput: result.PerSecond(),
		p50:        micros(result.Latency.Quantile(0.5)),
		p99:        micros(result.Latency.Quantile(0.99)),
	}, nil
}

// fill writes the keys of a load through one proxy and reads them all through the other: both must agree where a key
// lives before it makes sense to compare anything else.
func fill(ctx context.Context, spec load.Spec, writer, reader *proxy) error {
	spec.Addresses, spec.TLS = writer.listen, writer.tls
	if err := load.Fill(ctx, spec); err != nil {
		return fmt.Errorf("writing the keys: %w", err)
	}
	spec.Addresses, spec.TLS = reader.listen, reader.tls
	if err := load.Check(ctx, spec); err != nil {
		return fmt.Errorf("reading what the other proxy wrote: %w", err)
	}
	return nil
}
