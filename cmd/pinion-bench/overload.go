// The command overload: proxies before servers that do so much and no more.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/overload"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

func overloadCommand() *cli.Command {
	return &cli.Command{
		Name:  "overload",
		Usage: "ask more of servers than they can do, and see what proxies make of it",
		Description: `Each server executes one request after another, so many a second; one more has nothing to do, and is asked
now and then. Clients ask again as soon as they are answered; as many ask as make FACTOR times what the servers can do if
each waits for the timeout. There is one line for each combination of the lists and each proxy:

  asked, done, good    requests, as parts of what the servers can do: done are those that they executed, good those whose
                       reply was right and came within the timeout
  late                 writes that were executed a timeout or longer after their clients had theirs
  recovery             from the end of the load to the last failure
  bystander            requests to the server with nothing to do that failed

Examples:
  pinion-bench overload
  pinion-bench overload --proxy old=/tmp/pinion --proxy bin/pinion --factors 10 --timeouts 100 --depths 16
  pinion-bench overload --proxy 'pinion --workers 4' --pool-key 'server_connections: 4' --workload mget --servers 3`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "proxy", Value: cli.NewStringSlice("pinion --workers 1", "pinion4=pinion --workers 4", "nutcracker"),
				Usage: "the `COMMAND` of a proxy, as for compare"},
			&cli.StringSliceFlag{Name: "pool-key", Usage: "one more `LINE` for the pool of each configuration"},
			&cli.StringFlag{Name: "workload", Value: string(overload.Set), Usage: "`WHAT` to ask for: set, or mget of all servers"},
			&cli.IntFlag{Name: "servers", Value: 1, Usage: "`N` servers that get too much"},
			&cli.IntFlag{Name: "capacity", Value: 1000, Usage: "each does `N` requests a second"},
			&cli.IntSliceFlag{Name: "factors", Value: cli.NewIntSlice(2, 5, 10), Usage: "ask `N` times as much"},
			&cli.IntSliceFlag{Name: "timeouts", Value: cli.NewIntSlice(400), Usage: "the proxies' timeout is `MS`"},
			&cli.IntSliceFlag{Name: "depths", Value: cli.NewIntSlice(1, 16), Usage: "each client sends `N` requests at once"},
			&cli.DurationFlag{Name: "time", Value: 10 * time.Second, Usage: "the `TIME` of each load"},
			&cli.StringFlag{Name: "json", Usage: "write the results to `FILE`, too"},
		},
		Action: runOverload,
	}
}

// serverCommand is what overload runs as its servers.
func serverCommand() *cli.Command {
	return &cli.Command{
		Name:   "server",
		Usage:  "serve so many requests a second, and no more",
		Hidden: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen"},
			&cli.StringFlag{Name: "name"},
			&cli.DurationFlag{Name: "cost"},
			&cli.DurationFlag{Name: "late"},
		},
		Action: func(c *cli.Context) error {
			l, err := net.Listen("tcp", c.String("listen"))
			if err != nil {
				return err
			}
			s := &overload.Server{Name: c.String("name"), Cost: c.Duration("cost"), Late: c.Duration("late")}
			return s.Serve(l)
		},
	}
}

// flood is one line of what overload prints.
type flood struct {
	Proxy   string          `json:"proxy"`
	Factor  int             `json:"factor"`
	Timeout time.Duration   `json:"timeout_ns"`
	Depth   int             `json:"depth"`
	Clients int             `json:"clients"`
	Result  overload.Result `json:"result"`
}

func runOverload(c *cli.Context) error {
	if err := checkOverload(c); err != nil {
		return err
	}
	if err := raiseDescriptors(); err != nil {
		return err
	}
	fmt.Fprintln(c.App.Writer, floodHead)
	var floods []flood
	for _, f := range floodsOf(c) {
		if err := f.run(c); err != nil {
			return err
		}
		f.print(c.App.Writer)
		floods = append(floods, f)
	}
	return writeJSON(c.String("json"), floods)
}

