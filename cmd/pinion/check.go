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
		UsageText: "pinion check [-c FILE] [--workers N]",
		Description: `Each problem is one line: where it is, what is wrong, and what would be right. Warnings tell of what works but hurts;
they do not change the exit status, which is 0 if the proxy can run with the file and 1 if it cannot.

  pinion check -c pinion.conf
  pinion check -c pinion.conf --workers 64	how it would do on a larger machine`,
		Flags: []cli.Flag{confFlag(), workersFlag()},
		Action: func(c *cli.Context) error {
			workers, err := readWorkers(c.String("workers"))
			if err == nil {
				err = noOperands(c)
			}
			if err != nil {
				return err
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
