// A client of TestE2EFaults, which knows what it must hear.

package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// trialClient sets keys that only it knows, and gets them. Its goroutine alone uses it.
type trialClient struct {
	*trial
	protocol string
	name     string
	well     bool // its servers are
	keys     []string
	random   *rand.Rand
	has      map[string]string // what each key was set to last, if that is certain
	count    int
	conn     net.Conn
	in       *bufio.Reader
}

// question is a request, and what is right.
type question struct {
	asks string
	keys []string
	sets string // the value; empty: gets
}

func (k *trialClient) connect() {
	conn, err := net.Dial("tcp", k.trial.in[k.protocol])
	if err != nil {
		k.t.Errorf("%s: %v", k.name, err)
		return
	}
	k.conn, k.in = conn, bufio.NewReaderSize(conn, 64<<10)
	ask := "version\r\n"
	if k.protocol == "redis" {
		ask = rig.Request("PING")
	}
	k.conn.SetDeadline(time.Now().Add(rig.Patience))
	_, err = io.WriteString(conn, ask)
	if err == nil { // and so it is accepted
		_, err = readerOf(k.protocol)(k.in)
	}
	if err != nil {
		k.t.Errorf("%s: %v", k.name, err)
	}
}

// run asks until the end.
func (k *trialClient) run() {
	defer func() { k.conn.Close() }()
	for !k.t.Failed() {
		select {
		case <-k.stop:
			return
		default:
		}
		var questions []question
		for range 1 + k.random.IntN(8) {
			questions = append(questions, k.question())
		}
		err := k.batch(questions)
		switch {
		case err == nil:
		case k.well:
			k.t.Errorf("%s %s, whose servers are well: %v", k.protocol, k.name, err)
			return
		default:
			k.t.Errorf("%s %s: %v", k.protocol, k.name, err)
			return
		}
		if !k.well && k.random.IntN(10) == 0 {
			k.conn.Close()
			k.connect()
		}
	}
}

func (k *trialClient) question() question {
	key := k.keys[k.random.IntN(len(k.keys))]
	switch k.random.IntN(5) {
	case 0, 1:
		return k.set(key)
	case 2:
		keys := append([]string{key}, k.keys[:1+k.random.IntN(5)]...)
		if k.protocol == "redis" {
			return question{asks: rig.Request(append([]string{"MGET"}, keys...)...), keys: keys}
		}
		return question{asks: "get " + strings.Join(distinct(keys), " ") + "\r\n", keys: distinct(keys)}
	}
	if k.protocol == "redis" {
		return question{asks: rig.Request("MGET", key), keys: []string{key}}
	}
	return question{asks: "get " + key + "\r\n", keys: []string{key}}
}

// distinct drops a first key that comes again.
func distinct(keys []string) []string {
	for _, other := range keys[1:] {
		if other == keys[0] {
			return keys[1:]
		}
	}
	return keys
}

func (k *trialClient) set(key string) question {
	k.count++
	value := fmt.Sprintf("%s#%d#", key, k.count)
	if k.random.IntN(10) == 0 {
		value += strings.Repeat("x", k.random.IntN(20_000))
	}
	if k.protocol == "redis" {
		return question{asks: rig.Request("SET", key, value), keys: []string{key}, sets: value}
	}
	return question{asks: fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", key, len(value), value), keys: []string{key}, sets: value}
}

// batch asks several questions at once.
func (k *trialClient) batch(questions []question) error {
	var asks strings.Builder
	for _, q := range questions {
		asks.WriteString(q.asks)
	}
	k.conn.SetDeadline(time.Now().Add(rig.Patience))
	if _, err := io.WriteString(k.conn, asks.String()); err != nil {
		return err
	}
	for _, q := range questions {
		reply, err := readerOf(k.protocol)(k.in)
		if err != nil {
			return fmt.Errorf("%w, after %.60q, to %.60q", err, reply, q.asks)
		}
		k.answered.Add(1)
		if err := k.compare(q, reply); err != nil {
			return err
		}
	}
	return nil
}

// compare reports whether a reply may be one to the question.
func (k *trialClient) compare(q question, reply string) error {
	if isErrorReply(reply) {
		if k.well {
			return fmt.Errorf("got %.200q to %.60q", reply, q.asks)
		}
		k.errors.Add(1)
		for _, key := range q.keys {
			if q.sets != "" {
				delete(k.has, key)
			}
		}
		return nil
	}
	if q.sets != "" {
		if reply != "+OK\r\n" && reply != "STORED\r\n" {
			return fmt.Errorf("got %.200q to %.60q", reply, q.asks)
		}
		k.has[q.keys[0]] = q.sets
		return nil
	}
	if k.well && reply != k.values(q.keys) {
		return fmt.Errorf("got %.300q, want %.300q", reply, k.values(q.keys))
	}
	return k.owns(q, reply)
}

func isErrorReply(reply string) bool { return reply[0] == '-' || strings.Contains(reply, "ERROR ") }

// values is the reply that servers give which have lost nothing.
func (k *trialClient) values(keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		value, ok := k.has[key]
		switch {
		case k.protocol == "redis" && ok:
			b.WriteString(rig.Bulk(value))
		case k.protocol == "redis":
			b.WriteString("$-1\r\n")
		case ok:
			fmt.Fprintf(&b, "VALUE %s 0 %d\r\n%s\r\n", key, len(value), value)
		}
	}
	if k.protocol == "redis" {
		return fmt.Sprintf("*%d\r\n%s", len(keys), b.String())
	}
	return b.String() + "END\r\n"
}

// owns reports whether all values in a reply are of the keys that were asked for.
func (k *trialClient) owns(q question, reply string) error {
	asked := map[string]bool{}
	for _, key := range q.keys {
		asked[key] = true
	}
	for line := range strings.SplitSeq(reply, "\r\n") {
		key, _, isValue := strings.Cut(line, "#")
		if isValue && !asked[key] {
			return fmt.Errorf("got the value of %q in %.300q, to %.60q", key, reply, q.asks)
		}
	}
	return nil
}
