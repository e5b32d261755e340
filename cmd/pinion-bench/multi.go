// Rows about transactions: the right contestant against itself, since nutcracker has none.

package main

import (
	"context"
	"fmt"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

// multiRow compares MULTI, three GETs and EXEC in one write with a pipeline of as many commands. All keys live on one server.
func multiRow(id string, connections int, goals ...goal) row {
	const commands = 5
	title := fmt.Sprintf("5 GETs → MULTI, 3 GETs, EXEC, %d connections", connections)
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		s, err := openStage(ctx, topology{protocol: load.Redis, servers: 1, pools: 1}, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		p, err := s.startProxy(ctx, b.right, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		gets := loadOf(load.Get, connections, pipeline(commands))
		transaction := loadOf(load.Multi, connections, keysPerRequest(commands-2))
		gets.CPUs, transaction.CPUs = b.cpus.rest, b.cpus.rest
		if err := fill(ctx, gets, p, p); err != nil {
			return nil, err
		}
		pipelined := b.loadArm("5 GETs", p, gets)
		return b.duel(ctx, title+": "+b.right.name, b.rounds, [2]arm{
			{name: pipelined.name, measure: func(ctx context.Context) (sample, error) {
				s, err := pipelined.measure(ctx)
				if err == nil { // a request is the whole write here, as a transaction is
					s[cpu] *= commands
					s[throughput] /= commands
				}
				return s, err
			}},
			b.loadArm("a transaction", p, transaction),
		}, goals)
	}}
}
