// The command watched: what it costs that somebody looks.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
	"github.com/pinion-proxy/pinion/cmd/pinion-bench/process"
)

func watchedCommand() *cli.Command {
	return &cli.Command{
		Name:  "watched",
		Usage: "compare Pinion with itself: nobody looks, or everything is on and looked at",
		Description: `One proxy has no http, no slow log and no sketch of keys. The other one has all three, its metrics are scraped each
second, and its page is open. Both have the same load in turn, round by round: GET by 50 clients, one request at a time, and 16 at
once. CPU is that of all processes of the proxy, the master among them.

With --soak there is one proxy, which has everything on. It has a load for a tenth of that time, and its memory is printed now and then.

Examples:
  pinion-bench watched
  pinion-bench watched --pools 20 --servers 50 --rounds 5
  pinion-bench watched --soak 15m`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "proxy", Value: "pinion", Usage: "the `COMMAND` of the proxy, as for compare"},
			&cli.IntFlag{Name: "rounds", Value: 9, Usage: "`N` rounds for each load"},
			&cli.DurationFlag{Name: "time", Value: 3 * time.Second, Usage: "the `TIME` of a round, for each proxy"},
			&cli.IntFlag{Name: "servers", Value: 4, Usage: "`N` servers"},
			&cli.IntFlag{Name: "pools", Value: 1, Usage: "`N` pools with as many servers each, of which one is busy"},
			&cli.DurationFlag{Name: "soak", Usage: "keep the load up for that `TIME`"},
			&cli.StringFlag{Name: "json", Usage: "write the result to `FILE`, too, with each round"},
		},
		Action: runWatched,
	}
}

func runWatched(c *cli.Context) error {
	unseen, err := newContestant("unseen="+c.String("proxy"), []string{"slowlog_us: 0"})
	if err != nil {
		return err
	}
	watched, err := newContestant("watched="+c.String("proxy"), nil)
	if err != nil {
		return err
	}
	at, err := process.FreeAddresses(1)
	if err != nil {
		return err
	}
	unseen.global, watched.global = []string{"key_samples: 0"}, []string{"http: " + at[0]}
	cpus, err := newPlacement()
	if err != nil {
		return err
	}
	b := &bench{left: unseen, right: watched, cpus: cpus, progress: c.App.ErrWriter, rounds: c.Int("rounds"), time: c.Duration("time"), servers: c.Int("servers")}
	if b.rounds < 1 || b.time <= 0 || b.servers < 1 || c.Int("pools") < 1 || c.Duration("soak") < 0 {
		return errors.New("rounds, time, servers and pools must be above zero")
	}
	w := &watching{bench: b, pools: c.Int("pools"), at: at[0]}
	if c.IsSet("soak") {
		return w.soak(c.Context, c.App.Writer, c.Duration("soak"))
	}
	outcomes, failed := b.runRows(c.Context, []row{w.row("get-50", "GET, 50 connections", 1), w.row("get-p16", "GET, 50 connections, pipeline 16", 16)})
	printTables(c.App.Writer, outcomes)
	w.print(c.App.Writer)
	return errors.Join(failed, writeJSON(c.String("json"), newResults(b, outcomes)))
}

// watching is a proxy that is looked at.
type watching struct {
	*bench
	pools int
	at    string // where its master answers by HTTP

	mu      sync.Mutex
	scrapes []time.Duration // what each has taken
	size    int             // of the last one, in bytes
	memory  []string        // of processes, as the last one says
	told    int             // bytes that the page was told
	failed  error           // the first that went wrong
}

// row compares the proxy that nobody looks at with the other one.
func (w *watching) row(id, title string, depth int) row {
	return row{id: id, title: title, run: func(ctx context.Context, b *bench) ([]outcome, error) {
		s, err := openStage(ctx, topology{protocol: load.Redis, servers: b.servers, pools: w.pools}, b.cpus.rest)
		if err != nil {
			return nil, err
		}
		defer s.close()
		var arms [2]arm
		spec := w.spec(depth)
		for i, c := range []contestant{b.left, b.right} {
			p, err := s.startProxy(ctx, c, b.cpus.proxy)
			if err != nil {
				return nil, err
			}
			if err := fill(ctx, spec, p, p); err != nil {
				return nil, err
			}
			p.listen = p.listen[:1]
			arms[i] = b.loadArm(c.name, p, spec)
		}
		stop := w.look(ctx)
		outcomes, err := b.duel(ctx, title, b.rounds, arms, []goal{atMost(cpu, 1.03)})
		return outcomes, errors.Join(err, stop())
	}}
}

