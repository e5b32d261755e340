// pinion demo --slow: one of the servers answers late, and clients go on asking, for whoever wants to find out which it is.

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"
)

const (
	slowBy        = 30 * time.Millisecond // how late the slow server answers
	slowOften     = 4                     // one of so many requests
	demoHotKeys   = 5                     // that half of the requests are for
	betweenDemand = 5 * time.Millisecond  // between two requests of a client
)

// demand has clients ask for keys until ctx is done.
func (d *demo) demand(ctx context.Context, keys int) {
	for range demoClients {
		go func() {
			conn, err := net.Dial("tcp", net.JoinHostPort(demoHost, strconv.Itoa(d.port)))
			if err != nil {
				return // the proxy has ended, which is said elsewhere
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			c := &demoClient{conn: conn}
			for err == nil && ctx.Err() == nil {
				key := rand.IntN(keys)
				if rand.IntN(2) == 0 {
					key = rand.IntN(min(keys, demoHotKeys))
				}
				if _, err = conn.Write(appendGet(nil, key)); err == nil {
					_, err = c.reply()
				}
				time.Sleep(betweenDemand)
			}
		}()
	}
}

// challenge tells how to find the slow server.
func (d *demo) challenge(out io.Writer) error {
	_, err := fmt.Fprintf(out, `
One of the three servers answers late now. Which one? Ask any of these:
  %[1]s slowlog --control %[2]s
  %[1]s status --control %[2]s
  %[1]s top --control %[2]s
  curl -s http://%[3]s/metrics | grep response_seconds_sum    and _count
  http://%[3]s/ in a browser
And which keys are hot?
  %[1]s hotkeys --control %[2]s

Ctrl-C ends the demo.
`, os.Args[0], d.control(), d.http())
	return err
}

// control is the path of the proxy's admin socket; empty: it has none.
func (d *demo) control() string {
	if !d.slow {
		return ""
	}
	return d.file("control.sock")
}

// http is the proxy's HTTP address.
func (d *demo) http() string { return net.JoinHostPort(demoHost, strconv.Itoa(d.httpPort)) }
