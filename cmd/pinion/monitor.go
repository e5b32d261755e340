// pinion monitor: requests as clients send them.

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/worker/link"
)

func monitorCommand() *cli.Command {
	return adminCommand(cli.Command{
		Name:      "monitor",
		Usage:     "look at the requests of clients as they come, some of them",
		UsageText: "pinion monitor [--pool NAME] [--prefix TEXT] [--command NAME] [--client ID] [--every N] [--rate N] [--json] [--control FILE] …",
		Description: `A line for each request: when it came, from whom, the command, its first key, and its length; values are not shown. Of several
options all have to be true of a request. A worker writes at most --rate lines per second, and says how many it has left out:
that costs it a percent or so of a CPU, whatever clients do. It goes on over reloads and upgrades, and ends with Control-C.

  pinion monitor --prefix session: --every 100
  pinion monitor --command del --count 10 --json
  pinion monitor --client 4294967299`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "pool", Usage: "only requests to the pool `NAME`"},
			&cli.StringFlag{Name: "prefix", Usage: "only those whose first key begins with `TEXT`"},
			&cli.StringFlag{Name: "command", Usage: "only those of the command `NAME`"},
			&cli.StringFlag{Name: "client", Usage: "only those of the client with that `ID`, see pinion clients"},
			&cli.StringFlag{Name: "address", Usage: "only those of clients from `ADDRESS`: host:port, or a host"},
			&cli.StringFlag{Name: "name", Usage: "only those of clients that have set that `NAME` by CLIENT SETNAME"},
			&cli.StringFlag{Name: "every", Usage: "of these, only each `N`th of a worker"},
			&cli.StringFlag{Name: "rate", Usage: "of these, at most `N` per second of each worker (default: 1000; at most 5000)"},
			&cli.StringFlag{Name: "count", Usage: "end after `N` requests"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object for each, in a line of its own"},
		},
	}, func(c *cli.Context, m *adminSocket) error {
		if err := checkCommandOption(c); err != nil {
			return err
		}
		o := &onlooker{json: c.Bool("json"), out: c.App.Writer}
		if c.IsSet("count") {
			var err error
			if o.left, err = countOption(c, 1); err != nil {
				return err
			}
		}
		return m.lookOn(given(c, "pool", "prefix", "command", "client", "address", "name", "every", "rate"), o)
	})
}

// errSeenEnough ends looking on.
var errSeenEnough = errors.New("all that was asked for has come")

// lookOn looks on, whichever master answers, until the onlooker has seen enough or nobody answers any more.
func (m *adminSocket) lookOn(parameters url.Values, o *onlooker) error {
	for began := time.Now(); ; {
		err := m.read(context.Background(), http.MethodGet, "/monitor", parameters, func(body io.Reader) error {
			return eachLine(body, nil, func(line []byte) error {
				began = time.Now()
				return o.take(line)
			})
		})
		lasting := err != nil && !unheard(err) && !nobody(err) && !refusedWith(err, http.StatusServiceUnavailable)
		switch {
		case errors.Is(err, errSeenEnough):
			return nil
		case o.failure != nil:
			return o.failure
		case lasting, time.Since(began) > m.succession && !o.looked(m):
			return err
		}
		pause(context.Background())
	}
}

// onlooker is who looks on.
type onlooker struct {
	json    bool
	out     io.Writer
	left    int   // requests that it still wants to see; 0: without end
	failure error // of out
}

// looked tells whether a master answers, after nothing was to be seen for long.
func (o *onlooker) looked(m *adminSocket) bool {
	_, _, err := m.status(context.Background())
	return err == nil
}

// take shows a line of the answer.
func (o *onlooker) take(line []byte) error {
	var r link.ObservedRequest
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if o.json {
		_, o.failure = fmt.Fprintf(o.out, "%s\n", line)
	} else {
		_, o.failure = fmt.Fprintln(o.out, observedText(&r))
	}
	if o.failure != nil || r.Missed > 0 || o.left == 0 {
		return o.failure
	}
	if o.left--; o.left == 0 {
		return errSeenEnough
	}
	return nil
}

// observedText is a request as people read it, much as MONITOR of Redis shows it.
func observedText(r *link.ObservedRequest) string {
	at := fmt.Sprintf("%d.%06d", r.At/1e6, r.At%1e6)
	if r.Missed > 0 {
		return fmt.Sprintf("%s worker %d has left out %s", at, r.Worker, many(r.Missed, "request"))
	}
	who := fmt.Sprintf("%s, %d", cmp.Or(visible(r.Address), "unix"), r.Client)
	if r.Name != "" {
		who += ", " + visible(r.Name)
	}
	text := fmt.Sprintf("%s [%s, %s] %s", at, visible(r.Pool), who, visible(r.Command))
	if key := r.Key + string(r.KeyBase64); key != "" {
		text += " " + strconv.Quote(key)
	}
	if r.KeyCut {
		text += "…"
	}
	return text + fmt.Sprintf(" (%s)", many(r.Bytes, "byte"))
}
