// pinion check: everything that is wrong with a configuration, and what works but hurts.

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "tell everything that is wrong with a configuration",
		UsageText: "pinion check [-c FILE] [--from-nutcracker FILE] [--workers N]",
		Description: `Each problem is one line: where it is, what is wrong, and what would be right. Warnings tell of what works but hurts;
they do not change the exit status, which is 0 if the proxy can run with the file and 1 if it cannot.

  pinion check -c pinion.conf
  pinion check -c pinion.conf --workers 64	how it would do on a larger machine
  pinion check --from-nutcracker nutcracker.yml	and what nutcracker did otherwise with this file`,
		Flags: []cli.Flag{confFlag(), workersFlag(), &cli.StringFlag{Name: "from-nutcracker",
			Usage: "check `FILE`, and tell what will be different for it (default: none)"}},
		Action: func(c *cli.Context) error {
			workers, err := readWorkers(c.String("workers"))
			if err == nil {
				err = noOperands(c)
			}
			if err != nil {
				return err
			}
			if file := c.String("from-nutcracker"); file != "" {
				return checkMove(c.App.Writer, file, workers)
			}
			return check(c.App.Writer, configFile(c), workers)
		},
	}
}

func check(w io.Writer, file string, workers int) error {
	cfg, err := config.Load(file)
	var problems config.Problems
	if errors.As(err, &problems) {
		printProblems(w, problems)
		fmt.Fprintf(w, "%s: not fit to run, %s\n", file, count(len(problems), "problem"))
		return exitFailure
	}
	if err != nil {
		return err
	}
	warnings := warningsHere(cfg, workers)
	printProblems(w, warnings)
	servers := 0
	for i := range cfg.Pools {
		servers += cfg.Pools[i].ServersConfigured()
	}
	fmt.Fprintf(w, "%s: fit to run, %s, %s, %s\n", file,
		count(len(cfg.Pools), "pool"), count(servers, "server"), count(len(warnings), "warning"))
	return nil
}

// checkMove is check for a file with which nutcracker runs.
func checkMove(w io.Writer, file string, workers int) error {
	if err := check(w, file, workers); err != nil {
		return err
	}
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	all := cfg.FromNutcracker(workersHere(cfg, workers))
	printProblems(w, all)
	_, err = fmt.Fprintf(w, "%s: %s from nutcracker 0.5.0; every key stays on its server; MOVING.md has what differs for all files\n", file, count(len(all), "difference"))
	return err
}

func printProblems(w io.Writer, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

// count writes "1 pool", "2 pools".
func count(n int, noun string) string {
	if n != 1 {
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
