// The bare command: nutcracker's way to be started, and what its options ask for instead of a start.

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

func runBare(c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	if highest := logfile.ClampVerbosity(o.Verbosity); highest < o.Verbosity && !launched() && !master.Successor() {
		fmt.Fprintf(c.App.ErrWriter, "pinion: option -v %d is taken as %d, the highest level\n", o.Verbosity, highest)
	}
	switch {
	case c.Bool("version"):
		return showVersion(c.App.Writer)
	case c.Bool("describe-stats"):
		return describeStats(c.App.Writer)
	case c.Bool("test-conf"):
		return testConf(c.App.Writer, o)
	case c.Bool("daemonize") && !launched() && !master.Successor():
		return daemonize(c.App.ErrWriter, o)
	}
	if !c.IsSet("conf-file") {
		os.Setenv(chosenConfVariable, o.ConfigFile)
	}
	if o.Daemon = c.Bool("daemonize"); o.Output != "" || config.ReadLog(o.ConfigFile).File != "" {
		o.Remark = remarkTo(c.App.ErrWriter) // or else the log is there
	}
	reportStart(&o)
	return master.Run(o)
}

// showVersion has the lines of nutcracker -V.
func showVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "This is pinion-%s\nasync event backend: epoll\n\n", version)
	return err
}

// testConf ends with the sentence of nutcracker -t, which scripts look for.
func testConf(w io.Writer, o master.Options) error {
	verdict := "ok"
	cfg, err := config.Load(o.ConfigFile)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(w, problems)
	case err != nil:
		fmt.Fprintf(w, "pinion: %v\n", withFileHint(err))
	default:
		printProblems(w, warningsHere(cfg, o.Workers))
		if at, err := netip.ParseAddr(o.StatsAddr); err == nil {
			printProblems(w, cfg.StatisticsWarnings(netip.AddrPortFrom(at, uint16(o.StatsPort))))
		}
	}
	if err != nil {
		verdict = "invalid"
	}
	fmt.Fprintf(w, "pinion: configuration file '%s' syntax is %s\n", o.ConfigFile, verdict)
	if err != nil {
		return exitFailure
	}
	return nil
}

// describeStats explains what the statistics port says.
func describeStats(w io.Writer) error {
	for _, group := range []struct {
		title    string
		counters []link.CounterInfo
	}{
		{"process stats:", link.WorkerStatistics},
		{"pool stats:", link.PoolStatistics},
		{"server stats:", append(link.ServerCounters[:], link.TopologyFields[:]...)},
	} {
		fmt.Fprintln(w, group.title)
		for _, counter := range group.counters {
			fmt.Fprintf(w, "  %-19s \"%s\"\n", counter.Name, counter.Doc)
		}
		fmt.Fprintln(w)
	}
	return nil
}
