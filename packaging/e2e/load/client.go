// One client: what it asks, and what it must be told.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// patience is how long a client waits for a reply before it says that it was forgotten.
const patience = time.Minute

// kind is how a client behaves.
type kind struct {
	name  string
	most  int           // requests at once
	pause time.Duration // between rounds, about
	anew  bool          // each round has a connection of its own
}

// client counts on one key. Its goroutine alone uses it, but for what is atomic.
type client struct {
	*crowd
	kind
	key    string
	conn   net.Conn
	in     *bufio.Reader
	count  int // what the last reply has said
	rounds atomic.Int64
}

// run counts until the crowd leaves. What goes wrong ends a client, since nothing that it is told afterwards means much.
func (k *client) run(leaving context.Context) {
	err := k.stay(leaving)
	for err != nil && k.again && leaving.Err() == nil {
		if k.conn != nil {
			k.conn.Close()
		}
		k.count = 0
		k.rest(leaving)
		err = k.stay(leaving)
	}
	if err == nil {
		err = k.compare()
	}
	if err != nil {
		k.fail("%s after %d replies: %v", k.key, k.count, err)
	}
	if k.conn != nil {
		k.conn.Close()
	}
}

// stay counts on one connection, or one after the other, as long as nothing goes wrong.
func (k *client) stay(leaving context.Context) error {
	err := k.begin()
	for err == nil && leaving.Err() == nil {
		if err = k.round(); err == nil {
			k.rounds.Add(1)
			k.rest(leaving)
		}
	}
	return err
}

func (k *client) begin() error {
	if err := k.connect(); err != nil {
		return err
	}
	return k.ask(command("DEL", k.key), 1, func(reply string) error {
		if !strings.HasPrefix(reply, ":") {
			return fmt.Errorf("removing the key: %q", reply)
		}
		return nil
	})
}

func (k *client) connect() (err error) {
	if k.conn, err = net.DialTimeout("tcp", k.address, patience); err != nil {
		return err
	}
	k.in = bufio.NewReader(k.conn)
	return nil
}

// round asks for some increments at once.
func (k *client) round() error {
	if k.anew {
		k.conn.Close()
		if err := k.connect(); err != nil {
			return err
		}
	}
	n := 1 + rand.IntN(k.most)
	err := k.ask(strings.Repeat(command("INCR", k.key), n), n, func(reply string) error {
		if want := fmt.Sprintf(":%d", k.count+1); reply != want {
			return fmt.Errorf("the reply is %q, %q is due", reply, want)
		}
		k.count++
		return nil
	})
	if err == nil && k.anew {
		k.connects.Add(1)
	}
	return err
}

// ask sends a text, now and then in two pieces, and has each of n replies checked.
func (k *client) ask(text string, n int, check func(reply string) error) error {
	asked := time.Now()
	k.conn.SetDeadline(asked.Add(patience))
	if rand.IntN(4) == 0 {
		at := 1 + rand.IntN(len(text)-1)
		if _, err := io.WriteString(k.conn, text[:at]); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // or the kernel would make one piece of them again
		text = text[at:]
	}
	if _, err := io.WriteString(k.conn, text); err != nil {
		return err
	}
	for range n {
		line, err := k.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%d replies are missing: %w", n, err)
		}
		k.waited(time.Since(asked))
		if err := check(strings.TrimSuffix(line, "\r\n")); err != nil {
			return err
		}
		k.replies.Add(1)
		n--
	}
	return nil
}

// compare asks for what is stored: more than the client was told means that a request was done twice.
func (k *client) compare() error {
	want := fmt.Sprintf("%d", k.count)
	if k.count == 0 {
		return nil // it had no time to ask for anything
	}
	lines := 0
	return k.ask(command("GET", k.key), 2, func(reply string) error {
		lines++
		if lines == 2 && reply != want {
			return fmt.Errorf("%s is stored, %s was told", reply, want)
		}
		return nil
	})
}

// rest waits for about the pause, or until the crowd leaves.
func (k *client) rest(leaving context.Context) {
	timer := time.NewTimer(time.Duration((0.5 + rand.Float64()) * float64(k.pause)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-leaving.Done():
	}
}

func command(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}
