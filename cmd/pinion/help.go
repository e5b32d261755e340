// Help texts: what they have in common, and the layout of options.

package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// bareUsage is what a wrong command line of the bare command is answered with.
const bareUsage = rootUsage + "\nSee pinion --help."

const rootUsage = "pinion [-?hVdDt] [-v N] [-o FILE] [-c FILE] [-s PORT] [-a ADDR] [-i MS] [-p FILE] [-m BYTES] " +
	"[--control FILE] [--workers N]"

// rootHelp is the template of pinion --help. The printer aligns what is parted by tabs.
const rootHelp = `pinion {{.Version}} - {{.Usage}}

Usage:
  pinion [options]	run the proxy in the foreground
  pinion COMMAND [options]	one of the commands below; each has --help

Examples:
  pinion -c nutcracker.yml	serve, on all CPUs, what nutcracker served with that file
  pinion -d -o pinion.log -p pinion.pid	in the background, with a log file and a pid file
  pinion check -c pinion.conf	everything that is wrong with a configuration, at once
  pinion route -c pinion.conf user:1	which server has that key, and why
  pinion demo	see it work: three servers, two workers, 10,000 keys

Commands:{{range .VisibleCommands}}
  {{.Name}}	{{.Usage}}{{end}}

Options:{{range .VisibleFlags}}
  {{.}}{{end}}

Signals:
  SIGTERM	after drain_delay no new clients, finish what is owed (within shutdown_timeout), end; again: sooner
  SIGINT	end at once
  SIGHUP	reload: a new generation of workers by the configuration file as it is now; reopen the log file
  SIGUSR2	upgrade: the same by the binary that is installed now
  SIGTTIN, SIGTTOU	log more, log less

Exit status:
  0	stopped by a signal; or the command found nothing wrong
  1	an error: of the command line, of the configuration, of the start; a reload or an upgrade that has changed nothing
  2	check --connect: a server cannot serve; reload --dry-run: something would change; status --check: see there
  3	a reload or an upgrade that is done, but clients were lost with a worker that died or had to be killed
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

Usage:
  {{.UsageText}}
{{if .Description}}
{{.Description}}
{{end}}
Options:{{range .VisibleFlags}}
  {{.}}{{end}}
`

func init() {
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h", "?"}, Usage: "show this text and exit"}
	cli.FlagStringer = describe
}

// describe writes an option as nutcracker does: the letter, the name, the value, and what for.
func describe(f cli.Flag) string {
	name := "    --" + long(f)
	if names := f.Names(); len(names) > 1 {
		name = "-" + names[1] + ", --" + long(f)
	}
	if value := placeholder(f); value != "" {
		name += " " + value
	}
	return name + "\t" + strings.ReplaceAll(f.(cli.DocGenerationFlag).GetUsage(), "`", "")
}

// placeholder returns the word that stands for the value of an option: the one in backquotes in its usage.
func placeholder(f cli.Flag) string {
	parts := strings.Split(f.(cli.DocGenerationFlag).GetUsage(), "`")
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "show this text, or that of a command",
		UsageText: "pinion help [COMMAND]",
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return cli.ShowAppHelp(c.Lineage()[1])
			}
			name := c.Args().First()
			if !slices.ContainsFunc(c.App.VisibleCommands(), func(known *cli.Command) bool { return known.HasName(name) }) {
				return notACommand(c.App, name)
			}
			return cli.ShowCommandHelp(c.Lineage()[1], name)
		},
	}
}
