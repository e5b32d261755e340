// The way in: which command runs, where its text goes, and what the exit status says.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/takeover"
	"github.com/pinion-proxy/pinion/worker"
)

// version is set by the linker (-X main.version=…).
var version string

// exitStatus ends the program without another word: the command has said what there is to say.
type exitStatus int

func (s exitStatus) Error() string { return "exit status " + strconv.Itoa(int(s)) }

// exitFailure is the status after any error; a wrong command line included, as with nutcracker.
const exitFailure exitStatus = 1

// exitLoss is the status of a reload or an upgrade that is done, but has lost clients.
const exitLoss exitStatus = 3

// lossError says how many clients those were, and why.
type lossError string

func (e lossError) Error() string { return string(e) }

// usageError is a command line that cannot be meant.
type usageError string

func (e usageError) Error() string { return string(e) }

func main() {
	if isProxy(os.Args) {
		master.CatchSignals()
		master.TakeName()
	}
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// isProxy reports whether the command line is that of the proxy itself, which has no command. Its operator may send signals
// as soon as it has a pid.
func isProxy(args []string) bool { return len(args) < 2 || strings.HasPrefix(args[1], "-") }

// run is the whole program; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	if len(args) < 2 || command(app, args[1]) == nil {
		app.Writer = stderr // where the texts of nutcracker's options go; those of a command are its result
	}
	arranged, err := arrange(app, args[1:])
	if err == nil {
		err = app.Run(append([]string{app.Name}, arranged...))
	}
	if err != nil {
		master.Resign(err) // an old master waits for this one, unless it knows already
	}
	return explain(err, stderr, usageOf(app, args))
}

// newApp returns the tree of commands.
func newApp(stdout, stderr io.Writer) *cli.App {
	if version == "" {
		version = moduleVersion()
	}
	version = withCommit(version, commit())
	app := &cli.App{
		Name:                  "pinion",
		Version:               version,
		Usage:                 "a sharding proxy for Redis and memcached",
		Flags:                 rootFlags(),
		Action:                runBare,
		HideVersion:           true, // -V is an option of ours
		HideHelpCommand:       true, // likewise
		Writer:                stdout,
		ErrWriter:             stderr,
		CustomAppHelpTemplate: rootHelp,
		ExitErrHandler:        func(*cli.Context, error) {}, // explain does it
		Commands: []*cli.Command{
			checkCommand(),
			configCommand(),
			routeCommand(),
			demoCommand(),
			statusCommand(),
			topCommand(),
			clientsCommand(),
			slowlogCommand(),
			hotkeysCommand(),
			bigkeysCommand(),
			monitorCommand(),
			reloadCommand(),
			upgradeCommand(),
			failoverCommand(),
			drainCommand(),
			stopCommand(),
			giveBackCommand(),
			takeSocketsCommand(),
			logCommand(),
			versionCommand(),
			helpCommand(),
			manualCommand(),
			completionCommand(),
			{Name: takeover.UnwatchCommand, Hidden: true, HideHelp: true, Action: func(c *cli.Context) error { return takeover.RunUnwatch(c.Args().Slice()) }},
			{Name: "worker", Hidden: true, HideHelp: true, Action: func(*cli.Context) error { return workerStatus(worker.Main()) }},
		},
	}
	for _, c := range app.Commands {
		c.CustomHelpTemplate = commandHelp
		c.HideHelpCommand = true
	}
	return app
}

func workerStatus(status int) error {
	if status == 0 {
		return nil
	}
	return exitStatus(status)
}

// usageOf returns how the command that was asked for, or the bare one, is used.
func usageOf(app *cli.App, args []string) string {
	if len(args) > 1 {
		if c := command(app, args[1]); c != nil {
			return fmt.Sprintf("%s\nSee pinion %s --help.", c.UsageText, c.Name)
		}
	}
	return bareUsage
}

// explain tells the operator what went wrong, with the usage if it was the command line, and returns the exit status.
func explain(err error, stderr io.Writer, usageText string) int {
	var status exitStatus
	var usage usageError
	var problems config.Problems
	var start startError
	var loss lossError
	err = withPermissionHint(withFileHint(err))
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &loss):
		fmt.Fprintf(stderr, "pinion: %v\n", loss)
		return int(exitLoss)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "pinion: %v\nUsage: %s\n", err, usageText)
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems) // each line begins with its place, which an editor can jump to
	case errors.As(err, &start):
		fmt.Fprint(stderr, string(start)) // explained by the child
	default:
		fmt.Fprintf(stderr, "pinion: %v\n", err)
	}
	return int(exitFailure)
}

// moduleVersion is the version of a build by "go install".
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// withCommit tells the builds between two releases from each other.
func withCommit(version, commit string) string {
	if commit == "" || !strings.HasSuffix(version, "dev") {
		return version
	}
	return version + "+" + commit
}

// commit returns the commit that the binary was built from, as far as the Go tool knew it.
func commit() (text string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true" && text != "":
			text += ".dirty"
		}
	}
	return text
}

// withFileHint says how to name the configuration file to an operator who has not, and has none where nutcracker looks.
func withFileHint(err error) error {
	if missing := (*config.ReadError)(nil); errors.As(err, &missing) && missing.File == defaultConfFile && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w, and there is no %s; those are the defaults: name the file with -c FILE", err, packageConfFile)
	}
	return err
}
