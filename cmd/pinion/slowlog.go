// pinion slowlog: which requests took long, and where their time went.

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/web"
)

func slowlogCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "slowlog",
		Usage:     "show the last requests that took long, and where their time went",
		UsageText: "pinion slowlog [--pool NAME] [--count N] [--json] [--reset] [--control FILE]",
		Description: `A request is there if its client waited for slowlog_us or longer, a key of the pool. TOOK is the sum of: WAIT until it was sent to
the server, SERVER until the reply came, BEHIND replies to earlier requests of the client, and BACK until the client had taken it.
HELD UP is how many later requests of the client waited for its reply. SLOWLOG through the proxy asks the servers for theirs.

  pinion slowlog --count 5
  pinion slowlog --reset --pool alpha`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "pool", Usage: "only those of the pool `NAME`"},
			&cli.StringFlag{Name: "count", Value: "32", Usage: "the latest `N`; 0: all"},
			&cli.BoolFlag{Name: "json", Usage: "print all fields as JSON"},
			&cli.BoolFlag{Name: "reset", Usage: "forget them"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		n, err := countOption(c, 0)
		if err != nil {
			return err
		}
		parameters := given(c, "pool")
		if c.Bool("reset") {
			_, err := m.ask(context.Background(), "/slowlog/reset", parameters)
			return err
		}
		var all web.SlowLog
		if err := m.json(context.Background(), "/slowlog.json", parameters, &all); err != nil {
			return err
		}
		if n > 0 {
			all.Requests = all.Requests[:min(n, len(all.Requests))]
		}
		if c.Bool("json") {
			return json.NewEncoder(c.App.Writer).Encode(all)
		}
		return showSlow(terminal{c.App.Writer}, &all)
	})
}

// json reads what the master answers as JSON.
func (m *adminSocket) json(ctx context.Context, path string, parameters url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, m.statusTimeout)
	defer cancel()
	text, err := m.do(ctx, http.MethodGet, path, parameters)
	if err == nil && json.Unmarshal(text, into) != nil {
		err = m.stranger()
	}
	return err
}

func showSlow(out io.Writer, all *web.SlowLog) error {
	if len(all.Requests) == 0 {
		_, err := fmt.Fprintln(out, "no slow requests")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tTOOK\tWAIT\tSERVER\tBEHIND\tBACK\tHELD UP\tPOOL\tSERVER\tCLIENT\tREQUEST")
	for _, s := range all.Requests {
		client := s.Peer
		if s.Name != "" {
			client += " " + fmt.Sprintf("%+q", s.Name)
		}
		server := s.Server
		if server == "" {
			server = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.At.Local().Format(statusTime+".000"), latency(int64(s.TookUS)), latency(int64(s.WaitUS)),
			latency(int64(s.ServerUS)), latency(int64(s.BehindUS)), latency(int64(s.BackUS)), s.HeldUp, s.Pool, server, client,
			strings.Join(append([]string{cmp.Or(s.Command, "(not known: it came before its client moved)")}, s.Args...), " "))
	}
	return w.Flush()
}
