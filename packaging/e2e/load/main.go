// A crowd of clients that counts: each connection increments keys of its own through the proxy, and every reply must be
// the next number. A lost, repeated or reordered request, a connection that ends, and one that is refused are failures,
// whatever happens to the proxy meanwhile. It runs until SIGTERM, then compares what it was told with what is stored.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// reportEvery is how often the figures are written while the crowd counts.
const reportEvery = 100 * time.Millisecond

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.1:22121", "of the proxy")
	flag.StringVar(&o.prefix, "prefix", "count", "of the keys; nobody else may use it")
	flag.IntVar(&o.talkers, "talkers", 40, "connections with one request after the other")
	flag.IntVar(&o.pipelined, "pipelined", 20, "connections with many requests at once")
	flag.IntVar(&o.idle, "idle", 20, "connections that are mostly silent")
	flag.IntVar(&o.newcomers, "newcomers", 2, "clients that connect anew for each request")
	flag.BoolVar(&o.again, "again", false, "connect again instead of failing")
	status := flag.String("status", "", "write the figures to this file")
	flag.Parse()

	leaving, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	c := newCrowd(o, func(f string) { fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format("15:04:05.000"), f) })
	var reporting sync.WaitGroup
	counted := make(chan struct{})
	reporting.Go(func() { c.report(*status, counted) })
	c.run(leaving)
	close(counted)
	reporting.Wait()
	fmt.Println(c.figures())
	if c.failures.Load() > 0 {
		os.Exit(1)
	}
}

// report writes the figures again and again, and once more at the end. A reader sees a whole line, never a part of one.
func (c *crowd) report(path string, end <-chan struct{}) {
	if path == "" {
		<-end
		return
	}
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for more := true; more; {
		select {
		case <-ticker.C:
		case <-end:
			more = false
		}
		if err := os.WriteFile(path+".new", []byte(c.figures()+"\n"), 0o644); err != nil {
			c.fail("writing the figures: %v", err)
			return
		}
		os.Rename(path+".new", path)
	}
}
