// The way in: the commands, Ctrl-C, and the exit status.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := &cli.App{
		Name:           "pinion-bench",
		Usage:          "measure a proxy for Redis or memcached, or compare two",
		Version:        version,
		Writer:         stdout,
		ErrWriter:      stderr,
		ExitErrHandler: func(*cli.Context, error) {},
		Commands:       []*cli.Command{runCommand(), compareCommand(), curveCommand(), overloadCommand(), watchedCommand(), serverCommand()},
	}
	if err := app.RunContext(ctx, args); err != nil {
		fmt.Fprintf(stderr, "pinion-bench: %v\n", err)
		return 1
	}
	return 0
}
