// What a shell offers when an operator presses the tabulator key, by the tables of options and commands.

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion/top"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// shells are those for which there are completions.
var shells = map[string]func([]completed) string{"bash": completeBash, "zsh": completeZsh, "fish": completeFish}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "write what a shell needs to complete command lines",
		UsageText: "pinion completion bash | zsh | fish",
		Description: `The packages install it for all three. Without them:

  pinion completion bash > ~/.local/share/bash-completion/completions/pinion
  pinion completion zsh > "${fpath[1]}/_pinion"
  pinion completion fish > ~/.config/fish/completions/pinion.fish`,
		Action: func(c *cli.Context) error {
			if c.Args().First() == poolNames {
				return listPools(c)
			}
			write := shells[c.Args().First()]
			if write == nil || c.Args().Len() != 1 {
				return usageError("completion knows three shells: bash, zsh and fish")
			}
			_, err := io.WriteString(c.App.Writer, write(completions(c.App)))
			return err
		},
	}
}

// poolNames has completion list pools: for the shells themselves.
const poolNames = "pools"

// listPools lists those of the running Pinion, or, if it does not answer at once, of the configuration that is read by default.
func listPools(c *cli.Context) error {
	path := controlPath(c, "")
	if path == "" {
		path, _ = findControl()
	}
	m := newAdminSocket(path)
	m.statusTimeout = describePatience
	names := []string{}
	if _, s, err := m.status(context.Background()); err == nil {
		for _, p := range s.Pools {
			names = append(names, p.Name)
		}
	} else if cfg, err := config.LoadAlone(configFile(c)); err == nil {
		for i := range cfg.Pools {
			names = append(names, cfg.Pools[i].Name)
		}
	}
	for _, name := range names {
		fmt.Fprintln(c.App.Writer, visible(name))
	}
	return nil
}

// completed is a command, or the proxy itself, whose name is empty.
type completed struct {
	name, usage string
	words       []string // that may follow
	options     []completedOption
}

type completedOption struct {
	long, letter string // letter may be empty
	value        string // placeholder; empty: it takes none
	usage        string
	values       []string // that it may have, where they are few
}

// isPool reports whether the value is the name of a pool.
func (o completedOption) isPool() bool { return o.long == "pool" }

// optionValues are those of options, by the command and the option.
var optionValues = map[[2]string][]string{
	{"clients", "sort"}: slices.Sorted(maps.Keys(clientOrders)), {"clients", "state"}: link.ClientStates, {"top", "by"}: top.Names(),
	{"", "log-format"}: {string(config.LogText), string(config.LogJSON)},
}

// completions returns the proxy first, then the commands.
func completions(app *cli.App) []completed {
	all := []completed{{options: completedOptions("", app.VisibleFlags())}}
	names := []string{}
	for _, c := range app.VisibleCommands() {
		flags := slices.DeleteFunc(slices.Clone(c.Flags), func(f cli.Flag) bool { return long(f) == "help" })
		all = append(all, completed{name: c.Name, usage: c.Usage, options: completedOptions(c.Name, append(flags, cli.HelpFlag))})
		names = append(names, c.Name)
	}
	for i := range all {
		switch all[i].name {
		case "log":
			all[i].words = logOperands
		case "completion":
			all[i].words = slices.Sorted(maps.Keys(shells))
		case "help":
			all[i].words = names
		}
	}
	return all
}

func completedOptions(command string, flags []cli.Flag) (options []completedOption) {
	for _, f := range flags {
		o := completedOption{long: long(f), value: placeholder(f), values: optionValues[[2]string{command, long(f)}]}
		if names := f.Names(); len(names) > 1 {
			o.letter = names[1]
		}
		usage, _, _ := strings.Cut(f.(cli.DocGenerationFlag).GetUsage(), " (default")
		o.usage = strings.ReplaceAll(usage, "`", "")
		options = append(options, o)
	}
	return options
}

// spellings returns the ways to write an option.
func (o completedOption) spellings() []string {
	if o.letter == "" {
		return []string{"--" + o.long}
	}
	return []string{"-" + o.letter, "--" + o.long}
}

// withValue returns the spellings of all options that take a value, of files or of anything else.
func withValue(all []completed, files bool) (spellings []string) {
	for _, c := range all {
		for _, o := range c.options {
			if o.value != "" && o.values == nil && !o.isPool() && (o.value == "FILE") == files {
				spellings = append(spellings, o.spellings()...)
			}
		}
	}
	slices.Sort(spellings)
	return slices.Compact(spellings)
}
