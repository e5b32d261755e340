// Options of commands that show something: they become parameters, and one that means nothing is an error here, or the master's.

package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/master/config"
)

// unknownValue is the error of an option that knows few values, and not this one.
func unknownValue(option, what, value string, known []string) error {
	return usageError(fmt.Sprintf("option --%s knows no %s %q; %s", option, what, value, config.Suggest(value, known)))
}

// given returns the options that are given, as parameters of the same names.
func given(c *cli.Context, options ...string) url.Values {
	v := url.Values{}
	for _, name := range options {
		if c.IsSet(name) {
			v.Set(name, c.String(name))
		}
	}
	return v
}

// checkCommandOption reports --command with a name that no command has: nothing would ever be shown.
func checkCommandOption(c *cli.Context) error {
	name := strings.ToLower(c.String("command"))
	if !c.IsSet("command") || isCommandName(name) {
		return nil
	}
	return usageError("option --command requires the name of a command, of which " + strconv.Quote(name) + " is none; COMMANDS.md has them")
}

// isCommandName tells whether a name is that of a command, as "client|list", or of one with subcommands, as "client".
func isCommandName(name string) bool {
	return resp.IsAny([]byte(name), func(*resp.Command) bool { return true }) || memcache.Lookup([]byte(name)) != nil
}

// countOption returns the number of --count, which has bounds.
func countOption(c *cli.Context, least int) (int, error) {
	n, err := strconv.ParseUint(c.String("count"), 10, 31)
	if err != nil || int(n) < least {
		return 0, usageError(fmt.Sprintf("option --count requires a number from %d on", least))
	}
	return int(n), nil
}
