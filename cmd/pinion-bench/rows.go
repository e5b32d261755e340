// The table of loads, with the goals that Pinion is held to against nutcracker 0.5.0.

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

// row is a line of the table: an experiment that can be repeated.
type row struct {
	id    string
	title string
	run   func(ctx context.Context, b *bench) ([]outcome, error)
}

func atMost(m metric, bound float64) goal  { return goal{metric: m, bound: bound} }
func atLeast(m metric, bound float64) goal { return goal{metric: m, bound: bound, atLeast: true} }
func alone(g goal) goal                    { g.alone = true; return g }

// loadOf returns a load with what is usual in the table.
func loadOf(o load.Operation, connections int, change ...func(*load.Spec)) load.Spec {
	s := load.Spec{
		Protocol: load.Redis, Operation: o, Connections: connections, Pipeline: 1, Keys: 10_000, KeysPerRequest: 10,
		ValueBytes: 100, Threads: 1,
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func pipeline(n int) func(*load.Spec)       { return func(s *load.Spec) { s.Pipeline = n } }
func keys(n int) func(*load.Spec)           { return func(s *load.Spec) { s.Keys = n } }
func keysPerRequest(n int) func(*load.Spec) { return func(s *load.Spec) { s.KeysPerRequest = n } }
func valueBytes(n int) func(*load.Spec)     { return func(s *load.Spec) { s.ValueBytes = n } }
func memcache(s *load.Spec)                 { s.Protocol = load.Memcache }

// table returns all rows, in the order in which they run.
func table() []row {
	busy := loadOf(load.Get, 50, pipeline(16))
	rows := slices.Concat(unpipelinedRows(), pipelinedRows())
	rows = append(rows, encryptedRows()...)
	return append(rows,
		loadRow("mget-100", "MGET of 100 keys, 20 connections", loadOf(load.MGet, 20, keysPerRequest(100)),
			atMost(cpu, 0.45)),
		loadRow("mset-10", "MSET of 10 keys, 50 connections", loadOf(load.MSet, 50), atMost(cpu, 0.7)),
		loadRow("mixed-50", "9 GET to 1 SET, 50 connections", loadOf(load.Mixed, 50)),
		multiRow("multi-50", 50, atMost(cpu, 1.3)),
		publishRow("publish-1000", 1000, atMost(cpuDelivery, 1.25)),
		idleRow("idle", 8000, alone(atMost(memoryPerConnection, 300))),
		burstRow("burst", 100, 10<<20, alone(atMost(memoryAfterBurst, 1.2))),
		growthRow("servers", "1 → 50 servers, 1 connection", loadOf(load.Get, 1),
			scene{servers: 1}, scene{servers: 50}, atMost(cpu, 1.1)),
		growthRow("servers-busy", "1 → 50 servers, 50 connections, pipeline 16", busy,
			scene{servers: 1}, scene{servers: 50}),
		growthRow("pools", "1 → 20 pools, of which one is busy", busy,
			scene{pools: 1}, scene{pools: 20}, atMost(cpu, 1.1)),
		growthRow("pools-busy", "1 → 20 pools, all of them busy", busy,
			scene{pools: 1}, scene{pools: 20, allBusy: true}),
		growthRow("keys", "1,000 → 100,000 keys", busy,
			scene{keys: 1_000}, scene{keys: 100_000}, atMost(cpu, 1.1)),
		workersRow("workers-2", 2),
		workersRow("workers-4", 4),
		workersRow("workers-8", 8),
	)
}

// unpipelinedRows is what one request at a time costs each client, and the proxy.
func unpipelinedRows() (rows []row) {
	for _, kind := range []struct {
		id, title string
		operation load.Operation
		change    []func(*load.Spec)
	}{
		{"get", "GET", load.Get, nil},
		{"set", "SET of 1 KiB", load.Set, []func(*load.Spec){valueBytes(1024)}},
		{"mc-get", "memcached get", load.Get, []func(*load.Spec){memcache}},
		{"mc-set", "memcached set of 1 KiB", load.Set, []func(*load.Spec){memcache, valueBytes(1024)}},
	} {
		for _, n := range []int{1, 5, 50, 500} {
			title := fmt.Sprintf("%s, %d connections", kind.title, n)
			if n == 1 {
				title = kind.title + ", 1 connection"
			}
			rows = append(rows, loadRow(fmt.Sprintf("%s-%d", kind.id, n), title, loadOf(kind.operation, n, kind.change...),
				atMost(cpu, 0.9), atLeast(throughput, 1), atMost(p50, 1.05), atMost(p99, 1.05)))
		}
	}
	return rows
}

// pipelinedRows is what a request costs that is one of many: with a small value, without one, with one of 1 KiB.
func pipelinedRows() (rows []row) {
	for _, kind := range []struct {
		id, title string
		operation load.Operation
		bytes     int
	}{
		{"get", "GET", load.Get, 100},
		{"miss", "GET of nothing", load.Miss, 100},
		{"get1k", "GET of 1 KiB", load.Get, 1024},
	} {
		rows = append(rows,
			loadRow(kind.id+"-p16", kind.title+", 50 connections, pipeline 16",
				loadOf(kind.operation, 50, pipeline(16), valueBytes(kind.bytes)), atMost(cpu, 0.4)),
			loadRow(kind.id+"-p100", kind.title+", 20 connections, pipeline 100",
				loadOf(kind.operation, 20, pipeline(100), valueBytes(kind.bytes)), atMost(cpu, 0.15)))
	}
	return rows
}

// loadRow compares the two contestants under one load.
func loadRow(id, title string, spec load.Spec, goals ...goal) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		s, err := openStage(ctx, topology{protocol: spec.Protocol, servers: b.servers, pools: 1}, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		left, err := s.startProxy(ctx, b.left, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		right, err := s.startProxy(ctx, b.right, b.cpus.proxy)
		if err != nil {
			return nil, err
		}
		spec := spec
		spec.CPUs = b.cpus.rest
		if err := fill(ctx, spec, left, right); err != nil {
			return nil, err
		}
		arms := [2]arm{b.loadArm(b.left.name, left, spec), b.loadArm(b.right.name, right, spec)}
		return b.duel(ctx, title, b.rounds, arms, goals)
	}}
}

// customRow is for a load from the command line.
func customRow(spec load.Spec) row {
	title := fmt.Sprintf("%s %s, %d connections, pipeline %d, %d bytes",
		spec.Protocol, spec.Operation, spec.Connections, spec.Pipeline, spec.ValueBytes)
	return loadRow("custom", title, spec)
}
