// Clients that ask for everything before they take any of it.

package storm_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// asker asks in rounds of a hundred keys whose values tell which they are.
type asker struct {
	*rig.Client
	ask, want string
	rounds    int
}

const askerKeys = 100

func askerValue(i int) string { return fmt.Sprintf("%d:%s", i, rig.Filler(1000)) }

// askAll sends everything, as one. The other end must take it without being read.
func (a *asker) askAll() {
	a.T.Helper()
	a.Conn.SetWriteDeadline(time.Now().Add(rig.Patience))
	if _, err := a.Conn.Write([]byte(strings.Repeat(a.ask, a.rounds))); err != nil {
		a.T.Fatalf("writing %d requests: %v", a.rounds*askerKeys, err)
	}
}

// takeAll reads everything.
func (a *asker) takeAll() {
	a.T.Helper()
	a.Conn.SetReadDeadline(time.Now().Add(2 * rig.Patience))
	got := make([]byte, len(a.want))
	for i := range a.rounds {
		if n, err := io.ReadFull(a.In, got); err != nil || string(got) != a.want {
			a.T.Fatalf("%.20q, round %d of %d: %d bytes, %v", a.ask, i, a.rounds, n, err)
		}
	}
}

// newAskers fills the servers behind both connections and has them ask in every way.
func newAskers(redis, memcache func() *rig.Client, megabytes int) (askers []*asker) {
	var get, gets, mget, set, mset, cacheGet, cacheGets, hundred, pairs strings.Builder
	c := redis()
	for i := range askerKeys {
		key, value := fmt.Sprint("key", i), askerValue(i)
		get.WriteString(rig.Request("GET", key))
		gets.WriteString(rig.Bulk(value))
		set.WriteString(rig.Request("SET", key, value))
		fmt.Fprintf(&cacheGet, "get %s\r\n", key)
		fmt.Fprintf(&cacheGets, "VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(value), value)
		c.WantDo("+OK\r\n", "SET", key, value)
	}
	for i := 0; i < askerKeys; i += 10 {
		keys, all := []string{"MGET"}, []string{"MSET"}
		var values []string
		for j := range 10 {
			key, value := fmt.Sprint("key", i+j), askerValue(i+j)
			keys, all, values = append(keys, key), append(all, key, value), append(values, rig.Bulk(value))
		}
		mget.WriteString(rig.Request(keys...))
		hundred.WriteString(rig.Array(values...))
		mset.WriteString(rig.Request(all...))
		pairs.WriteString("+OK\r\n")
	}
	rounds := megabytes << 20 / (askerKeys * 1000)
	askers = append(askers,
		&asker{redis(), get.String(), gets.String(), rounds}, &asker{redis(), mget.String(), hundred.String(), rounds},
		&asker{redis(), set.String(), strings.Repeat("+OK\r\n", askerKeys), rounds / 4},
		&asker{redis(), mset.String(), pairs.String(), rounds / 4})
	if memcache != nil {
		m := memcache()
		for i := range askerKeys {
			value := askerValue(i)
			m.Send(fmt.Sprintf("set key%d 0 0 %d\r\n%s\r\n", i, len(value), value))
			m.Want("STORED\r\n")
		}
		askers = append(askers, &asker{memcache(), cacheGet.String(), cacheGets.String(), rounds})
	}
	return askers
}

// Pipelines of all kinds are taken as a whole before anything of the replies is, and moved and upgraded then: who holds
// little moves, who holds much is a straggler for as long, and everyone gets every reply in its place.
func TestE2EPipelinesWrittenAsAWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t, startStormServers(t), oldRelease, 2)
	defer s.stop()
	redis := func() *rig.Client { return rig.Dial(t, s.in["redis"].network, s.in["redis"].at, rig.ReadRESP) }
	memcache := func() *rig.Client { return rig.Dial(t, s.in["cache"].network, s.in["cache"].at, rig.ReadMemcache) }
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
	much.WantDo("+PONG\r\n", "PING")
}
