// nutcracker's options (src/nc.c): names, defaults, and what counts as a valid value.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master"
	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
)

const (
	defaultConfFile = "conf/nutcracker.yml"    // nutcracker's
	packageConfFile = "/etc/pinion/pinion.yml" // of the packages

	minReadBufferBytes = 512
	maxReadBufferBytes = 16 << 20
)

// rootFlags returns the options of the bare command. Numbers are read as text: what nutcracker takes for a number, and
// what it says about the rest, is not what the cli package thinks.
func rootFlags() []cli.Flag {
	return []cli.Flag{
		cli.HelpFlag,
		&cli.BoolFlag{Name: "version", Aliases: []string{"V"}, Usage: "show the version and exit"},
		&cli.BoolFlag{Name: "test-conf", Aliases: []string{"t"}, Usage: "check the configuration file and exit"},
		&cli.BoolFlag{Name: "daemonize", Aliases: []string{"d"}, Usage: "run in the background, once the start has succeeded"},
		&cli.BoolFlag{Name: "describe-stats", Aliases: []string{"D"}, Usage: "explain the statistics and exit"},
		&cli.StringFlag{Name: "verbose", Aliases: []string{"v"}, Value: "5",
			Usage: "log lines up to level `N`, 0 to 11 (default: as configured, else 5)"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "log to `FILE` (default: as configured, else stderr)"},
		&cli.StringFlag{Name: "log-format", Usage: "write lines of the log as `FORM`: text or json (default: as configured, else text)"},
		confFlag(),
		&cli.StringFlag{Name: "stats-port", Aliases: []string{"s"}, Value: "22222",
			Usage: "serve the statistics on `PORT` (default: as configured, else 22222)"},
		&cli.StringFlag{Name: "stats-addr", Aliases: []string{"a"}, Value: "0.0.0.0",
			Usage: "serve the statistics on `ADDR` (default: as configured, else 0.0.0.0)"},
		&cli.StringFlag{Name: "stats-interval", Aliases: []string{"i"}, Value: "30000",
			Usage: "log a summary every `MS` milliseconds at level 6, 0 = never (default: 30000)"},
		&cli.StringFlag{Name: "pid-file", Aliases: []string{"p"}, Usage: "write the process id to `FILE` (default: none)"},
		&cli.StringFlag{Name: "mbuf-size", Aliases: []string{"m"},
			Usage: "read buffer of a worker in `BYTES`, 512 to 16777216; it has at least 32 KiB (default: 64 KiB)"},
		workersFlag(),
		&cli.StringFlag{Name: "zone", EnvVars: []string{"PINION_ZONE"},
			Usage: "this process is in zone `NAME`, for read_from: nearest (default: as configured)"},
		&cli.StringFlag{Name: "control", EnvVars: []string{controlVariable},
			Usage: "commands come through `FILE` (default: $" + controlVariable +
				", $RUNTIME_DIRECTORY/" + controlName + ", or found)"},
		&cli.StringFlag{Name: "take-over",
			Usage: "serve on the sockets of the running nutcracker `PID`, or of a unit (default: none)"},
		&cli.BoolFlag{Name: "end", Usage: "with --take-over: end that program, once this one serves; -d fails if it lives on"},
	}
}

func confFlag() cli.Flag {
	return &cli.StringFlag{Name: "conf-file", Aliases: []string{"c"}, Value: defaultConfFile,
		Usage: "read the configuration from `FILE` (default: " + defaultConfFile + ", " + packageConfFile + ")"}
}

// chosenConfVariable tells a successor which of the defaults was taken: by now the other one may be there, too.
const chosenConfVariable = "PINION_DEFAULT_CONFIG"

// configFile returns the configuration file that the command line names, or the first of the defaults that is there.
func configFile(c *cli.Context) string {
	if c.IsSet("conf-file") {
		return c.String("conf-file")
	}
	if chosen := os.Getenv(chosenConfVariable); chosen != "" && master.Successor() {
		return chosen
	}
	for _, file := range []string{defaultConfFile, packageConfFile} {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return file
		}
	}
	return defaultConfFile
}

func workersFlag() cli.Flag {
	return &cli.StringFlag{Name: "workers",
		Usage: "run `N` workers; auto = one for each CPU (default: as configured, auto if it is not)"}
}

