// pinion check: everything that is wrong with a configuration, and what works but hurts.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/reach"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "tell everything that is wrong with a configuration",
		UsageText: "pinion check [-c FILE] [--from-nutcracker FILE] [--workers N] [--connect]",
		Description: `Each problem is one line: where it is, what is wrong, and what would be right. Warnings tell of what works but hurts;
they do not change the exit status, which is 0 if the proxy can run with the file and 1 if it cannot.

With --connect all servers, replicas, nodes and sentinels are asked, at the same time and for 15 s at most, as the workers would:
whether names resolve, who answers, in which protocol, by which password, with which databases, and for how many connections. The
exit status is 2 if the file is fit, but one of them cannot serve.

  pinion check -c pinion.conf
  pinion check -c pinion.conf --connect	whether its servers are what it takes them for
  pinion check -c pinion.conf --workers 64	how it would do on a larger machine
  pinion check --from-nutcracker nutcracker.yml	and what nutcracker did otherwise with this file`,
		Flags: []cli.Flag{confFlag(), workersFlag(),
			&cli.StringFlag{Name: "from-nutcracker", Usage: "check `FILE`, and tell what will be different for it (default: none)"},
			&cli.BoolFlag{Name: "connect", Usage: "ask all servers, too"}},
		Action: func(c *cli.Context) error {
			workers, err := readWorkers(c.String("workers"))
			if err == nil {
				err = noOperands(c)
			}
			if err != nil {
				return err
			}
			if file := c.String("from-nutcracker"); file != "" {
				return checkMove(c.App.Writer, file, workers, c.Bool("connect"))
			}
			return check(c.App.Writer, configFile(c), workers, c.Bool("connect"))
		},
	}
}

// exitUnreached is the status of a check that has found nothing wrong with the file, but with its servers.
const exitUnreached exitStatus = 2

func check(w io.Writer, file string, workers int, connect bool) error {
	cfg, err := config.Load(file)
	if err == nil && len(cfg.Ended()) > 0 {
		err = cfg.Ended()
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		printProblems(w, problems)
		fmt.Fprintf(w, "%s: not fit to run, %s\n", file, count(len(problems), "problem"))
		return exitFailure
	}
	if err != nil {
		return err
	}
	missing, warnings := cfg.SocketProblems(isDirectory), append(warningsHere(cfg, workers), cfg.StatisticsWarnings(defaultStatistics)...)
	warnings = append(warnings, controlGroupWarning(cfg)...)
	printProblems(w, missing)
	printProblems(w, warnings)
	if len(missing) > 0 {
		fmt.Fprintf(w, "%s: not fit to run here, %s\n", file, count(len(missing), "problem"))
		return exitFailure
	}
	verdict := fmt.Sprintf("%s: fit to run, %s, %s", file, count(len(cfg.Pools), "pool"), count(serversIn(cfg), "server"))
	if !connect {
		fmt.Fprintf(w, "%s, %s\n", verdict, count(len(warnings), "warning"))
		return nil
	}
	a := reach.Look(context.Background(), cfg, workersHere(cfg, workers))
	printProblems(w, a.Problems)
	all := len(warnings) + len(a.Problems) - a.Failures()
	fmt.Fprintf(w, "%s, %s; %d of %s asked can serve\n", verdict, count(all, "warning"), a.Asked-a.Silent, count(a.Asked, "address"))
	if a.Silent > 0 {
		return exitUnreached
	}
	return nil
}

func serversIn(cfg *config.Config) (n int) {
	for i := range cfg.Pools {
		n += cfg.Pools[i].ServersConfigured()
	}
	return n
}

// checkMove is check for a file with which nutcracker runs.
func checkMove(w io.Writer, file string, workers int, connect bool) error {
	verdict := check(w, file, workers, connect)
	if verdict != nil && !errors.Is(verdict, exitUnreached) {
		return verdict
	}
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	all := cfg.FromNutcracker(workersHere(cfg, workers))
	printProblems(w, all)
	fmt.Fprintf(w, "%s: %s from nutcracker 0.5.0; every key stays on its server; MOVING.md has what differs for all files\n", file, count(len(all), "difference"))
	return verdict
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func printProblems(w io.Writer, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

// count writes "1 pool", "2 pools".
func count(n int, noun string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(noun, "s"):
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// noOperands refuses words that a command has no use for: they may be a forgotten -c.
func noOperands(c *cli.Context) error {
	if c.Args().Present() {
		return usageError(fmt.Sprintf("%s takes no %q", c.Command.Name, c.Args().First()))
	}
	return nil
}
