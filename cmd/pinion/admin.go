// pinion status, reload, upgrade, drain, stop, log: what an operator asks of a running master, over its admin socket.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/admin"
)

const (
	controlVariable = "PINION_CONTROL"
	controlName     = "ctl.sock"
	defaultControl  = "/run/pinion/" + controlName
)

// controlFlag is the option of the commands; that of the proxy is in rootFlags.
func controlFlag() cli.Flag {
	return &cli.StringFlag{Name: "control", EnvVars: []string{controlVariable},
		Usage: "the admin socket is `FILE` (default: $" + controlVariable + ", $RUNTIME_DIRECTORY/" + controlName +
			", the one Pinion of this user that runs, or that of " + defaultControl + ")"}
}

func strictFlag() cli.Flag {
	return &cli.BoolFlag{Name: "strict", Usage: "refuse if a new worker cannot reach a server, even one that no worker reaches now"}
}

// controlPath returns where a master listens or is looked for: as said, else where systemd has made a directory for it,
// else otherwise. Said to be nothing, it is nothing.
func controlPath(c *cli.Context, otherwise string) string {
	if c.IsSet("control") {
		return c.String("control")
	}
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" { // the first, if there are several
		return filepath.Join(dir, controlName)
	}
	return otherwise
}

// controlSource says what names the admin socket at the start, before any configuration; empty: nothing does.
func controlSource(c *cli.Context) string {
	switch {
	case c.IsSet("control") && c.String("control") != "" && c.String("control") == os.Getenv(controlVariable):
		return "$" + controlVariable
	case c.IsSet("control"):
		return "--control"
	case controlPath(c, "") != "":
		return "$RUNTIME_DIRECTORY"
	}
	return ""
}

// parameters returns those of the options that are given, as the master calls them.
func parameters(c *cli.Context, options ...string) url.Values {
	v := url.Values{}
	for _, name := range options {
		if c.Bool(name) {
			v.Set(strings.ReplaceAll(name, "-", "_"), "1")
		}
	}
	return v
}

// adminCommand is a command that has no operands and asks something.
func adminCommand(command cli.Command, act func(c *cli.Context, m *adminSocket) error) *cli.Command {
	command.Flags = append(command.Flags, controlFlag())
	command.Action = func(c *cli.Context) error {
		if err := noOperands(c); err != nil {
			return err
		}
		return withAdminSocket(c, act)
	}
	return &command
}

// withAdminSocket asks at the admin socket that the command line names. The lines of a refusal are printed before its
// reason.
func withAdminSocket(c *cli.Context, act func(c *cli.Context, m *adminSocket) error) error {
	path := controlPath(c, findAnswering)
	if path == "" {
		return usageError("option --control requires a file name")
	}
	if path == findAnswering {
		found, err := findControl()
		if err != nil {
			return err
		}
		path = found
	}
	err := act(c, newAdminSocket(path))
	if no := (*refusal)(nil); errors.As(err, &no) && len(no.Lines) > 0 {
		fmt.Fprintln(c.App.ErrWriter, strings.Join(no.Lines, "\n"))
	}
	return err
}

func statusCommand() *cli.Command {
	command := adminCommand(cli.Command{
		Name:      "status",
		Usage:     "show the running proxy: what is wrong, workers, servers, the last reload or upgrade",
		UsageText: "pinion status [--json | --check] [--control FILE]",
		Description: `The first lines say whether all is well, or what is wrong. The exit status is 0 if a Pinion answers, whatever it says; with --check
it is that of a plugin for Nagios and its kin.

Servers are live; down (the last attempts to use them have failed, and requests for them get an error); ejected (left out until they answer
again); probing (ejected, and asked whether they do); or unknown (no sentinel has said where they are). Where no pool ejects servers
and none has asked since a server was down, "last tried" tells how old the news is.

Workers are vacant or waiting (there is no process yet, see the log), starting, prepared (ready to serve), serving, giving (they move their
clients to the next generation), draining, dying (told to go) or hung (they have made no turn for 5 s). A straggler is a client that
could not move at a reload or an upgrade yet: its old worker, of a generation that is "retired", serves it on until it can.

Exit status with --check:
  0	all is well
  1	clients are served, but something is wrong: a server or worker is out, or a limit is nearly reached
  2	clients are not served: no Pinion answers, no worker serves, or no server of a pool can be used
  3	not known: the admin socket cannot be used, say for want of permission

  pinion status
  pinion status --check	one line, with performance data
  pinion status --json --control /run/pinion/ctl.sock
  curl --unix-socket /run/pinion/ctl.sock http://pinion/status	the same JSON`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the JSON object that the proxy sends"},
			&cli.BoolFlag{Name: "check", Usage: "print one line for monitoring, and exit with 0, 1, 2 or 3"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		text, s, err := m.status(context.Background())
		if c.Bool("check") {
			return showCheck(c.App.Writer, &s, err)
		}
		if err != nil {
			return err
		}
		if c.Bool("json") {
			_, err = c.App.Writer.Write(text)
			return err
		}
		return showStatus(c.App.Writer, s)
	})
	ask := command.Action
	command.Action = func(c *cli.Context) error {
		if c.Bool("check") && c.Bool("json") {
			return usageError("options --check and --json say two things; give one of them")
		}
		err := ask(c)
		if nobody := (*notFound)(nil); c.Bool("check") && errors.As(err, &nobody) {
			return showCheck(c.App.Writer, nil, err)
		}
		return err
	}
	return command
}

func reloadCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "reload",
		Usage:     "have the running proxy read its configuration again, without losing a client",
		UsageText: "pinion reload [--dry-run] [--strict] [--control FILE]",
		Description: `New workers are made from the file; they connect to the servers, take the listening sockets, and then the clients. If
anything is wrong, nothing changes. The exit status is 0 when the new workers serve and nobody was lost, 3 when they serve but
clients were lost with a worker that died, or hung and had to be killed, and 1 when the old ones serve on.

With --dry-run nothing is changed: the addresses that a reload would take are tried, and the servers asked as the new workers would.
The exit status is 0 if nothing would change, 2 if something would, which is told, and 1 if the reload would be refused.

  pinion reload
  pinion reload --dry-run	what would change, and how many keys would move`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "check the file, tell what would change and whether it could, and change nothing"},
			strictFlag(),
		},
	}, func(c *cli.Context, m *adminSocket) error {
		a, err := m.ask(context.Background(), "/reload", parameters(c, "dry-run", "strict"))
		switch {
		case err != nil:
			return err
		case c.Bool("dry-run"):
			return showPreview(c.App.Writer, a)
		}
		return showHandoff(c.App.Writer, a)
	})
}

func upgradeCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "upgrade",
		Usage:     "replace the running proxy by the binary that is installed now, without losing a client",
		UsageText: "pinion upgrade [--strict] [--timeout DURATION] [--control FILE]",
		Description: `The new binary reads the configuration, starts its workers, takes the listening sockets and the clients, and only then
the old one goes. If anything is wrong, the old one goes on. The exit status is 0 when the new binary serves and nobody was
lost, 3 when it serves but clients were lost with a worker that died, or hung and had to be killed, and 1 when the old one
goes on.

  pinion upgrade
  pinion upgrade --timeout 30s	wait no longer than that for the outcome`,
		Flags: []cli.Flag{
			strictFlag(),
			&cli.StringFlag{Name: "timeout",
				Usage: "give up waiting after a `DURATION` such as 30s; the upgrade goes on (default: wait for its end)"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		timeout, err := readTimeout(c.String("timeout"))
		if err != nil {
			return err
		}
		a, err := m.upgrade(timeout, parameters(c, "strict"))
		if err != nil {
			return err
		}
		return showHandoff(c.App.Writer, a)
	})
}

// readTimeout returns 0, no limit, for an option that is not there.
func readTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usageError("option --timeout requires a duration such as 30s or 2m")
	}
	return d, nil
}

func drainCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "drain",
		Usage:     "have the running proxy end when its clients have got what they are owed",
		UsageText: "pinion drain [--after DURATION | --undo] [--control FILE]",
		Description: `Until the drain begins, all clients are served and new ones are taken, while load balancers are told to send nobody: by /readyz,
and by PING with drain_ping: error. In the last third of that time idle clients are closed in portions. Then no new clients are
accepted; those that are owed replies get them first, for at most shutdown_timeout. The command does not wait for the end, see
pinion stop. A reload and an upgrade keep the drain, the end of a master that was killed does not.

  pinion drain --after 30s
  pinion drain --after 0s	at once, also where one was asked for already
  pinion drain --undo	serve on; at any time before the end`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "after", Usage: "serve on for a `DURATION` such as 30s first (default: drain_delay)"},
			&cli.BoolFlag{Name: "undo", Usage: "serve on, whatever was asked for"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		parameters := parameters(c, "undo")
		if c.IsSet("after") {
			if err := checkAfter(c.String("after"), c.Bool("undo")); err != nil {
				return err
			}
			parameters.Set("after", c.String("after"))
		}
		a, err := m.ask(context.Background(), "/drain", parameters)
		switch {
		case err != nil:
			return err
		case a.Handoff != nil:
			return showHandoff(c.App.Writer, a)
		}
		if c.Bool("undo") {
			return showLines(c.App.Writer, a, "done")
		}
		return showLines(c.App.Writer, a, "draining")
	})
}

// checkAfter finds a time to serve on that is none, and one that contradicts.
func checkAfter(text string, undo bool) error {
	if d, err := time.ParseDuration(text); err != nil || d < 0 {
		return usageError("option --after requires a duration such as 30s or 5m")
	}
	if undo {
		return usageError("options --after and --undo exclude each other")
	}
	return nil
}

// showLines prints the lines of the master's answer or, without any, the given sentence.
func showLines(w io.Writer, a admin.Outcome, otherwise string) error {
	if len(a.Lines) == 0 {
		a.Lines = []string{otherwise}
	}
	_, err := io.WriteString(w, strings.Join(a.Lines, "\n")+"\n")
	return err
}

// exitChange is the status of a dry run if something would change.
const exitChange exitStatus = 2

// showPreview prints what a reload would change.
func showPreview(w io.Writer, a admin.Outcome) error {
	unchanged := a.Unchanged || len(a.Lines) == 0
	if unchanged {
		a.Lines = append([]string{"nothing would change"}, a.Lines...)
	}
	if err := showLines(w, a, ""); err != nil || unchanged {
		return err
	}
	return exitChange
}

// showHandoff prints how a reload or an upgrade went. One that the master does not call done is an error, and so are clients
// that were lost by it.
func showHandoff(w io.Writer, a admin.Outcome) error {
	if a.Handoff == nil || a.Handoff.Outcome != admin.HandoffDone {
		return errors.New("the proxy does not say that the new generation serves; see pinion status")
	}
	a.Lines = append(a.Lines, fmt.Sprintf("generation %d serves: %s", a.Handoff.Generation, handoffFigures(a.Handoff)))
	if err := showLines(w, a, ""); err != nil || a.Handoff.Lost == 0 {
		return err
	}
	return lossError(fmt.Sprintf("%s lost: %s", many(a.Handoff.Lost, "client"), a.Handoff.LostReason))
}
