// pinion demo: the whole thing on one machine, in a second: servers, a proxy with two workers, and keys through it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/urfave/cli/v2"

	"github.com/pinion-proxy/pinion/master/config"
)

const (
	demoShards  = 3
	demoWorkers = 2
	demoHost    = "127.0.0.1"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "see it work: three servers, two workers, 10,000 keys",
		UsageText: "pinion demo [--once | --slow] [--keys N]",
		Description: `Starts three Redis servers inside this process and a real proxy before them, on free ports of 127.0.0.1, writes keys
through the proxy, reads them back, shows where they went, and stays for you to try it. It leaves nothing behind.

With --slow one of the servers, by chance, answers late then, and clients go on asking: find out which it is.

  pinion demo
  pinion demo --once --keys 100000	no staying; the exit status says whether all was right`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "exit when the keys have been read back"},
			&cli.BoolFlag{Name: "slow", Usage: "then have one server be slow, to be found by slowlog, status, metrics or the page"},
			&cli.StringFlag{Name: "keys", Value: "10000", Usage: "write `N` keys (default: 10000)"},
		},
		Action: func(c *cli.Context) error {
			keys, err := readNumber("--keys", c.String("keys"))
			if err == nil && keys == 0 {
				err = usageError("option --keys requires a number from 1 on")
			}
			if err == nil && c.Bool("once") && c.Bool("slow") {
				err = usageError("options --once and --slow exclude each other")
			}
			if err == nil {
				err = noOperands(c)
			}
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			return demonstrate(ctx, c.App.Writer, keys, c.Bool("once"), c.Bool("slow"))
		},
	}
}

// demo is what a demonstration has set up, and has to take down again.
type demo struct {
	dir       string // of the configuration and the log
	shards    []*miniredis.Miniredis
	pool      *config.Pool // as the proxy reads it
	port      int
	statsPort int
	httpPort  int
	slow      bool // one server is to answer late
	proxy     *os.Process
	ended     chan struct{} // closed when the proxy is gone and waited for
}

// errProxyEnded is why the demonstration is over when nobody asked for its end.
var errProxyEnded = errors.New("the proxy has ended by itself")

// demonstrate runs the demo until ctx is done; once: until it has shown that all is right; slow: one server is slow then.
func demonstrate(ctx context.Context, out io.Writer, keys int, once, slow bool) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &demo{ended: make(chan struct{}), slow: slow}
	defer func() {
		if err != nil {
			err = d.withLog(err)
		}
		d.close()
	}()
	if err := d.open(cancel); err != nil {
		return err
	}
	result, err := d.load(ctx, keys)
	if cause := context.Cause(ctx); errors.Is(cause, errProxyEnded) {
		return cause
	} else if cause != nil {
		return errors.New("interrupted before all keys were read back")
	}
	if err != nil {
		return err
	}
	if err := d.draw(out, result); err != nil || once {
		return err
	}
	if slow {
		d.slowDown()
		d.demand(ctx, keys)
		err = d.challenge(out)
	} else {
		err = d.invite(out)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); errors.Is(cause, errProxyEnded) {
		return cause
	}
	return nil // a signal: what was asked for
}

// open starts the servers and the proxy. Whatever it has got before an error, close gives back.
func (d *demo) open(proxyEnded context.CancelCauseFunc) (err error) {
	if d.dir, err = os.MkdirTemp("", "pinion-demo-"); err != nil {
		return err
	}
	for range demoShards {
		shard, err := miniredis.Run()
		if err != nil {
			return fmt.Errorf("starting a server: %w", err)
		}
		d.shards = append(d.shards, shard)
	}
	if err := d.configure(); err != nil {
		return err
	}
	// The kernel is to end the proxy should this process be killed. It goes by the thread that made the child, so this
	// goroutine, which ends with the process, keeps its thread.
	runtime.LockOSThread()
	d.proxy, _, err = launch([]string{
		"-c", d.file("nutcracker.yml"), "-o", d.file("pinion.log"), "-v", "6", "-i", "0", "--workers", strconv.Itoa(demoWorkers),
		"--control", d.control(), "-a", demoHost, "-s", strconv.Itoa(d.statsPort),
	}, os.Stderr, &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}) // its own group: Ctrl-C is for the demo
	if d.proxy == nil {
		return err
	}
	go func() {
		d.proxy.Wait()
		close(d.ended)
		proxyEnded(errProxyEnded)
	}()
	return err
}

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

