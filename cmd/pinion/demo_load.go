// The load of the demo: clients that write every key through the proxy, read it back, and believe nothing.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

const (
	demoClients  = 16  // enough for the kernel to give some to each worker
	demoPipeline = 100 // requests that a client sends before it reads the replies
)

// loadResult is what the load has found out.
type loadResult struct {
	keys      int
	elapsed   time.Duration
	perWorker [demoWorkers]int // clients
	perServer []served         // in the order of the pool's servers
}

type served struct {
	keys     int   // that the server holds
	requests int64 // by the statistics port
}

// load writes and reads keys through the proxy, then looks at the servers: each key must be where the map says.
func (d *demo) load(ctx context.Context, keys int) (r loadResult, err error) {
	r.keys = keys
	begin := time.Now()
	results := make(chan clientResult)
	for i := range demoClients {
		go func() { results <- d.runClient(ctx, i, keys) }()
	}
	var failures []error
	for range demoClients {
		c := <-results
		if c.err != nil {
			failures = append(failures, c.err)
			continue
		}
		r.perWorker[c.worker]++
	}
	if len(failures) > 0 {
		return r, failures[0] // the others mostly say the same
	}
	r.elapsed = time.Since(begin)
	if r.perServer, err = d.statistics(); err != nil {
		return r, err
	}
	return r, d.verifyPlacement(&r)
}

func demoKey(i int) string   { return "user:" + strconv.Itoa(i) }
func demoValue(i int) string { return "value of " + strconv.Itoa(i) }

type clientResult struct {
	worker int
	err    error
}

// runClient takes every demoClients-th key, from first on.
func (d *demo) runClient(ctx context.Context, first, keys int) (r clientResult) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(demoHost, strconv.Itoa(d.port)))
	if err != nil {
		return clientResult{err: err}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := &demoClient{conn: conn}

	if r.worker, r.err = c.worker(); r.err != nil {
		return r
	}
	if r.err = c.each(first, keys, appendSet, wantOK); r.err == nil {
		r.err = c.each(first, keys, appendGet, wantValue)
	}
	return r
}

// demoClient is a pipelining client. Its buffer holds replies that have arrived before they were asked for.
type demoClient struct {
	conn net.Conn
	buf  []byte
}

// each sends the request for each key of the client and compares each reply with what it must be.
func (c *demoClient) each(first, keys int, request func([]byte, int) []byte, want func(int) []byte) error {
	for low := first; low < keys; low += demoPipeline * demoClients {
		high := min(keys, low+demoPipeline*demoClients)
		var requests []byte
		for i := low; i < high; i += demoClients {
			requests = request(requests, i)
		}
		if _, err := c.conn.Write(requests); err != nil {
			return err
		}
		for i := low; i < high; i += demoClients {
			reply, err := c.reply()
			if err != nil {
				return err
			}
			if !bytes.Equal(reply, want(i)) {
				return fmt.Errorf("key %q: the proxy answers %q instead of %q", demoKey(i), reply, want(i))
			}
		}
	}
	return nil
}

// reply returns the next reply, valid until the next call.
func (c *demoClient) reply() ([]byte, error) {
	const readBytes = 16 << 10
	for {
		n, _, err := resp.ConsumeReply(c.buf, resp.Progress{})
		if err != nil {
			return nil, err
		}
		if n > 0 {
			reply := c.buf[:n]
			c.buf = c.buf[n:]
			return reply, nil
		}
		have := len(c.buf)
		c.buf = append(c.buf, make([]byte, readBytes)...)
		n, err = c.conn.Read(c.buf[have:])
		c.buf = c.buf[:have+n]
		if err != nil {
			return nil, fmt.Errorf("reading a reply: %w", unexpected(err))
		}
	}
}

// unexpected names an end of file what it is in the middle of a conversation.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// worker asks the proxy which of its workers serves this connection.
func (c *demoClient) worker() (int, error) {
	if _, err := c.conn.Write(appendRequest(nil, "INFO", "pinion")); err != nil {
		return 0, err
	}
	reply, err := c.reply()
	if err != nil {
		return 0, err
	}
	text, ok := resp.Bulk(reply)
	_, after, found := strings.Cut(string(text), "\r\nworker:")
	number, _, _ := strings.Cut(after, "\r\n")
	worker, err := strconv.Atoi(number)
	if !ok || !found || err != nil || worker < 0 || worker >= demoWorkers {
		return 0, fmt.Errorf("the proxy's INFO names no worker: %q", reply)
	}
	return worker, nil
}

func appendSet(b []byte, i int) []byte { return appendRequest(b, "SET", demoKey(i), demoValue(i)) }
func appendGet(b []byte, i int) []byte { return appendRequest(b, "GET", demoKey(i)) }
func wantOK(int) []byte                { return resp.AppendSimple(nil, "OK") }
func wantValue(i int) []byte           { return resp.AppendBulkString(nil, demoValue(i)) }

func appendRequest(b []byte, args ...string) []byte {
	b = resp.AppendArray(b, len(args))
	for _, arg := range args {
		b = resp.AppendBulkString(b, arg)
	}
	return b
}

// statistics reads the requests of each server from the statistics port.
func (d *demo) statistics() ([]served, error) {
	conn, err := net.Dial("tcp", net.JoinHostPort(demoHost, strconv.Itoa(d.statsPort)))
	if err != nil {
		return nil, fmt.Errorf("reading the statistics: %w", err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		return nil, fmt.Errorf("reading the statistics: %w", err)
	}
	var all map[string]json.RawMessage
	var pool map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &all), json.Unmarshal(all[d.pool.Name], &pool)); err != nil {
		return nil, fmt.Errorf("reading the statistics: %w", err)
	}
	perServer := make([]served, len(d.pool.Servers))
	for i, s := range d.pool.Servers {
		var counters struct{ Requests int64 }
		if err := json.Unmarshal(pool[s.Name], &counters); err != nil {
			return nil, fmt.Errorf("reading the statistics of %s: %w", s.Name, err)
		}
		perServer[i].requests = counters.Requests
	}
	return perServer, nil
}

// verifyPlacement looks for each key on the server where the map puts it.
func (d *demo) verifyPlacement(r *loadResult) error {
	m := d.pool.Map()
	for i := range r.keys {
		owner := m.Server([]byte(demoKey(i)))
		if !d.shardAt(d.pool.Servers[owner].Address).Exists(demoKey(i)) {
			return fmt.Errorf("key %q is not on %s, where it belongs", demoKey(i), d.pool.Servers[owner].Name)
		}
		r.perServer[owner].keys++
	}
	return nil
}
