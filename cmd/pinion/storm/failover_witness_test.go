//go:build failover

// Witnesses of failovers: clients who know what each reply may be, whatever befalls the servers.

package storm_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// inquest is what all witnesses have seen.
type inquest struct {
	t       testing.TB
	address string // of the pool
	stop    chan struct{}
	group   sync.WaitGroup

	mu       sync.Mutex
	replies  []verdict
	errors   map[string]int
	faults   map[string]int // what must not be
	examples []string       // of those
	lost     int            // acknowledged writes that later replies do not show
	lists    []*listed
}

// verdict is one reply.
type verdict struct {
	at           time.Time
	write, other bool // other: of a shard that nothing befalls
	good         bool
}

// listed is what a witness has appended to a list: ascending numbers.
type listed struct {
	key   string
	sent  int
	acked map[int]time.Time
}

func newInquest(t testing.TB, address string) *inquest {
	return &inquest{t: t, address: address, stop: make(chan struct{}), errors: map[string]int{}, faults: map[string]int{}}
}

// fault notes what must not be.
func (q *inquest) fault(kind, format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults[kind]++
	if q.faults[kind] <= 3 {
		q.examples = append(q.examples, kind+": "+fmt.Sprintf(format, args...))
	}
}

func (q *inquest) loses(n int) {
	q.mu.Lock()
	q.lost += n
	q.mu.Unlock()
}

// end has all witnesses come to an end.
func (q *inquest) end() {
	close(q.stop)
	q.group.Wait()
}

// witness is one client.
type witness struct {
	*inquest
	name  string
	other bool
	conn  net.Conn
	in    *bufio.Reader
}

// admit has a client do something until the end.
func (q *inquest) admit(name string, other bool, do func(*witness)) {
	w := &witness{inquest: q, name: name, other: other}
	q.group.Go(func() {
		if w.dial() {
			do(w)
			w.conn.Close()
		}
	})
}

func (w *witness) dial() bool {
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		w.fault("refused", "%s: %v", w.name, err)
		return false
	}
	w.conn, w.in = conn, bufio.NewReader(conn)
	return true
}

// witnessPause is between two requests of a client.
const witnessPause = 4 * time.Millisecond

func (w *witness) pause() bool {
	select {
	case <-w.stop:
		return false
	case <-time.After(witnessPause):
		return true
	}
}

// ask sends requests and returns as many replies. Those that do not come, since the connection has ended, are rig.Closed.
func (w *witness) ask(write bool, requests ...string) []string {
	w.conn.SetDeadline(time.Now().Add(rig.Patience))
	replies := make([]string, len(requests))
	_, err := io.WriteString(w.conn, strings.Join(requests, ""))
	for i := range requests {
		replies[i] = rig.Closed
		if err == nil {
			replies[i], err = rig.ReadRESP(w.in)
		}
		if err != nil {
			replies[i] = rig.Closed
			continue
		}
		w.mu.Lock()
		w.replies = append(w.replies, verdict{time.Now(), write, w.other, replies[i][0] != '-'})
		w.mu.Unlock()
	}
	if err != nil {
		w.fault("closed", "%s: %v", w.name, err)
		w.conn.Close()
		w.dial()
	}
	return replies
}

// executed tells whether a request that was answered so may have been executed all the same.
func (w *witness) executed(reply string) bool {
	if reply == rig.Closed {
		return true
	}
	text := strings.TrimSpace(reply)
	w.mu.Lock()
	w.errors[text]++
	w.mu.Unlock()
	switch {
	case strings.HasPrefix(text, "-ERR ") && strings.HasSuffix(text, "; not executed"):
		return false
	case strings.HasPrefix(text, "-ERR ") && strings.HasSuffix(text, "; the outcome is unknown"):
		return true
	}
	w.fault("wrong reply", "%s gets %.100q", w.name, text)
	return true
}

// integer returns the number that a reply is, as such or as a string.
func integer(reply string) (n int, ok bool) {
	if bulk, isBulk := strings.CutPrefix(reply, "$"); isBulk {
		_, bulk, _ = strings.Cut(bulk, "\r\n")
		reply = ":" + bulk
	}
	text, ok := strings.CutPrefix(reply, ":")
	n, err := strconv.Atoi(strings.TrimSuffix(text, "\r\n"))
	return n, ok && err == nil
}

