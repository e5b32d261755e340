// The command line as getopt_long reads it: scripts written for nutcracker say -v7, -dc FILE, --conf-file=FILE, or put
// an option behind an operand. The cli package knows none of these.

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

// arrange spells the command line so that the cli package reads it as getopt_long would: the command first, then options
// by their long names, then "--" and the operands.
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) > 0 {
		if c := command(app, args[0]); c != nil {
			options, operands, err := getopt(append(c.Flags, cli.HelpFlag), args[1:])
			if slices.Contains(options, "--help") { // of which the cli package would take the first operand for the topic
				operands = nil
			}
			return slices.Concat(args[:1], options, []string{"--"}, operands), err
		}
	}
	options, operands, err := getopt(append(app.Flags, cli.HelpFlag), args)
	for i, word := range operands {
		if err == nil && (word == args[0] && i == 0 || command(app, word) != nil) {
			err = notACommand(app, word)
		}
	}
	if err == nil && len(operands) > 0 { // as nutcracker, which does not even say so
		fmt.Fprintf(app.ErrWriter, "pinion: ignoring %q: a configuration file is given with -c\n", operands)
	}
	return options, err
}

func command(app *cli.App, name string) *cli.Command {
	for _, c := range app.Commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// notACommand says why an operand of the bare command makes no sense.
func notACommand(app *cli.App, word string) error {
	if command(app, word) != nil {
		return usageError(fmt.Sprintf("command %q must come first: pinion %s [options]", word, word))
	}
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	if strings.ContainsAny(word, "/.") {
		return usageError(fmt.Sprintf("unknown command %q; a configuration file is given with -c", word))
	}
	return usageError(fmt.Sprintf("unknown command %q; %s", word, config.Suggest(word, names)))
}

// getopt parts options from operands. An option comes out as --name or --name=value, whichever way it went in.
func getopt(flags []cli.Flag, args []string) (options, operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var spelled []string
		switch {
		case arg == "--":
			return options, append(operands, args...), nil
		case strings.HasPrefix(arg, "--"):
			spelled, args, err = longOption(flags, arg, args)
		case len(arg) > 1 && arg[0] == '-':
			spelled, args, err = shortOptions(flags, arg, args)
		default:
			operands = append(operands, arg)
		}
		if err != nil {
			return nil, nil, err
		}
		options = append(options, spelled...)
	}
	return options, operands, nil
}

// longOption reads --name, --name=value, or --name followed by its value. A beginning that only one name has is enough.
func longOption(flags []cli.Flag, arg string, rest []string) (spelled, left []string, err error) {
	given, value, attached := strings.Cut(arg[2:], "=")
	var found []cli.Flag
	for _, f := range flags {
		if long(f) == given {
			found = []cli.Flag{f}
			break
		}
		if strings.HasPrefix(long(f), given) {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil, usageError(fmt.Sprintf("unknown option --%s; %s", given, config.Suggest("--"+given, longNames(flags))))
	case len(found) > 1:
		return nil, nil, usageError(fmt.Sprintf("option --%s may mean --%s or --%s", given, long(found[0]), long(found[1])))
	case !takesValue(found[0]) && attached:
		return nil, nil, usageError(fmt.Sprintf("option --%s takes no value", long(found[0])))
	case !takesValue(found[0]):
		return []string{"--" + long(found[0])}, rest, nil
	case attached:
		return []string{"--" + long(found[0]) + "=" + value}, rest, nil
	case len(rest) == 0:
		return nil, nil, missingValue("--"+long(found[0]), found[0])
	}
	return []string{"--" + long(found[0]) + "=" + rest[0]}, rest[1:], nil
}

// shortOptions reads -d, -dt, -v7, or -v followed by its value.
func shortOptions(flags []cli.Flag, arg string, rest []string) (spelled, left []string, err error) {
	for i := 1; i < len(arg); i++ {
		letter := arg[i : i+1]
		f := byLetter(flags, letter)
		switch {
		case f == nil:
			return nil, nil, usageError(fmt.Sprintf("invalid option -- '%s'", letter))
		case !takesValue(f):
			spelled = append(spelled, "--"+long(f))
		case i+1 < len(arg):
			return append(spelled, "--"+long(f)+"="+arg[i+1:]), rest, nil
		case len(rest) == 0:
			return nil, nil, missingValue("-"+letter, f)
		default:
			return append(spelled, "--"+long(f)+"="+rest[0]), rest[1:], nil
		}
	}
	return spelled, rest, nil
}

func byLetter(flags []cli.Flag, letter string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names()[1:], letter) {
			return f
		}
	}
	return nil
}

// longNames returns the names of the options that a help text has.
func longNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		names = append(names, "--"+long(f))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// long returns the name of an option; its letters are aliases.
func long(f cli.Flag) string { return f.Names()[0] }

func takesValue(f cli.Flag) bool { return f.(cli.DocGenerationFlag).TakesValue() }

// missingValue says what an option of that kind requires, in nutcracker's words, and how that is written.
func missingValue(spelling string, f cli.Flag) error {
	kind := "a string"
	switch placeholder(f) {
	case "PID":
		kind = "a pid or a unit"
	case "ADDR":
		kind = "an address"
	case "N", "PORT", "MS", "BYTES":
		kind = "a number"
	case "FILE":
		kind = "a file name"
	case "DURATION":
		kind = "a duration such as 30s"
	}
	return usageError(fmt.Sprintf("option %s requires %s: %s %s", spelling, kind, spelling, placeholder(f)))
}
