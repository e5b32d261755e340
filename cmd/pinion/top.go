// pinion top: the page of the terminal, see package top.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion/top"
	"github.com/pinion-proxy/pinion/worker/link"
)

func topCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "top",
		Usage:     "watch the running proxy: pools, servers, commands, workers, clients",
		UsageText: "pinion top [--by TABLE] [--interval DURATION] [--filter WORD] [--once] [--json] [--control FILE]",
		Description: `A page for the terminal; the key ? says what there is. It goes on over reloads and upgrades. Rates, shares and
percentiles are those since the last look. Colours say nothing that words do not say, too: NO_COLOR=1 leaves them out. Where
the terminal is dumb, or there is none, the tables follow each other.

  pinion top --by servers
  pinion top --by clients --filter 192.0.2.7
  pinion top --by servers --once --json | jq -r '.rows[] | select(.state != "live").server'`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "by", Value: "pools", Usage: "begin with a `TABLE`: " + strings.Join(top.Names(), ", ")},
			&cli.StringFlag{Name: "interval", Value: "1s", Usage: "look every `DURATION`, 200ms to 1m"},
			&cli.StringFlag{Name: "filter", Usage: "only rows with a `WORD` in them"},
			&cli.BoolFlag{Name: "once", Usage: "measure for one interval, print the table and exit"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object for each look, in a line of its own"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		o := top.Options{Table: c.String("by"), Filter: c.String("filter"), Once: c.Bool("once"), JSON: c.Bool("json")}
		if !slices.Contains(top.Names(), o.Table) {
			return unknownValue("by", "table", o.Table, top.Names())
		}
		var err error
		if o.Interval, err = time.ParseDuration(c.String("interval")); err != nil || o.Interval < top.ShortestInterval || o.Interval > top.LongestInterval {
			return usageError("option --interval requires a duration from 200ms to 1m")
		}
		return top.Run(context.Background(), m.sample, o, c.App.Writer)
	})
}

// sample asks for all that the page shows.
func (m *adminSocket) sample(ctx context.Context, clients bool) (s *top.Sample, err error) {
	s = &top.Sample{}
	if _, s.Status, err = m.status(ctx); err != nil {
		return nil, err
	}
	text, err := m.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	s.At = time.Now()
	if s.Metrics, err = top.ParseMetrics(bytes.NewReader(text)); err != nil || !clients {
		return s, err
	}
	s.Clients = []link.ClientState{}
	s.Unheard, err = m.lines(ctx, http.MethodGet, "/clients", url.Values{}, func(line []byte) error {
		var c link.ClientState
		err := json.Unmarshal(line, &c)
		s.Clients = append(s.Clients, c)
		return err
	})
	return s, err
}