// count counts up a number of its own.
func (w *witness) count(key string) {
	last, unknown := 0, 0 // what it is at least, and how many more may have been executed
	for w.pause() {
		reply := w.ask(true, rig.Request("INCR", key))[0]
		n, ok := integer(reply)
		switch {
		case !ok && w.executed(reply):
			unknown++
			continue
		case !ok:
			continue
		case n > last+unknown+1:
			w.fault("repeated", "%s is %d, was %d, and %d have an unknown outcome", key, n, last, unknown)
		case n <= last:
			w.loses(last + 1 - n)
		default:
			unknown -= n - last - 1
		}
		last = n
	}
}

// read reads a number that another one counts up.
func (w *witness) read(key string) {
	for w.pause() {
		reply := w.ask(false, rig.Request("GET", key))[0]
		if _, ok := integer(reply); !ok && reply != "$-1\r\n" {
			w.executed(reply)
		}
	}
}

// list appends rising numbers to a list of its own, several at once.
func (w *witness) list(key string) {
	l := &listed{key: key, acked: map[int]time.Time{}}
	w.mu.Lock()
	w.lists = append(w.lists, l)
	w.mu.Unlock()
	for w.pause() {
		var requests []string
		first := l.sent + 1
		for range 1 + rand.IntN(listAtOnce) {
			l.sent++
			requests = append(requests, rig.Request("RPUSH", key, strconv.Itoa(l.sent)))
		}
		for i, reply := range w.ask(true, requests...) {
			if _, ok := integer(reply); ok {
				l.acked[first+i] = time.Now()
			} else {
				w.executed(reply)
			}
		}
	}
}

const listAtOnce = 6

// check compares lists with what is there in the end, and returns how many of what was acknowledged is not: in all, and of what was
// acknowledged after switched.
func (q *inquest) check(switched time.Time) (lost, late int) {
	c := rig.Dial(q.t, "tcp", q.address, rig.ReadRESP)
	for _, l := range q.lists {
		there := map[int]bool{}
		last := 0
		for _, element := range rig.Elements(q.t, c.Do("LRANGE", l.key, "0", "-1")) {
			n, _ := integer(element)
			switch {
			case there[n]:
				q.fault("repeated", "%s has %d twice", l.key, n)
			case n < last:
				q.fault("inverted", "%s has %d behind %d", l.key, n, last)
			}
			there[n], last = true, n
		}
		for n, at := range l.acked {
			if !there[n] {
				lost++
				if at.After(switched) {
					late++
				}
			}
		}
	}
	return lost, late
}

// spread writes keys of many shards at once, and reads them.
func (w *witness) spread(keys []string) {
	sure, unknown := make([]int, len(keys)), make([][]int, len(keys))
	for n := 1; w.pause(); n++ {
		write := []string{"MSET"}
		for _, key := range keys {
			write = append(write, key, fmt.Sprintf("%s=%d", key, n))
		}
		replies := w.ask(true, rig.Request(write...), rig.Request(append([]string{"MGET"}, keys...)...))
		switch {
		case replies[0] == "+OK\r\n":
			for i := range keys {
				sure[i], unknown[i] = n, nil
			}
		case w.executed(replies[0]):
			for i := range keys {
				unknown[i] = append(unknown[i], n)
			}
		}
		if !strings.HasPrefix(replies[1], fmt.Sprintf("*%d\r\n", len(keys))) {
			w.executed(replies[1])
			continue
		}
		for i, element := range rig.Elements(w.t, replies[1]) {
			value := 0 // as before the first
			if element != "$-1\r\n" {
				text, own := strings.CutPrefix(rig.Text(w.t, element), keys[i]+"=")
				var err error
				if value, err = strconv.Atoi(text); err != nil || !own || value > n {
					w.fault("wrong reply", "%s is %.100q", keys[i], element)
					continue
				}
			}
			switch {
			case value < sure[i]:
				w.loses(1)
			case value > sure[i] && !slices.Contains(unknown[i], value):
				w.fault("wrong reply", "%s is %d, was %d, and might be %v", keys[i], value, sure[i], unknown[i])
			}
			sure[i] = value
		}
	}
}

// come is clients that come, ask and go.
func (w *witness) come(key string) {
	for n := 1; w.pause(); n++ {
		w.conn.Close()
		if !w.dial() {
			return
		}
		reply := w.ask(true, rig.Request("SET", key, strconv.Itoa(n)))[0]
		if reply != "+OK\r\n" {
			w.executed(reply)
		}
	}
}
