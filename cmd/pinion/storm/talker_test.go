// One client of a crowd: how it sends, how it waits, and what it remembers for the day on which something breaks.

package storm_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// talker is one connection. Its own goroutine alone uses it, but for what is atomic.
type talker struct {
	*crowd
	name  string
	key   string // that nobody else uses; empty: a newcomer
	kind  *kind
	of    *talker // whose companion it is
	conn  net.Conn
	in    *bufio.Reader
	rand  *rand.Rand
	timer *time.Timer
	sent  int      // increments that may have reached a server
	acked int      // increments that a reply has confirmed
	notes [16]note // the last of them, a ring
	noted int

	broken   atomic.Bool  // it ended before it wanted to
	answered atomic.Int64 // requests
	written  atomic.Int64 // the last number that its companion has had confirmed
	longest  atomic.Int64 // nanoseconds from the last byte of requests to the reply
}

// note is one thing that a client did. It is formatted only if somebody wants to read it.
type note struct {
	at     time.Time
	format string
	args   [2]any
}

func (k *talker) note(format string, args ...any) {
	n := &k.notes[k.noted%len(k.notes)]
	k.noted++
	n.at, n.format, n.args = time.Now(), format, [2]any{}
	copy(n.args[:], args)
}

// history returns what the client did last.
func (k *talker) history() string {
	var b strings.Builder
	for i := max(0, k.noted-len(k.notes)); i < k.noted; i++ {
		n := k.notes[i%len(k.notes)]
		fmt.Fprintf(&b, "    %s %s\n", n.at.Format(clockFormat), fmt.Sprintf(n.format, n.args[:strings.Count(n.format, "%")]...))
	}
	return b.String()
}

// end closes the connection; err says why it could not wait for the end of the storm.
func (k *talker) end(err error) {
	if err == nil && k.in.Buffered() > 0 {
		extra, _ := k.in.Peek(k.in.Buffered())
		err = unexpected{string(extra), "nothing"}
	}
	if err == nil {
		err = part(k.conn)
	}
	if err != nil {
		k.broken.Store(true)
		k.failed(failure{breach: breachOf(err), who: k.name, err: err, history: k.history()})
	}
	k.conn.Close()
}

// pause waits for about d, or until the roll is called. It returns false when the crowd is leaving, from then on at once.
func (k *talker) pause(d time.Duration) bool {
	k.timer.Reset(time.Duration((0.5 + k.rand.Float64()) * float64(d)))
	select {
	case <-k.leaving:
		return false
	case <-k.timer.C:
		return true
	case <-k.nextCall():
		return true
	}
}

// staysFor waits for a turn. It returns false when the crowd is leaving.
func (k *talker) staysFor(turn <-chan struct{}) bool {
	select {
	case <-turn:
		k.note("a turn")
		return true
	case <-k.leaving:
		return false
	}
}

// send writes text, every third time in two pieces that are cut anywhere.
func (k *talker) send(text string) error {
	k.conn.SetDeadline(time.Now().Add(replyPatience))
	if k.rand.IntN(3) == 0 && len(text) > 1 {
		at := 1 + k.rand.IntN(len(text)-1)
		if err := k.write(text[:at]); err != nil {
			return err
		}
		k.pause(20 * time.Millisecond)
		text = text[at:]
	}
	return k.write(text)
}

// replyPatience is how long a client waits before it says that it was forgotten.
const replyPatience = time.Minute

func (k *talker) write(text string) error {
	k.note("sends %d bytes that end with %.40q", len(text), text[max(0, len(text)-40):])
	_, err := io.WriteString(k.conn, text)
	return err
}

// expect reads one reply. asked is when the request was complete.
func (k *talker) expect(asked time.Time, want string) error {
	got, err := k.kind.read(k.in)
	if err != nil {
		k.note("waits for %.40q, got %.40q", want, got)
		return err
	}
	if got != want {
		return unexpected{got, want}
	}
	k.waited(asked)
	k.done()
	return nil
}

// done counts a request that was answered as it must be.
func (k *talker) done() {
	k.answered.Add(1)
	k.requests.Add(1)
}

func (k *talker) waited(since time.Time) {
	if d := int64(time.Since(since)); d > k.longest.Load() {
		k.longest.Store(d)
	}
}

// ask sends one request and compares its reply.
func (k *talker) ask(text, want string) error {
	if err := k.send(text); err != nil {
		return err
	}
	return k.expect(time.Now(), want)
}

// count sends n increments at once; each reply must be the next number.
func (k *talker) count(n int, increment string, reply func(int) string) error {
	k.sent += n
	if err := k.send(strings.Repeat(increment, n)); err != nil {
		return err
	}
	asked := time.Now()
	for range n {
		if err := k.expect(asked, reply(k.acked+1)); err != nil {
			return err
		}
		k.acked++
	}
	k.note("counts %d", k.acked)
	return nil
}

// depth is how many requests a client sends at once: mostly one.
func (k *talker) depth() int {
	if k.rand.IntN(3) > 0 {
		return 1
	}
	return 1 + k.rand.IntN(16)
}