// readOptions checks the options of the bare command.
func readOptions(c *cli.Context) (o master.Options, err error) {
	o = master.Options{
		ConfigFile: configFile(c),
		StatsAddr:  c.String("stats-addr"),
		PIDFile:    c.String("pid-file"),
		Output:     c.String("output"),
		Control:    controlPath(c, admin.OwnName), ControlFrom: controlSource(c),
		Zone:  c.String("zone"),
		Build: version,
	}
	for option, path := range map[string]string{"-p": o.PIDFile, "-o": o.Output} {
		if config.IsSameFile(path, o.ConfigFile) {
			return o, usageError(fmt.Sprintf("option %s: %s is the configuration, which would be overwritten", option, path))
		}
	}
	if o.Verbosity, err = readNumber("-v", c.String("verbose")); err != nil { // the master clamps it, as nutcracker does
		return o, err
	}
	if o.LogFormat, err = readLogFormat(c.String("log-format")); err != nil {
		return o, err
	}
	o.VerbosityGiven = c.IsSet("verbose")
	o.StatsGiven = c.IsSet("stats-addr") || c.IsSet("stats-port")
	if o.Zone != "" {
		if err := config.CheckZone(o.Zone); err != nil {
			return o, usageError("option --zone: " + err.Error())
		}
	}
	if o.StatsPort, err = readPort(c.String("stats-port")); err != nil {
		return o, err
	}
	interval, err := readNumber("-i", c.String("stats-interval"))
	if err != nil {
		return o, err
	}
	o.StatsInterval = time.Duration(interval) * time.Millisecond
	if o.ReadBufferBytes, err = readBufferBytes(c.String("mbuf-size")); err != nil {
		return o, err
	}
	if o.Workers, err = readWorkers(c.String("workers")); err != nil {
		return o, err
	}
	o.TakeOver, o.EndOther = c.String("take-over"), c.Bool("end")
	return o, checkTakeOver(c)
}

func checkTakeOver(c *cli.Context) error {
	switch {
	case c.IsSet("take-over") && (strings.Trim(c.String("take-over"), ", ") == "" || strings.HasPrefix(c.String("take-over"), "--")):
		return usageError("option --take-over requires the pid or the unit of a program")
	case c.Bool("end") && !c.IsSet("take-over"):
		return usageError("option --end is about the program of --take-over, which is not given")
	}
	return nil
}

// readLogFormat returns nothing, as configured, for an option that is not there.
func readLogFormat(text string) (config.LogFormat, error) {
	switch f := config.LogFormat(text); f {
	case "", config.LogText, config.LogJSON:
		return f, nil
	}
	return "", usageError(fmt.Sprintf("option --log-format is text or json, not %q", text))
}

// readNumber reads ASCII digits, without a sign, as nutcracker does.
func readNumber(option, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, usageError(fmt.Sprintf("option %s requires a number, not %q", option, text))
	}
	return int(n), nil
}

func readPort(text string) (int, error) {
	n, err := readNumber("-s", text)
	if err == nil && (n < 1 || n > 65535) {
		err = usageError(fmt.Sprintf("option -s value %d is not a valid port, from 1 to 65535", n))
	}
	return n, err
}

// readBufferBytes returns 0, the worker's default, for an option that is not there.
func readBufferBytes(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := readNumber("-m", text)
	switch {
	case err != nil || n == 0:
		return 0, usageError("option -m requires a non-zero number")
	case n < minReadBufferBytes || n > maxReadBufferBytes:
		return 0, usageError(fmt.Sprintf("mbuf chunk size (-m) must be between %d and %d bytes", minReadBufferBytes, maxReadBufferBytes))
	}
	return n, nil
}

// readWorkers returns 0, as configured, for an option that is not there. "auto" overrules a number in the file.
func readWorkers(text string) (int, error) {
	switch text {
	case "":
		return 0, nil
	case "auto":
		return config.AutoWorkers, nil
	}
	n, err := readNumber("--workers", text)
	if err != nil || n == 0 {
		return 0, usageError("option --workers requires a number from 1 on, or auto")
	}
	return n, nil
}