// configure writes the configuration of the proxy and reads it back for what it means.
func (d *demo) configure() (err error) {
	ports, err := freePorts()
	if err != nil {
		return err
	}
	d.port, d.statsPort, d.httpPort = ports[0], ports[1], ports[2]
	var text strings.Builder
	text.WriteString("global:\n  orphans: drain\n")
	if d.slow {
		fmt.Fprintf(&text, "  http: %s\n", d.http())
	}
	fmt.Fprintf(&text, "demo:\n  listen: %s:%d\n  redis: true\n  hash_tag: \"{}\"\n  timeout: 5000\n  servers:\n", demoHost, d.port)
	for i, shard := range d.shards {
		fmt.Fprintf(&text, "   - %s:1 shard-%d\n", shard.Addr(), i+1)
	}
	if err := os.WriteFile(d.file("nutcracker.yml"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	cfg, err := config.Load(d.file("nutcracker.yml"))
	if err != nil {
		return err
	}
	d.pool = &cfg.Pools[0]
	return nil
}

// freePorts returns ports that were free a moment ago, from just below those that the kernel gives to connections: of
// those, somebody's connection may have got one before the proxy listens.
func freePorts() (ports [3]int, err error) {
	for i := range ports {
		l, err := listenBelow(lowestGivenPort)
		if err != nil {
			return ports, err
		}
		defer l.Close() // not before all are found, or they might be one
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// lowestGivenPort is the first of those that Linux gives to connections, unless it is told to give others
// (ip_local_port_range).
const lowestGivenPort = 32_768

// listenBelow listens on any of the two thousand ports below one.
func listenBelow(port int) (l net.Listener, err error) {
	const ports = 2_000
	for _, i := range rand.Perm(ports) {
		if l, err = net.Listen("tcp", fmt.Sprintf("%s:%d", demoHost, port-1-i)); err == nil {
			break
		}
	}
	return l, err
}

// withLog adds the last lines of the proxy's log to an error.
func (d *demo) withLog(err error) error {
	const shown = 10
	text, _ := os.ReadFile(d.file("pinion.log")) // without a log there is nothing to add
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if lines[0] == "" {
		return err
	}
	return fmt.Errorf("%w\nthe end of the proxy's log:\n%s", err, strings.Join(lines[max(0, len(lines)-shown):], "\n"))
}

// close ends everything: the proxy first, so that it loses no server.
func (d *demo) close() {
	const patience = 5 * time.Second
	if d.proxy != nil {
		d.proxy.Signal(syscall.SIGINT) // no client waits for a reply
		select {
		case <-d.ended:
		case <-time.After(patience):
			d.proxy.Kill() // its workers follow, as their worker links close
			<-d.ended
		}
	}
	for _, shard := range d.shards {
		shard.Close()
	}
	os.RemoveAll(d.dir)
}

// shardAt returns the server that listens at address.
func (d *demo) shardAt(address string) *miniredis.Miniredis {
	for _, shard := range d.shards {
		if shard.Addr() == address {
			return shard
		}
	}
	panic("pinion: the demo has no server at " + address)
}

// slowDown has a server, by chance, answer late.
func (d *demo) slowDown() {
	d.shards[rand.IntN(len(d.shards))].Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if command == "GET" && rand.IntN(slowOften) == 0 {
			time.Sleep(slowBy)
		}
		return false
	})
}
