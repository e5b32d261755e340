// The command compare: two proxies, row by row.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

// errNotHere marks a row that this machine cannot run.
var errNotHere = errors.New("not on this machine")

func compareCommand() *cli.Command {
	return &cli.Command{
		Name:  "compare",
		Usage: "start servers and two proxies, and compare what a request costs",
		Description: `All that is started listens on 127.0.0.1 and ends with this command. The left proxy is the
measure: a ratio is right ÷ left. A proxy is a command line; {config}, {stats} and {log} in it stand for the
configuration file, the statistics port and the log file; without {config}, nutcracker's options for the three are
added. A program is looked for beside this one first. NAME= before the command gives it a name.

With one of the options that describe a load, that load is compared instead of the table.

Examples:
  pinion-bench compare                                     the whole table: nutcracker and pinion
  pinion-bench compare --rows get-50,get-p16 --rounds 3    some rows
  pinion-bench compare --a old=/tmp/pinion --b new=bin/pinion --rows get-50
  pinion-bench compare --a pinion --b pinion --b-key 'server_connections: 2' -w set -c 20`,
		Flags: append(loadFlags(),
			&cli.StringFlag{Name: "a", Value: "nutcracker", Usage: "the left proxy's `COMMAND`"},
			&cli.StringFlag{Name: "b", Value: "pinion", Usage: "the right proxy's `COMMAND`"},
			&cli.StringSliceFlag{Name: "a-key", Usage: "one more `LINE` for each pool of the left configuration"},
			&cli.StringSliceFlag{Name: "b-key", Usage: "one more `LINE` for each pool of the right configuration"},
			&cli.StringFlag{Name: "rows", Usage: "only these `ROWS`, parted by commas"},
			&cli.BoolFlag{Name: "list", Usage: "list the rows and exit"},
			&cli.IntFlag{Name: "rounds", Value: 7, Usage: "`N` rounds for each row"},
			&cli.DurationFlag{Name: "time", Value: time.Second, Usage: "the `TIME` of a round, for each proxy"},
			&cli.IntFlag{Name: "servers", Value: 4, Usage: "`N` servers"},
			&cli.StringFlag{Name: "json", Usage: "write the result to `FILE`, too, with each round"},
		),
		Action: runCompare,
	}
}

func runCompare(c *cli.Context) error {
	if c.Bool("list") {
		for _, r := range table() {
			fmt.Fprintf(c.App.Writer, "%-10s %s\n", r.id, r.title)
		}
		return nil
	}
	rows, err := chooseRows(c)
	if err != nil {
		return err
	}
	b, err := newBench(c)
	if err != nil {
		return err
	}
	if err := raiseDescriptors(); err != nil {
		return err
	}
	outcomes, failed := b.runRows(c.Context, rows)
	printTables(c.App.Writer, outcomes)
	return errors.Join(failed, writeJSON(c.String("json"), newResults(b, outcomes)))
}

func newBench(c *cli.Context) (*bench, error) {
	left, errLeft := newContestant(c.String("a"), c.StringSlice("a-key"))
	right, errRight := newContestant(c.String("b"), c.StringSlice("b-key"))
	cpus, err := newPlacement()
	if err := errors.Join(errLeft, errRight, err); err != nil {
		return nil, err
	}
	if left.name == right.name {
		left.name, right.name = left.name+" (a)", right.name+" (b)"
	}
	b := &bench{
		left: left, right: right, cpus: cpus, progress: c.App.ErrWriter,
		rounds: c.Int("rounds"), time: c.Duration("time"), servers: c.Int("servers"),
	}
	if b.rounds < 1 || b.time <= 0 || b.servers < 1 {
		return nil, errors.New("rounds, time and servers must be above zero")
	}
	return b, nil
}

// chooseRows returns the rows that were asked for. An option that describes a load replaces the table by that one load.
func chooseRows(c *cli.Context) ([]row, error) {
	custom := slices.ContainsFunc(loadFlags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) })
	names := c.String("rows")
	switch {
	case custom && names != "":
		return nil, errors.New("a load of your own is a row by itself: --rows has no place beside it")
	case custom:
		return []row{customRow(specOf(c))}, nil
	case names == "":
		return table(), nil
	}
	all := table()
	var rows []row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(r row) bool { return r.id == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q; --list shows them", name)
		}
		rows = append(rows, all[i])
	}
	return rows, nil
}

// runRows runs all rows, whatever happens to one of them. failed is what happened to them.
func (b *bench) runRows(ctx context.Context, rows []row) (outcomes []outcome, failed error) {
	for _, r := range rows {
		fmt.Fprintf(b.progress, "%s ", r.title)
		results, err := r.run(ctx, b)
		fmt.Fprintln(b.progress)
		for _, o := range results {
			o.Row = r.id
			outcomes = append(outcomes, o)
		}
		if ctx.Err() != nil {
			return outcomes, ctx.Err() // the row has failed for this reason
		}
		if err != nil {
			outcomes = append(outcomes, outcome{
				Row: r.id, Title: r.title, Left: b.left.name, Right: b.right.name, Error: err.Error()})
		}
		if err != nil && !errors.Is(err, errNotHere) {
			failed = errors.Join(failed, fmt.Errorf("row %s: %w", r.id, err))
		}
	}
	return outcomes, failed
}

// raiseDescriptors lets this process and its children open as many descriptors as they may. The runtime has raised its
// own limit already; setting it once more makes the children inherit it.
func raiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
