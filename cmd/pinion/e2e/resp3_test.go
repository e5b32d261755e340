// RESP3, databases and CLIENT REPLY: the same bytes to a plain Redis and through the proxy.

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// sameAsRedis sends requests, as words, to a Redis and to pools of one server and of three, and compares each reply.
func sameAsRedis(t *testing.T, requests []string, options ...string) {
	t.Helper()
	redis := rig.RedisServer(t)
	for _, servers := range [][]*rig.Backend{{rig.RedisServer(t)}, rig.ThreeRedis(t)} {
		theirs, ours := redis.Dial(), rig.RedisPool(t, servers, append(options, `hash_tag: "{}"`)...).Dial()
		theirs.WantDo("+OK\r\n", "FLUSHALL")
		for _, request := range requests {
			args := strings.Fields(request)
			want, got := theirs.Do(args...), ours.Do(args...)
			if got != want && !bothHello(t, args, want, got) {
				t.Errorf("%d servers, %s:\nredis  %q\npinion %q", len(servers), request, want, got)
			}
		}
		theirs.Conn.Close()
	}
}

// bothHello tells whether two replies to HELLO differ in nothing but the version and the id.
func bothHello(t *testing.T, args []string, want, got string) bool {
	if args[0] != "HELLO" || want[0] == '-' || got[0] != want[0] {
		return false
	}
	theirs, ours := rig.Elements(t, want), rig.Elements(t, got)
	for _, varies := range []int{3, 7} {
		theirs[varies], ours[varies] = "", ""
	}
	return slices.Equal(theirs, ours)
}

func TestE2ESameAsRedisInRESP3(t *testing.T) {
	t.Parallel()
	sameAsRedis(t, strings.Split(strings.TrimSpace(`
HELLO
HELLO 3
GET none
SET a 1
GET a
MGET a b c d
MSET a 1 b 2 c 3 d 4
MGET a none b c d
DEL a b none
EXISTS a b c d
HSET h f v g w
HGETALL h
HGET h none
HMGET h f none
SADD s x
SMEMBERS s
ZADD z 1.5 m
ZSCORE z m
ZSCORE z none
ZRANGE z 0 -1 WITHSCORES
ZADD z INCR 2 m
INCRBYFLOAT x 0.1
HSET one f v
HRANDFIELD one 1 WITHVALUES
LPOP none
LPOP none 2
XADD stream 1-1 f v
XRANGE stream - +
XINFO STREAM stream
GEOADD geo 13.36 38.11 p
GEOPOS geo p none
SPOP none
OBJECT ENCODING none
EVAL return({1,2,{3,'x'}}) 1 a
EVAL return(false) 1 a
EVAL redis.setresp(3);return(redis.call('hgetall',KEYS[1])) 1 h
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
PING
ECHO x
NOSUCH x
GET
HELLO 3 SETNAME you
CLIENT GETNAME
HELLO 2
GET none
HGETALL h
MGET none c
CLIENT GETNAME
HELLO 3
HELLO 4
HELLO x
HELLO 3 NOSUCH
GET none
RESET
GET none
CLIENT GETNAME
HELLO
`), "\n"))
}

func TestE2ESameAsRedisInDatabases(t *testing.T) {
	t.Parallel()
	for _, hello := range []string{"HELLO 2", "HELLO 3"} {
		sameAsRedis(t, append([]string{hello}, strings.Split(strings.TrimSpace(`
SET {k}a 0
SELECT 1
GET {k}a
SET {k}a 1
SELECT 15
GET {k}a
SELECT 16
SELECT x
SELECT -1
GET {k}a
SELECT 1
GET {k}a
MOVE {k}a 0
MOVE {k}a 2
MOVE {k}a 16
MOVE {k}a x
GET {k}a
COPY {k}b {k}c DB 3
SELECT 2
GET {k}a
COPY {k}a {k}b DB 3 REPLACE
SELECT 3
GET {k}b
MSET a 3 b 3 c 3 d 3
MGET a b c d
RESET
GET {k}a
MGET a b c d
`), "\n")...), "databases: 16")
	}
}

// Requests in one write keep their order when HELLO, SELECT and RESET send them over other server connections.
func TestE2EOrderAcrossServerConnections(t *testing.T) {
	t.Parallel()
	const key, rounds = "k", 200
	p := rig.RedisPool(t, rig.ThreeRedis(t), "databases: 4")
	c := p.Dial()
	var sent, want strings.Builder
	for i := range rounds {
		for _, step := range []struct {
			reply string
			args  []string
		}{
			{"+OK\r\n", []string{"SET", key, fmt.Sprint(i)}},
			{"", []string{"HELLO", "3"}},
			{rig.Bulk(fmt.Sprint(i)), []string{"GET", key}},
			{":1\r\n", []string{"MOVE", key, "1"}},
			{"+OK\r\n", []string{"SELECT", "1"}},
			{rig.Bulk(fmt.Sprint(i)), []string{"GETDEL", key}},
			{"+RESET\r\n", []string{"RESET"}},
			{"$-1\r\n", []string{"GET", key}},
		} {
			sent.WriteString(rig.Request(step.args...))
			want.WriteString(step.reply)
		}
	}
	go c.Conn.Write([]byte(sent.String()))
	var got strings.Builder
	for range 8 * rounds {
		if reply := c.Reply(); reply[0] != '%' {
			got.WriteString(reply)
		}
	}
	if got.String() != want.String() {
		t.Errorf("%d bytes differ from %d", got.Len(), want.Len())
	}
}

// CLIENT REPLY: what is not wanted does not come, and nothing is missing.
func TestE2EClientReply(t *testing.T) {
	t.Parallel()
	var raw strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(`
CLIENT REPLY ON
SET a 1
CLIENT REPLY SKIP
INCR a
INCR a
CLIENT REPLY SKIP
MGET a b c d
MGET a b c d
CLIENT REPLY OFF
INCR a
PING
MGET a b c d
NOSUCH
CLIENT REPLY SKIP
CLIENT REPLY NEVER
CLIENT REPLY ON
GET a
CLIENT REPLY NEVER
CLIENT REPLY SKIP
HELLO 3
GET none
CLIENT REPLY OFF
RESET
GET none
`), "\n") {
		raw.WriteString(rig.Request(strings.Fields(line)...))
	}
	redis := rig.RedisServer(t)
	for _, servers := range [][]*rig.Backend{{rig.RedisServer(t)}, rig.ThreeRedis(t)} {
		want, got := replies(redis.Dial(), raw.String()), replies(rig.RedisPool(t, servers).Dial(), raw.String())
		if got != want {
			t.Errorf("%d servers:\nredis  %q\npinion %q", len(servers), want, got)
		}
	}
}