func checkOverload(c *cli.Context) error {
	positive := []int{c.Int("capacity"), c.Int("servers")}
	for _, list := range []string{"factors", "timeouts", "depths"} {
		positive = append(positive, c.IntSlice(list)...)
	}
	if slices.Min(positive) < 1 || c.Duration("time") <= 0 {
		return errors.New("servers, capacity, factors, timeouts, depths and time must be above zero")
	}
	if w := overload.Operation(c.String("workload")); w != overload.Set && w != overload.MGet {
		return fmt.Errorf("unknown workload %q; there are %s and %s", w, overload.Set, overload.MGet)
	}
	return nil
}

// floodsOf returns every combination of the lists; the proxies that are to be compared follow each other.
func floodsOf(c *cli.Context) (floods []flood) {
	for _, timeout := range c.IntSlice("timeouts") {
		for _, depth := range c.IntSlice("depths") {
			for _, factor := range c.IntSlice("factors") {
				for _, proxy := range c.StringSlice("proxy") {
					floods = append(floods, flood{
						Proxy: proxy, Factor: factor, Depth: depth, Timeout: time.Duration(timeout) * time.Millisecond,
					})
				}
			}
		}
	}
	return floods
}

// run has one proxy undergo one load.
func (f *flood) run(c *cli.Context) error {
	keys := append([]string{fmt.Sprintf("timeout: %d", f.Timeout.Milliseconds())}, c.StringSlice("pool-key")...)
	proxy, err := newContestant(f.Proxy, keys)
	if err != nil {
		return err
	}
	f.Proxy = proxy.name
	s, err := openFlood(c.Context, c.Int("servers"), c.Int("capacity"), f.Timeout)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := s.startProxy(c.Context, proxy, nil)
	if err != nil {
		return err
	}
	names := make([]string, len(s.servers))
	for i := range names {
		names[i] = serverName(i)
	}
	found, err := overload.FindKeys(p.listen[0], names)
	if err != nil {
		return err
	}
	e := overload.Experiment{
		Address: p.listen[0], Servers: s.servers[:c.Int("servers")], Keys: found, Capacity: c.Int("capacity"),
		Timeout: f.Timeout, Operation: overload.Operation(c.String("workload")), Depth: f.Depth, Time: c.Duration("time"),
	}
	e.Clients = e.ClientsFor(f.Factor)
	f.Clients = e.Clients
	f.Result, err = e.Run(c.Context)
	return err
}

func serverName(i int) string { return fmt.Sprint("server", i) }

// openFlood starts the servers, and one more that has nothing to do.
func openFlood(ctx context.Context, servers, capacity int, timeout time.Duration) (s *stage, err error) {
	s, err = openEmpty(topology{protocol: load.Redis, servers: servers + 1, pools: 1})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i, address := range s.servers {
		args := []string{self, "server", "--listen", address, "--name", serverName(i),
			"--cost", (time.Second / time.Duration(capacity)).String(), "--late", (2 * timeout).String()}
		if err := s.run(process.Command{Args: args, Dir: s.dir, Name: serverName(i)}); err != nil {
			return nil, err
		}
		if err := s.processes[i].AwaitListening(ctx, address); err != nil {
			return nil, err
		}
	}
	return s, nil
}

const floodHead = `| proxy            | timeout | depth | factor | clients | asked | done | good | p50 ms | p99 ms | late | oldest ms | recovery ms | bystander |
|------------------|---------|-------|--------|---------|-------|------|------|--------|--------|------|-----------|-------------|-----------|`

func (f *flood) print(w io.Writer) {
	r := f.Result
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	fmt.Fprintf(w, "| %-16s | %7s | %5d | %6d | %7d | %5.1f | %4.2f | %4.2f | %6s | %6s | %4d | %9s | %11s | %9d |\n",
		f.Proxy, ms(f.Timeout), f.Depth, f.Factor, f.Clients, r.Asked, r.Done, r.Good, ms(r.P50), ms(r.P99), r.LateWrites,
		ms(r.Oldest), ms(r.Recovery), r.Bystander)
}
