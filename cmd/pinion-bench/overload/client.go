// Clients that ask more than servers can do, and witnesses who ask now and then.

package overload

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// pause is what a client waits for after nothing but errors, if those came at once.
const pause = 10 * time.Millisecond

// tally is what one client has seen.
type tally struct {
	asked    int
	errors   int
	late     int             // right, but after the timeout
	good     []time.Duration // how long those took that were right and in time
	failedAt time.Time       // when it last had no good reply
	longest  time.Duration   // that it waited for any reply
	broken   int             // connections
}

func (t *tally) add(o tally) {
	t.asked += o.asked
	t.errors += o.errors
	t.late += o.late
	t.broken += o.broken
	t.good = append(t.good, o.good...)
	t.longest = max(t.longest, o.longest)
	if o.failedAt.After(t.failedAt) {
		t.failedAt = o.failedAt
	}
}

// client asks as soon as it is answered, so many requests at once. One goroutine.
type client struct {
	address string
	timeout time.Duration
	request func(n int) []byte // the n-th
	depth   int
	every   time.Duration // at most so often; 0 = as soon as it is answered
	counts  *atomic.Bool  // whether what happens is measured; shared

	conn net.Conn
	in   *bufio.Reader
	n    int
	tally
}

// run asks until stop is closed, and takes the replies that it is owed.
func (c *client) run(stop <-chan struct{}) {
	defer func() {
		if c.conn != nil {
			c.conn.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return
		default:
		}
		began := time.Now()
		good := c.round(began)
		wait := c.every - time.Since(began)
		if !good {
			wait = max(wait, pause-time.Since(began))
		}
		if wait > 0 {
			time.Sleep(wait)
		}
	}
}

// round sends a batch and takes its replies. good tells that any of them was.
func (c *client) round(began time.Time) (good bool) {
	if err := c.connect(); err != nil {
		c.failed()
		return false
	}
	var batch []byte
	for range c.depth {
		batch = append(batch, c.request(c.n)...)
		c.n++
	}
	if c.counts.Load() {
		c.asked += c.depth
	}
	_, err := c.conn.Write(batch)
	for range c.depth {
		var ok bool
		if err == nil {
			ok, err = readReply(c.in)
		}
		if err != nil {
			c.failed()
			return good
		}
		took := time.Since(began)
		switch {
		case c.counts.Load():
			good = c.took(took, c.timeout, ok) || good
		case ok:
			good = true
		}
	}
	return good
}

// took is told of a reply. It tells whether that was right and came in time.
func (t *tally) took(d, timeout time.Duration, ok bool) (good bool) {
	t.longest = max(t.longest, d)
	switch {
	case !ok:
		t.errors++
	case d > timeout:
		t.late++
	default:
		t.good = append(t.good, d)
		return true
	}
	t.failedAt = time.Now()
	return false
}

func (c *client) connect() (err error) {
	if c.conn == nil {
		c.conn, err = net.DialTimeout("tcp", c.address, 5*time.Second)
		c.in = bufio.NewReaderSize(c.conn, 4096)
	}
	return err
}

// failed is told that the connection broke.
func (c *client) failed() {
	c.broken++
	c.failedAt = time.Now()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// crowd is several clients at work.
type crowd struct {
	clients []*client
	counts  atomic.Bool
	stop    chan struct{}
	done    sync.WaitGroup
}

// gather starts n clients, which newClient makes, over so long a time.
func gather(n int, over time.Duration, measured bool, newClient func(i int) *client) *crowd {
	w := &crowd{stop: make(chan struct{})}
	w.counts.Store(measured)
	for i := range n {
		c := newClient(i)
		c.counts = &w.counts
		w.clients = append(w.clients, c)
		w.done.Go(func() {
			time.Sleep(over * time.Duration(i) / time.Duration(n))
			c.run(w.stop)
		})
	}
	return w
}

// end has the clients stop, waits for what they are owed, and returns what they have seen.
func (w *crowd) end() (t tally) {
	close(w.stop)
	w.done.Wait()
	for _, c := range w.clients {
		t.add(c.tally)
	}
	slices.Sort(t.good)
	return t
}

// set returns a SET of key whose value is the time.
func set(key string) []byte {
	return command("SET", key, strconv.FormatInt(time.Now().UnixNano(), 10))
}

func get(key string) []byte { return command("GET", key) }

func command(args ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = appendBulk(b, arg)
	}
	return b
}

// readReply reads one reply. ok tells that no part of it is an error.
func readReply(in *bufio.Reader) (ok bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	kind := line[0]
	switch kind {
	case '-':
		return false, nil
	case '+', ':':
		return true, nil
	case '$', '*':
	default:
		return false, errors.New("no reply")
	}
	n, err := strconv.Atoi(string(line[1 : len(line)-2]))
	if err != nil {
		return false, err
	}
	if kind == '$' {
		_, err = io.CopyN(io.Discard, in, int64(max(n, -2)+2))
		return true, err
	}
	ok = true
	for range n {
		good, err := readReply(in)
		if err != nil {
			return false, err
		}
		ok = ok && good
	}
	return ok, nil
}
