// Clients that ask for everything before they take any of it.

package main_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// asker asks in rounds of a hundred keys whose values tell which they are.
type asker struct {
	*client
	ask, want string
	rounds    int
}

const askerKeys = 100

func askerValue(i int) string { return fmt.Sprintf("%d:%s", i, filler(1000)) }

// askAll sends everything, as one. The other end must take it without being read.
func (a *asker) askAll() {
	a.t.Helper()
	a.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := a.conn.Write([]byte(strings.Repeat(a.ask, a.rounds))); err != nil {
		a.t.Fatalf("writing %d requests: %v", a.rounds*askerKeys, err)
	}
}

// takeAll reads everything.
func (a *asker) takeAll() {
	a.t.Helper()
	a.conn.SetReadDeadline(time.Now().Add(2 * patience))
	got := make([]byte, len(a.want))
	for i := range a.rounds {
		if n, err := io.ReadFull(a.in, got); err != nil || string(got) != a.want {
			a.t.Fatalf("%.20q, round %d of %d: %d bytes, %v", a.ask, i, a.rounds, n, err)
		}
	}
}

// newAskers fills the servers behind both connections and has them ask in every way.
func newAskers(redis, memcache func() *client, megabytes int) (askers []*asker) {
	var get, gets, mget, set, mset, cacheGet, cacheGets, hundred, pairs strings.Builder
	c := redis()
	for i := range askerKeys {
		key, value := fmt.Sprint("key", i), askerValue(i)
		get.WriteString(request("GET", key))
		gets.WriteString(bulk(value))
		set.WriteString(request("SET", key, value))
		fmt.Fprintf(&cacheGet, "get %s\r\n", key)
		fmt.Fprintf(&cacheGets, "VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(value), value)
		c.wantDo("+OK\r\n", "SET", key, value)
	}
	for i := 0; i < askerKeys; i += 10 {
		keys, all := []string{"MGET"}, []string{"MSET"}
		var values []string
		for j := range 10 {
			key, value := fmt.Sprint("key", i+j), askerValue(i+j)
			keys, all, values = append(keys, key), append(all, key, value), append(values, bulk(value))
		}
		mget.WriteString(request(keys...))
		hundred.WriteString(array(values...))
		mset.WriteString(request(all...))
		pairs.WriteString("+OK\r\n")
	}
	rounds := megabytes * megabyte / (askerKeys * 1000)
	askers = append(askers,
		&asker{redis(), get.String(), gets.String(), rounds}, &asker{redis(), mget.String(), hundred.String(), rounds},
		&asker{redis(), set.String(), strings.Repeat("+OK\r\n", askerKeys), rounds / 4},
		&asker{redis(), mset.String(), pairs.String(), rounds / 4})
	if memcache != nil {
		m := memcache()
		for i := range askerKeys {
			value := askerValue(i)
			m.send(fmt.Sprintf("set key%d 0 0 %d\r\n%s\r\n", i, len(value), value))
			m.want("STORED\r\n")
		}
		askers = append(askers, &asker{memcache(), cacheGet.String(), cacheGets.String(), rounds})
	}
	return askers
}

// Pipelines of all kinds are taken as a whole before anything of the replies is, and moved and upgraded then: who holds little
// moves, who holds much is a straggler for as long, and everyone gets every reply in its place.
func TestE2EPipelinesWrittenAsAWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2, raceAtExit)
	defer s.stop()
	redis := func() *client { return dial(t, s.in["redis"].network, s.in["redis"].at, readRESP) }
	memcache := func() *client { return dial(t, s.in["cache"].network, s.in["cache"].at, readMemcache) }
	askers := newAskers(redis, memcache, 8)
	much := newAskers(redis, nil, 80)[0] // more than moves
	for _, a := range append(askers, much) {
		a.askAll()
	}
	for _, command := range []string{"reload", "upgrade"} {
		s.install(newRelease)
		if _, err := s.order(command); err != nil {
			t.Fatal(err)
		}
		askers[0].takeAll()
		askers = askers[1:]
	}
	for _, a := range append(askers, much) {
		a.takeAll()
	}
	much.wantDo("+PONG\r\n", "PING")
}
