// Rows in which a contestant competes with itself: the same load on a larger scene, or on more workers.

package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

// scene is what grows; 0 is the usual number.
type scene struct {
	servers, pools, keys int
	allBusy              bool // clients spread over all pools; else all of them are at the first
}

// growthRow compares each contestant on a small scene with itself on a large one.
//
// Under a busy load the same number of requests is spread over more connections, so that each system call carries fewer
// of them. No proxy escapes that; whether its own cost grows, too, is seen where nothing is gathered on either scene.
func growthRow(id, title string, spec load.Spec, small, large scene, goals ...goal) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) (all []outcome, err error) {
		for _, c := range []contestant{b.left, b.right} {
			results, err := b.grow(ctx, c, title, spec, [2]scene{small, large}, goals)
			if err != nil {
				return all, fmt.Errorf("%s: %w", c.name, err)
			}
			all = append(all, results...)
		}
		return all, nil
	}}
}

func (b *bench) grow(ctx context.Context, c contestant, title string, spec load.Spec, scenes [2]scene, goals []goal) (
	[]outcome, error) {
	names := [2]string{"small", "large"}
	var arms [2]arm
	for i, sc := range scenes {
		t := topology{protocol: spec.Protocol, servers: cmp.Or(sc.servers, b.servers), pools: cmp.Or(sc.pools, 1)}
		s, err := openStage(ctx, t, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		p, err := s.startProxy(ctx, c, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		spec.Keys, spec.CPUs = cmp.Or(sc.keys, spec.Keys), b.cpus.rest
		if err := fill(ctx, spec, p, p); err != nil {
			return nil, err
		}
		if !sc.allBusy {
			p.listen = p.listen[:1]
		}
		arms[i] = b.loadArm(names[i], p, spec)
	}
	return b.duel(ctx, title+": "+c.name, b.rounds, arms, goals)
}

// workersRow compares the right contestant on one CPU with itself on n, under a load of n threads. A proxy that starts
// a worker for each CPU it may use needs no other hint. Where there are not enough CPUs for all, load and servers share
// those of the proxy, and what is gained there says little.
func workersRow(id string, n int) row {
	title := fmt.Sprintf("1 → %d workers, pipeline 16, %d load threads", n, n)
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		if n > len(b.cpus.all) {
			return nil, fmt.Errorf("%w: %d workers need as many CPUs, there are %d", errNotHere, n, len(b.cpus.all))
		}
		rest := b.cpus.all
		if len(rest) >= 2*n {
			rest = rest[n:]
		}
		s, err := openStage(ctx, topology{protocol: load.Redis, servers: b.servers, pools: 1}, rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		spec := loadOf(load.Get, 64*n, pipeline(16))
		spec.Threads, spec.CPUs = n, rest
		var arms [2]arm
		for i, cpus := range [][]int{b.cpus.all[:1], b.cpus.all[:n]} {
			p, err := s.startProxy(ctx, b.right, cpus)
			if err != nil {
				return nil, err
			}
			if err := fill(ctx, spec, p, p); err != nil {
				return nil, err
			}
			arms[i] = b.loadArm(fmt.Sprintf("%d CPU", len(cpus)), p, spec)
		}
		return b.duel(ctx, title+": "+b.right.name, b.rounds, arms, nil)
	}}
}
