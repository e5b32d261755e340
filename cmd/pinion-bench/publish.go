// Rows in which the measure is the server itself, without a proxy: what the same costs through one.

package main

import (
	"context"
	"fmt"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

// publishRow has one client publish to many, over a server alone and through the right contestant before it. Of a delivery it
// counts the CPU of the one who delivers, which is the server or the proxy, and that of both together. Who delivers has a CPU of its own,
// since waking those who listen on another one is much of what it costs.
func publishRow(id string, subscribers int, goals ...goal) row {
	title := fmt.Sprintf("PUBLISH to %d subscribers", subscribers)
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		s, err := openStage(ctx, topology{protocol: load.Redis, servers: 1, pools: 1}, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		server := s.processes[0]
		p, err := s.startProxy(ctx, b.right, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		address, rival, err := s.addServer(ctx, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		spec := load.AudienceSpec{Subscribers: subscribers, MessageBytes: 100, CPUs: b.cpus.rest}
		alone, through := spec, spec
		alone.Address, through.Address = address, p.listen[0]
		return b.duel(ctx, title, b.rounds, [2]arm{
			b.publishArm("redis-server", alone, rival),
			b.publishArm(b.right.name, through, p.process, server),
		}, goals)
	}}
}

// publishArm measures what processes use, of which the first delivers.
func (b *bench) publishArm(name string, spec load.AudienceSpec, processes ...*process.Process) arm {
	return arm{name: name, measure: func(ctx context.Context) (sample, error) {
		a, err := load.Gather(ctx, spec)
		if err != nil {
			return nil, err
		}
		defer a.Close()
		before, err := used(processes)
		if err != nil {
			return nil, err
		}
		deliveries, err := a.Publish(ctx, b.time)
		if err != nil {
			return nil, err
		}
		after, err := used(processes)
		if err != nil {
			return nil, err
		}
		s := sample{cpuDelivery: (after[0] - before[0]) / float64(deliveries)}
		for i := range processes {
			s[cpuDeliveryInAll] += (after[i] - before[i]) / float64(deliveries)
		}
		return s, nil
	}}
}

// used returns the CPU time of each process until now, in µs.
func used(processes []*process.Process) (times []float64, err error) {
	for _, p := range processes {
		t, err := process.CPU(p.PID())
		if err != nil {
			return nil, err
		}
		times = append(times, micros(t))
	}
	return times, nil
}
