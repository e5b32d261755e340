// pinion hotkeys and bigkeys: which keys are asked for most.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/master/web"
)

func hotkeysCommand() *cli.Command {
	return keysCommand("hotkeys", "show the keys that are asked for most", "REQUESTS",
		`REQUESTS are those of the last minutes, of all workers: what is older by a minute counts half. ± is by how much they may be wrong: requests
are looked at now and then, key_samples times a second and worker, and there is room for some hundred keys.`)
}

func bigkeysCommand() *cli.Command {
	return keysCommand("bigkeys", "show the keys that move most bytes", "BYTES",
		`BYTES are those of requests for a single key and their replies, of the last minutes and all workers: what is older by a minute counts half. ±
is by how much they may be wrong, since requests are looked at now and then. LARGEST is the largest request or reply among these.`)
}

func keysCommand(name, usage, counted, description string) *cli.Command {
	return adminCommand(cli.Command{
		Name:      name,
		Usage:     usage,
		UsageText: "pinion " + name + " [--pool NAME] [--count N] [--json] [--control FILE]",
		Description: description + ` Keys are
escaped, and cut after 55 bytes.

  pinion ` + name + ` --count 10 --pool alpha`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "pool", Usage: "only those of the pool `NAME`"},
			&cli.StringFlag{Name: "count", Value: "20", Usage: "the first `N` of each pool"},
			&cli.BoolFlag{Name: "json", Usage: "print all fields as JSON"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		n, err := countOption(c, 1)
		if err != nil {
			return err
		}
		parameters := given(c, "pool")
		parameters.Set("count", strconv.Itoa(n))
		var all web.Keys
		if err := m.json(context.Background(), "/"+name+".json", parameters, &all); err != nil {
			return err
		}
		if c.Bool("json") {
			return json.NewEncoder(c.App.Writer).Encode(all)
		}
		return showKeys(terminal{c.App.Writer}, all.Keys, counted)
	})
}

func showKeys(out io.Writer, keys []totals.Key, counted string) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(out, "no keys")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t±\tSHARE\tLARGEST\tPOOL\tKEY\n", counted)
	for _, k := range keys {
		key, largest := k.Key, "-"
		if k.Cut {
			key += "…"
		}
		if k.Largest > 0 {
			largest = thousands(int(k.Largest))
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f %%\t%s\t%s\t%s\n", thousands(int(k.Count)), thousands(int(max(k.TooLarge, k.TooSmall)+k.Chance)), 100*k.Share, largest, k.Pool, key)
	}
	return w.Flush()
}
