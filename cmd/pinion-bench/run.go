// The command run: one load, and what it has measured.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "put a load on one address and check every reply",
		Description: `The keys are written first, so that each read has one right answer. Exit status 1 means that a
reply was wrong, or a connection broke.

Examples:
  pinion-bench run --address 127.0.0.1:22121 --connections 500 --time 5s
  pinion-bench run --workload mget --keys-per-request 100 --pid $(pidof -s nutcracker)`,
		Flags: append(loadFlags(),
			&cli.StringFlag{Name: "address", Aliases: []string{"a"}, Value: "127.0.0.1:22121",
				Usage: "the `ADDR` to talk to: IP:PORT, or the path of a unix socket"},
			&cli.DurationFlag{Name: "time", Aliases: []string{"t"}, Value: 10 * time.Second,
				Usage: "begin no request after this `TIME`"},
			&cli.Uint64Flag{Name: "requests", Aliases: []string{"n"},
				Usage: "send at most `N` requests; 0 = no bound but the time"},
			&cli.IntFlag{Name: "threads", Value: 1, Usage: "drive the connections by `N` threads"},
			&cli.IntFlag{Name: "pid", Usage: "also report the CPU time of process `PID` and its descendants"},
			&cli.BoolFlag{Name: "tls", Usage: "speak TLS; the certificate is not verified"},
			&cli.BoolFlag{Name: "no-fill", Usage: "do not write the keys first; they are there from a run before"},
			&cli.StringFlag{Name: "json", Usage: "write the result to `FILE`, too"},
		),
		Action: runLoad,
	}
}

// loadFlags are the options that describe a load.
func loadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "protocol", Value: string(load.Redis), Usage: "speak `PROTOCOL`: redis or memcache"},
		&cli.StringFlag{Name: "workload", Aliases: []string{"w"}, Value: string(load.Get),
			Usage: fmt.Sprintf("`WHAT` to ask for: one of %v", load.Operations())},
		&cli.IntFlag{Name: "connections", Aliases: []string{"c"}, Value: 50, Usage: "`N` clients at a time"},
		&cli.IntFlag{Name: "pipeline", Aliases: []string{"P"}, Value: 1,
			Usage: "each sends `N` requests at once, then waits for the replies"},
		&cli.IntFlag{Name: "keys", Aliases: []string{"k"}, Value: 10_000, Usage: "`N` different keys"},
		&cli.IntFlag{Name: "keys-per-request", Value: 10, Usage: "`N` keys in each mget, mset or multi"},
		&cli.IntFlag{Name: "value-bytes", Aliases: []string{"d"}, Value: 100, Usage: "values of `N` bytes"},
	}
}

// specOf returns the load that the options describe.
func specOf(c *cli.Context) load.Spec {
	return load.Spec{
		Protocol:       load.Protocol(c.String("protocol")),
		Operation:      load.Operation(c.String("workload")),
		Connections:    c.Int("connections"),
		Pipeline:       c.Int("pipeline"),
		Keys:           c.Int("keys"),
		KeysPerRequest: c.Int("keys-per-request"),
		ValueBytes:     c.Int("value-bytes"),
		Threads:        1,
	}
}

// report is the result of one load, as JSON.
type report struct {
	Requests     uint64  `json:"requests"`
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"requests_per_second"`
	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	P999         float64 `json:"p999_us"`
	Max          float64 `json:"max_us"`
	Errors       int     `json:"errors"`
	CPU          float64 `json:"cpu_us_per_request,omitempty"` // of the process tree that was asked for
	GeneratorCPU float64 `json:"generator_cpu_us_per_request"`
}

func runLoad(c *cli.Context) error {
	spec := specOf(c)
	spec.Addresses = []string{c.String("address")}
	spec.Threads = c.Int("threads")
	if c.Bool("tls") {
		spec.TLS = anyCertificate()
	}
	if !c.Bool("no-fill") {
		if err := load.Fill(c.Context, spec); err != nil {
			return fmt.Errorf("writing the keys: %w", err)
		}
	}
	l, err := load.Connect(c.Context, spec)
	if err != nil {
		return err
	}
	defer l.Close()
	r, failed, err := measureOnce(c, l)
	if err != nil {
		return err
	}
	r.print(c.App.Writer, c.Int("pid"))
	return errors.Join(failed, writeJSON(c.String("json"), r))
}

// measureOnce drives the load. failed is what was wrong with a reply or a connection.
func measureOnce(c *cli.Context, l *load.Load) (r report, failed, err error) {
	pids := []int{os.Getpid(), c.Int("pid")}
	var before, used [2]time.Duration
	cpu := func(times *[2]time.Duration) (err error) {
		for i, pid := range pids {
			if pid != 0 && err == nil {
				times[i], err = process.CPU(pid)
			}
		}
		return err
	}
	if err := cpu(&before); err != nil {
		return r, nil, err
	}
	result, err := l.Drive(c.Context, load.Limit{Requests: c.Uint64("requests"), Time: c.Duration("time")})
	if err != nil {
		return r, nil, err
	}
	if err := cpu(&used); err != nil {
		return r, nil, err
	}
	perRequest := func(i int) float64 { return micros(used[i]-before[i]) / float64(max(result.Requests(), 1)) }
	return report{
		Requests:     result.Requests(),
		Seconds:      result.Elapsed.Seconds(),
		PerSecond:    result.PerSecond(),
		P50:          micros(result.Latency.Quantile(0.5)),
		P99:          micros(result.Latency.Quantile(0.99)),
		P999:         micros(result.Latency.Quantile(0.999)),
		Max:          micros(result.Latency.Max()),
		Errors:       result.Errors,
		CPU:          perRequest(1),
		GeneratorCPU: perRequest(0),
	}, result.Err, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func (r *report) print(w io.Writer, pid int) {
	fmt.Fprintf(w, "%d requests in %.2f s: %.0f a second, %d errors\n", r.Requests, r.Seconds, r.PerSecond, r.Errors)
	fmt.Fprintf(w, "latency: p50 %.0f µs, p99 %.0f µs, p99.9 %.0f µs, longest %.0f µs\n", r.P50, r.P99, r.P999, r.Max)
	if pid != 0 {
		fmt.Fprintf(w, "CPU of process %d and its descendants: %.3f µs per request, %.0f %% of one CPU\n",
			pid, r.CPU, r.CPU*r.PerSecond/1e4)
	}
	fmt.Fprintf(w, "CPU of this generator: %.3f µs per request\n", r.GeneratorCPU)
}

// writeJSON writes v to a file; an empty path means that nobody wants it.
func writeJSON(path string, v any) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