func (w *watching) spec(depth int) load.Spec {
	spec := loadOf(load.Get, 50, pipeline(depth))
	spec.CPUs = w.cpus.rest
	return spec
}

// look has the proxy scraped each second, and its page open, until stop is called, which returns what went wrong.
func (w *watching) look(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			w.note(ctx, w.scrape(ctx))
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	})
	all.Go(func() { w.note(ctx, w.listen(ctx)) })
	return func() error {
		cancel()
		all.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil && (len(w.scrapes) == 0 || w.told == 0) {
			w.failed = fmt.Errorf("nobody has looked: %d scrapes, %d bytes told to the page", len(w.scrapes), w.told)
		}
		return w.failed
	}
}

// note keeps the first error, unless it comes of the end.
func (w *watching) note(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil && ctx.Err() == nil {
		w.failed = err
	}
}

func (w *watching) get(ctx context.Context, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.at+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s is answered with %s", path, answer.Status)
	}
	return answer.Body, nil
}

// scrape reads the metrics once.
func (w *watching) scrape(ctx context.Context) error {
	began := time.Now()
	body, err := w.get(ctx, "/metrics")
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	took := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scrapes, w.size, w.memory = append(w.scrapes, took), len(text), memoryOf(string(text))
	return nil
}

// memoryOf returns what metrics say of the memory of processes.
func memoryOf(metrics string) (all []string) {
	const name = `pinion_process_resident_memory_bytes{process="`
	for line := range strings.Lines(metrics) {
		if rest, is := strings.CutPrefix(line, name); is {
			process, value, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
			if bytes, err := strconv.ParseFloat(value, 64); err == nil {
				all = append(all, fmt.Sprintf("%s %.1f MiB", process, bytes/(1<<20)))
			}
		}
	}
	return all
}

// listen is an open page. It returns an error when it is told nothing more.
func (w *watching) listen(ctx context.Context) error {
	body, err := w.get(ctx, "/events")
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadSlice('\n')
		w.mu.Lock()
		w.told += len(line)
		w.mu.Unlock()
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("the page is told nothing more: %w", err)
		}
	}
}

// print says what those who looked have seen.
func (w *watching) print(out io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.scrapes) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(w.scrapes))
	fmt.Fprintf(out, "%d scrapes of %d KiB: half of them within %s, the slowest %s; the page was told %d KiB\n",
		len(sorted), w.size>>10, sorted[len(sorted)/2].Round(10*time.Microsecond), sorted[len(sorted)-1].Round(10*time.Microsecond), w.told>>10)
}

// soak keeps a load up, and prints memory now and then.
func (w *watching) soak(ctx context.Context, out io.Writer, lasting time.Duration) error {
	s, err := openStage(ctx, topology{protocol: load.Redis, servers: w.servers, pools: w.pools}, w.cpus.rest)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := s.startProxy(ctx, w.right, w.cpus.proxy)
	if err != nil {
		return err
	}
	spec := w.spec(1)
	spec.Addresses = p.listen[:1]
	if err := load.Fill(ctx, spec); err != nil {
		return err
	}
	stop := w.look(ctx)
	began := time.Now()
	const steps = 15
	for step := range steps {
		if err = w.soakFor(ctx, spec, lasting/steps/10, began.Add(lasting*time.Duration(step+1)/steps)); err != nil {
			break
		}
		w.mu.Lock()
		err = w.failed
		fmt.Fprintf(out, "%8s  %s\n", time.Since(began).Round(time.Second), strings.Join(w.memory, ", "))
		w.mu.Unlock()
		if err != nil {
			break
		}
	}
	err = errors.Join(err, stop())
	w.print(out)
	return err
}

// soakFor puts the load on for a while, and returns at a time.
func (w *watching) soakFor(ctx context.Context, spec load.Spec, while time.Duration, until time.Time) error {
	l, err := load.Connect(ctx, spec)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Drive(ctx, load.Limit{Time: while})
	if err := errors.Join(err, r.Err); err != nil {
		return err
	}
	select {
	case <-time.After(time.Until(until)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
