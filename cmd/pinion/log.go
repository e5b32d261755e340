// pinion log: what an operator changes of the log while the proxy runs.

package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name:      "log",
		Usage:     "have the running proxy go on in a new log file, or log more or less",
		UsageText: "pinion log reopen|level [N] [--control FILE]",
		Description: `reopen is for after a rotation: the old file has been moved away, the next line goes to a new one of the same name.
level shows how much is logged, or changes it: 3 errors, 4 warnings, 5 what operators do, 6 clients, 7 details, up to 11. A reload
changes it again if log_level is another than it was.

  mv pinion.log pinion.log.1 && pinion log reopen
  pinion log level 7`,
		Flags: []cli.Flag{controlFlag()},
		Action: func(c *cli.Context) error {
			act := logAction(c.Args().Slice())
			if act == nil {
				return logUsage(c.Args().First())
			}
			return withAdminSocket(c, act)
		},
	}
}

// logUsage says what there is to do, or what was meant.
func logUsage(word string) error {
	if word == "" || slices.Contains(logOperands, word) {
		return usageError("log knows two things to do: pinion log reopen, pinion log level [N]")
	}
	return usageError(fmt.Sprintf("log knows no %q; %s", word, config.Suggest(word, logOperands)))
}

// logOperands are what it begins with.
var logOperands = []string{"reopen", "level"}

// logAction returns what operands ask for; nil: nothing.
func logAction(operands []string) func(*cli.Context, *adminSocket) error {
	switch {
	case len(operands) == 1 && operands[0] == "reopen":
		return reopenLog
	case len(operands) == 1 && operands[0] == "level":
		return showLogLevel
	case len(operands) == 2 && operands[0] == "level":
		return func(c *cli.Context, m *adminSocket) error { return setLogLevel(c, m, operands[1]) }
	}
	return nil
}

func reopenLog(c *cli.Context, m *adminSocket) error {
	a, err := m.ask(context.Background(), "/log/reopen", nil)
	if err != nil {
		return err
	}
	return showLines(c.App.Writer, a, "reopened the log file")
}

func showLogLevel(c *cli.Context, m *adminSocket) error {
	_, s, err := m.status(context.Background())
	switch {
	case err != nil:
		return err
	case s.Log == nil:
		return fmt.Errorf("the running Pinion (%s) does not tell its level", s.Build)
	}
	_, err = fmt.Fprintln(c.App.Writer, s.Log.Level)
	return err
}

func setLogLevel(c *cli.Context, m *adminSocket, level string) error {
	if n, err := readNumber("level", level); err != nil || n > 11 {
		return usageError(fmt.Sprintf("level is a number from 0 to 11, not %q", level))
	}
	a, err := m.ask(context.Background(), "/log/level", url.Values{"level": {level}})
	if err != nil {
		return err
	}
	return showLines(c.App.Writer, a, "changed the level")
}
