// pinion config and pinion version: what there is, as it is.

package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:      "config",
		Usage:     "show the configuration in effect, defaults included",
		UsageText: "pinion config [-c FILE] [--passwords]",
		Description: `The output is itself a configuration, in the format of nutcracker.yml: with it the proxy does the same. Where it has
passwords they are !hidden, and the output is refused as a configuration, without --passwords.

  pinion config -c pinion.conf
  pinion config -c short.conf --passwords > pinion.yml	from the short form to the long one`,
		Flags: []cli.Flag{confFlag(), &cli.BoolFlag{Name: "passwords", Usage: "show passwords, and the sums of those of users"}},
		Action: func(c *cli.Context) error {
			if err := noOperands(c); err != nil {
				return err
			}
			cfg, err := config.LoadAlone(configFile(c))
			if err != nil {
				return err
			}
			if c.Bool("passwords") {
				return cfg.Print(c.App.Writer)
			}
			return cfg.PrintHidden(c.App.Writer)
		},
	}
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "show the version and what it was built with",
		UsageText: "pinion version",
		Action: func(c *cli.Context) error {
			if err := noOperands(c); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.App.Writer, "pinion %s (%s, %s/%s%s)\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, revision())
			return err
		},
	}
}

// revision names the commit of a version that does not.
func revision() string {
	if c := commit(); c != "" && !strings.Contains(version, c) {
		return ", commit " + c
	}
	return ""
}
