// The command curve: what an option of the whole process trades, value by value.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

func curveCommand() *cli.Command {
	return &cli.Command{
		Name:  "curve",
		Usage: "give an option of the whole process one value after the other, and see what each costs",
		Description: `There is a table for each load: GET and SET of 1 KiB, in Redis' protocol and memcached's, with 5 and 50
connections, one request at a time. Each value has a proxy of its own; all proxies have the same load in turn, round by
round. What is printed are ratios to the measure, made within a round: their median, of CPU with the least and the greatest.

Examples:
  pinion-bench curve
  pinion-bench curve --values 0,50,1000 --rounds 15
  pinion-bench curve --measure pinion --proxy /tmp/pinion`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "measure", Value: "nutcracker", Usage: "the `COMMAND` of the proxy that is the measure, as for compare"},
			&cli.StringFlag{Name: "proxy", Value: "pinion", Usage: "the `COMMAND` of the proxy whose option is tried"},
			&cli.StringFlag{Name: "option", Value: "coalesce_us", Usage: "the `NAME` of the option"},
			&cli.StringSliceFlag{Name: "values", Value: cli.NewStringSlice("0", "20", "50", "100", "200", "500"), Usage: "its `VALUES`"},
			&cli.IntFlag{Name: "rounds", Value: 7, Usage: "`N` rounds for each load"},
			&cli.DurationFlag{Name: "time", Value: 500 * time.Millisecond, Usage: "the `TIME` of a round, for each proxy"},
			&cli.IntFlag{Name: "servers", Value: 4, Usage: "`N` servers"},
			&cli.StringFlag{Name: "json", Usage: "write the result to `FILE`, too, with each round"},
		},
		Action: runCurve,
	}
}

// curve is proxies that differ in one option, beside one that is the measure.
type curve struct {
	bench
	option string
	values []string
}

func runCurve(c *cli.Context) error {
	measure, errMeasure := newContestant(c.String("measure"), nil)
	proxy, errProxy := newContestant(c.String("proxy"), nil)
	cpus, err := newPlacement()
	if err := errors.Join(errMeasure, errProxy, err); err != nil {
		return err
	}
	v := &curve{
		bench: bench{left: measure, right: proxy, cpus: cpus, progress: c.App.ErrWriter,
			rounds: c.Int("rounds"), time: c.Duration("time"), servers: c.Int("servers")},
		option: c.String("option"), values: c.StringSlice("values"),
	}
	if v.rounds < 1 || v.time <= 0 || v.servers < 1 || len(v.values) == 0 {
		return errors.New("rounds, time and servers must be above zero, and there must be a value")
	}
	if err := raiseDescriptors(); err != nil {
		return err
	}
	var all []outcome
	for _, spec := range curveLoads() {
		title := fmt.Sprintf("%s %s of %d bytes, %d connections", spec.Protocol, spec.Operation, spec.ValueBytes, spec.Connections)
		fmt.Fprintf(v.progress, "%s ", title)
		outcomes, err := v.run(c.Context, title, spec)
		fmt.Fprintln(v.progress)
		if err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
		v.print(c.App.Writer, title, outcomes)
		all = append(all, outcomes...)
	}
	return writeJSON(c.String("json"), newResults(&v.bench, all))
}

// curveLoads are those without pipelining, where holding requests up gains CPU and costs time.
func curveLoads() (loads []load.Spec) {
	for _, protocol := range []load.Protocol{load.Redis, load.Memcache} {
		for _, operation := range []load.Operation{load.Get, load.Set} {
			for _, connections := range []int{5, 50} {
				spec := loadOf(operation, connections, valueBytes(1024))
				spec.Protocol = protocol
				loads = append(loads, spec)
			}
		}
	}
	return loads
}

// run puts one load on all proxies, and returns an outcome for each value.
func (v *curve) run(ctx context.Context, title string, spec load.Spec) ([]outcome, error) {
	s, err := openStage(ctx, topology{protocol: spec.Protocol, servers: v.servers, pools: 1}, v.cpus.rest)
	if err != nil {
		return nil, err
	}
	defer s.close()
	spec.CPUs = v.cpus.rest
	measure, err := s.startProxy(ctx, v.left, v.cpus.proxy)
	if err != nil {
		return nil, err
	}
	arms := []arm{v.loadArm(v.left.name, measure, spec)}
	for _, value := range v.values {
		c := v.right
		c.global = []string{v.option + ": " + value}
		p, err := s.startProxy(ctx, c, v.cpus.proxy)
		if err != nil {
			return nil, err
		}
		if err := fill(ctx, spec, measure, p); err != nil {
			return nil, err
		}
		arms = append(arms, v.loadArm(value, p, spec))
	}
	rounds, err := v.takeTurns(ctx, v.rounds, arms)
	if err != nil {
		return nil, err
	}
	var outcomes []outcome
	for i, a := range arms[1:] {
		pairs := make([][2]sample, v.rounds)
		for round := range pairs {
			pairs[round] = [2]sample{rounds[round][0], rounds[round][i+1]}
		}
		outcomes = append(outcomes, outcome{Row: "curve", Title: title, Left: arms[0].name, Right: a.name, Metrics: compare(pairs, nil)})
	}
	return outcomes, nil
}

// print writes a line for each value, in the order in which compare has the metrics.
func (v *curve) print(w io.Writer, title string, outcomes []outcome) {
	lines := [][]string{{v.option, "CPU per request", "throughput", "p50", "p99"}}
	for _, o := range outcomes {
		line := []string{o.Right}
		for i, m := range o.Metrics {
			cell := "?"
			if m.Ratio != nil {
				cell = fmt.Sprintf("%.2f", m.Ratio.Median)
			}
			if m.Ratio != nil && i == 0 {
				cell += fmt.Sprintf(" (%.2f–%.2f)", m.Ratio.Min, m.Ratio.Max)
			}
			line = append(line, cell)
		}
		lines = append(lines, line)
	}
	fmt.Fprintf(w, "%s, against %s:\n\n", strings.ToUpper(title[:1])+title[1:], v.left.name)
	printAligned(w, lines)
	fmt.Fprintln(w)
}
