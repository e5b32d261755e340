// Who looks at requests sees those that he means, at the rate that he has asked for, and only as long as he asks.

package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// observed asks a worker what it has seen since the last time.
func (r *rig) observed(slot int, means link.MonitorQuestion) (all []link.ObservedRequest) {
	r.t.Helper()
	means.Every = max(means.Every, 1)
	if means.Rate == 0 {
		means.Rate = link.MaxObservedRate
	}
	answer, text := r.told(slot, link.QuestionBody{What: link.AskMonitor, Argument: link.Body(means)})
	if answer.Failed != "" {
		r.t.Fatal(answer.Failed)
	}
	for line := range bytes.Lines(text) {
		var o link.ObservedRequest
		r.must(json.Unmarshal(line, &o))
		all = append(all, o)
	}
	return all
}

func commandsOf(all []link.ObservedRequest) string {
	text := ""
	for _, o := range all {
		text += fmt.Sprintf("%s %s%s|", o.Command, o.Key, o.KeyBase64)
	}
	return text
}

func TestObservedRequests(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	c := clients[0]
	r.asksAll(c, "CLIENT", "SETNAME", "me")
	id := r.workers[0].nextID // of the stranger, who came last
	all := []link.MonitorQuestion{{Observation: 1}, {Observation: 2, Prefix: []byte("user:")}, {Observation: 3, Pool: "alpha", Command: "get", Name: "me"},
		{Observation: 4, Every: 2}}
	for _, q := range all {
		if got := r.observed(0, q); len(got) > 0 {
			t.Errorf("before: %v", got)
		}
	}
	for _, request := range []string{"GET user:1", "MGET user:2 x", "SET y secret", "EVAL s 1 z a", "PING", "get user:3", "nosuch user:4"} {
		c.send(redisRequestOf(strings.Fields(request)...))
	}
	stranger.send(redisRequestOf("GET", "user:5"))
	c.send(redisRequestOf("GET", "user:\xff"))
	c.send(redisRequestOf("GET", strings.Repeat("k", 600)))
	r.turn()
	for i, want := range []string{
		"get user:1|mget user:2|set y|eval z|ping |get user:3|get user:\xff|get " + strings.Repeat("k", 512) + "|get user:5|",
		"get user:1|mget user:2|get user:3|get user:\xff|get user:5|",
		"get user:1|get user:3|get user:\xff|get " + strings.Repeat("k", 512) + "|",
		"mget user:2|eval z|get user:3|get " + strings.Repeat("k", 512) + "|",
	} {
		got := r.observed(0, all[i])
		if commandsOf(got) != want {
			t.Errorf("%+v: %q", all[i], commandsOf(got))
		}
		if i == 0 && (got[0].Pool != "alpha" || got[0].Name != "me" || got[0].Bytes != len(redisRequestOf("GET", "user:1")) || got[8].Client == 0 || !got[7].KeyCut || got[0].KeyCut) {
			t.Errorf("%+v", got)
		}
	}
	if answer, _ := r.told(0, link.QuestionBody{What: link.AskMonitor, Argument: link.Body(link.MonitorQuestion{Observation: 5, Every: 1, Rate: 1})}); !strings.Contains(answer.Failed, "observed by 4") {
		t.Errorf("a fifth: %+v of %d", answer, id)
	}
	r.advance(observationTime)
	if n := len(r.workers[0].observed); n != 0 {
		t.Errorf("%d observations go on", n)
	}
}

// A request that is put back until those before it are answered is one, for observers and for the counters of commands.
func TestObservedOnceThoughPutBack(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	r.masters[0].deaf = true
	q, l := link.MonitorQuestion{Observation: 1}, r.workers[0]
	r.observed(0, q)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "d"))
	c.send(redisRequestOf("BLPOP", "d", "0"))
	c.send(redisRequestOf("GET", "e"))
	r.turn()
	r.servers[0].answer([]byte("$-1\r\n"))
	r.turn()
	r.servers[0].conns[len(r.servers[0].conns)-1].send([]byte("*-1\r\n"))
	r.turn()
	if got := commandsOf(r.observed(0, q)); got != "get d|blpop d|get e|" {
		t.Errorf("got %q", got)
	}
	sum := uint64(0)
	for f := range link.NumCommandFamilies {
		sum += *l.pools[0].counters[link.FirstCommandFamily+int(f)]
	}
	if sum != 3 {
		t.Errorf("%d commands are counted", sum)
	}
}

// The kernel is asked once for the address of a client.
func TestObservedAddress(t *testing.T) {
	r, clients, stranger := threeWorkers(t)
	q := link.MonitorQuestion{Observation: 1, Address: "no such address"}
	r.observed(0, q)
	for range 3 {
		clients[0].send(redisRequestOf("PING"))
		stranger.send(redisRequestOf("PING"))
		r.turn()
	}
	if got := r.observed(0, q); len(got) > 0 || len(r.workers[0].observed[0].where) == 0 {
		t.Errorf("told %v, having looked at %v", got, r.workers[0].observed[0].where)
	}
	o := r.workers[0].observed[0]
	for id := range o.where {
		o.where[id] = true
	}
	clients[0].send(redisRequestOf("PING"))
	r.turn()
	if got := commandsOf(r.observed(0, q)); got != "ping |" {
		t.Errorf("the address was looked up again: told %q", got)
	}
}

// However much is asked, a worker writes no more lines than it was told, and says how many it has left out.
func TestObservedRateIsBounded(t *testing.T) {
	r, clients, _ := threeWorkers(t)
	q := link.MonitorQuestion{Observation: 1, Rate: 100}
	r.observed(0, q)
	told, missed := 0, 0
	count := func() {
		for _, o := range r.observed(0, q) {
			if missed += o.Missed; o.Missed == 0 {
				told++
			}
		}
	}
	const each, times = 30, 20
	for range times {
		clients[0].send(bytes.Repeat(redisRequestOf("PING"), each))
		r.advance(50 * time.Millisecond)
		count()
	}
	count()
	if told < 95 || told > 115 || told+missed != each*times {
		t.Errorf("in a second %d were told, and %d left out", told, missed)
	}
}

func TestObservedMemcache(t *testing.T) {
	r := newRig(t)
	r.memcachePool("s1")
	r.start()
	r.masters[0].deaf = true
	c := r.connect("c", 0, 0)
	q := link.MonitorQuestion{Observation: 1}
	r.observed(0, q)
	c.send([]byte("get a b\r\nset k 0 0 5\r\nhello\r\nversion\r\n"))
	r.turn()
	if got := commandsOf(r.observed(0, q)); got != "get a|set k|version |" {
		t.Errorf("got %q", got)
	}
}

func TestObservationThatCannotBe(t *testing.T) {
	r, _, _ := threeWorkers(t)
	for _, q := range []link.MonitorQuestion{{}, {Every: 1}, {Every: 1, Rate: link.MaxObservedRate + 1}, {Every: 1, Rate: 1, Pool: "gamma"}} {
		if answer, _ := r.told(0, link.QuestionBody{What: link.AskMonitor, Argument: link.Body(q)}); answer.Failed == "" {
			t.Errorf("%+v: %+v", q, answer)
		}
	}
}
