// Commands over all servers of a pool, against real servers: one reply, and none of a part of the pool.

package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// texts returns the elements of an array of bulk strings, sorted.
func texts(t *testing.T, reply string) (all []string) {
	t.Helper()
	for _, e := range rig.Elements(t, reply) {
		all = append(all, rig.Text(t, e))
	}
	slices.Sort(all)
	return all
}

// scanAll goes through a whole SCAN and returns the keys, sorted, each once.
func scanAll(t *testing.T, c *rig.Client, options ...string) (keys []string) {
	t.Helper()
	for cursor := "0"; ; {
		parts := rig.Elements(t, c.Do(append([]string{"SCAN", cursor}, options...)...))
		cursor = rig.Text(t, parts[0])
		if n, err := strconv.ParseInt(cursor, 10, 64); err != nil || n < 0 || n > 1<<53 {
			t.Fatalf("cursor %q", cursor)
		}
		keys = append(keys, texts(t, parts[1])...)
		if cursor == "0" {
			slices.Sort(keys)
			return slices.Compact(keys)
		}
	}
}

func TestE2EAllServers(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	p := rig.RedisPool(t, servers, "hash: murmur")
	c := p.Dial()
	var keys []string
	for i := range 5000 { // their names are more than what is merged at once
		keys = append(keys, fmt.Sprintf("key:%d", i))
	}
	slices.Sort(keys)
	for part := range slices.Chunk(keys, 500) {
		pairs := []string{"MSET"}
		for _, key := range part {
			pairs = append(pairs, key, "x")
		}
		c.WantDo("+OK\r\n", pairs...)
	}
	c.WantDo(":1\r\n", "LPUSH", "list", "x")
	keys = append(keys, "list")

	c.WantDo(":5001\r\n", "DBSIZE")
	if got := texts(t, c.Do("KEYS", "*")); !slices.Equal(got, keys) {
		t.Errorf("KEYS: %d keys, want %d", len(got), len(keys))
	}
	if got := scanAll(t, c); !slices.Equal(got, keys) {
		t.Errorf("SCAN: %d keys, want %d", len(got), len(keys))
	}
	if got := scanAll(t, c, "COUNT", "10000"); !slices.Equal(got, keys) {
		t.Errorf("SCAN COUNT: %d keys, want %d", len(got), len(keys))
	}
	if got := scanAll(t, c, "COUNT", "1000", "TYPE", "list"); !slices.Equal(got, []string{"list"}) {
		t.Errorf("SCAN TYPE: %q", got)
	}
	if got := scanAll(t, c, "COUNT", "1000", "MATCH", "key:12?4"); len(got) != 10 {
		t.Errorf("SCAN MATCH: %q", got)
	}
	c.WantDo("-ERR syntax error\r\n", "SCAN", "0", "NOSUCH", "x")
	c.WantDo("-ERR invalid cursor\r\n", "SCAN", "x")
	seen := map[string]bool{}
	for range 300 {
		seen[rig.Text(t, c.Do("RANDOMKEY"))] = true
	}
	if len(seen) < 100 || !slices.Contains(keys, rig.Text(t, c.Do("RANDOMKEY"))) {
		t.Errorf("RANDOMKEY: %d different ones of 300", len(seen))
	}

	const script = "return {redis.call('get', KEYS[1]), ARGV[1]}"
	sha := rig.Text(t, c.Do("SCRIPT", "LOAD", script))
	for _, key := range keys[:10] { // on all servers
		c.WantDo(rig.Array(rig.Bulk("x"), rig.Bulk("y")), "EVALSHA", sha, "1", key, "y")
	}
	c.WantDo("*2\r\n:1\r\n:0\r\n", "SCRIPT", "EXISTS", sha, strings.Repeat("0", 40))
	servers[1].Dial().WantDo("+OK\r\n", "SCRIPT", "FLUSH")
	c.WantDo("*1\r\n:0\r\n", "SCRIPT", "EXISTS", sha)
	c.WantDo("+OK\r\n", "SCRIPT", "FLUSH")
	c.WantDo("-NOSCRIPT No matching script. Please use EVAL.\r\n", "EVALSHA", sha, "1", "key:1", "y")
	sha = rig.Text(t, c.Do("SCRIPT", "LOAD", "return 1 --"+strings.Repeat("-", 100_000)))
	c.WantDo(":1\r\n", "EVALSHA", sha, "1", "key:1")
	c.WantDo("-NOTBUSY No scripts in execution right now.\r\n", "SCRIPT", "KILL")

	c.WantDo(rig.Bulk("lib"), "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function(keys, args) return redis.call('get', keys[1]) end)")
	for _, key := range keys[:10] {
		c.WantDo(rig.Bulk("x"), "FCALL", "f", "1", key)
	}
	dump := rig.Text(t, c.Do("FUNCTION", "DUMP"))
	c.WantDo("-ERR Library 'lib' already exists\r\n", "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
	c.WantDo("+OK\r\n", "FUNCTION", "DELETE", "lib")
	c.WantDo("-ERR Function not found\r\n", "FCALL", "f", "1", "key:1")
	c.WantDo("+OK\r\n", "FUNCTION", "RESTORE", dump)
	c.WantDo(rig.Bulk("x"), "FCALL", "f", "1", "key:1")
	c.WantDo("+OK\r\n", "FUNCTION", "FLUSH")

	checkServerCommands(t, c, servers)
	c.WantDo("-NOPERM 'flushall' is denied by the pool's configuration\r\n", "FLUSHALL")
	c.WantDo("+OK\r\n", "FLUSHDB")
	c.WantDo(":0\r\n", "DBSIZE")
	c.WantDo("$-1\r\n", "RANDOMKEY")
	for _, s := range servers {
		s.Dial().WantDo(":0\r\n", "DBSIZE")
	}

	servers[1].Kill()
	rig.Eventually(t, "noticing that the server is dead", func() error { // the first one may have met the old connection
		if got := c.Do("DBSIZE"); got != "-ERR 'dbsize' failed on 1 of 3 servers, \"s1\": Connection refused\r\n" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	c.WantDo("-ERR 'keys' failed on 1 of 3 servers, \"s1\": Connection refused\r\n", "KEYS", "*")
	c.WantDo("-ERR 'flushdb' failed on 1 of 3 servers, \"s1\": Connection refused\r\n", "FLUSHDB")
}

// A client that speaks RESP3 gets the same in the kinds of RESP3.
func TestE2EAllServersRESP3(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	c, straight := rig.RedisPool(t, servers, "hash: murmur").Dial(), servers[0].Dial()
	c.Do("HELLO", "3")
	straight.Do("HELLO", "3")
	for _, ask := range []string{"RANDOMKEY", "KEYS *", "DBSIZE", "CONFIG GET maxmemory*", "CONFIG GET nosuch", "LATENCY LATEST", "LATENCY HISTOGRAM nosuch", "SLOWLOG GET",
		"SCRIPT EXISTS x", "FUNCTION LIST", "FUNCTION STATS", "SCRIPT KILL"} {
		words := strings.Fields(ask)
		if want, got := straight.Do(words...), c.Do(words...); got != want {
			t.Errorf("%s: got %q, a server says %q", ask, got, want)
		}
	}
	c.WantDo("+OK\r\n", "MSET", "a", "1", "b", "2", "c", "3", "d", "4")
	if got := scanAll(t, c, "COUNT", "1"); len(got) != 4 {
		t.Errorf("SCAN: %q", got)
	}
	if got := c.Do("LATENCY", "HISTOGRAM", "mset"); !strings.HasPrefix(got, "%1\r\n$4\r\nmset\r\n%2\r\n$5\r\ncalls\r\n:") {
		t.Errorf("LATENCY HISTOGRAM: %q", got)
	}
	if got := c.Do("MEMORY", "DOCTOR"); strings.Count(got, "# Server \"s") != 3 || got[0] != '=' || strings.Count(got, "txt:") != 1 {
		t.Errorf("MEMORY DOCTOR: %q", got)
	}
}

// A SCAN goes on behind a reload, on the same connection and on a new one. Where the servers are others now, it does not pretend to.
func TestE2EScanAcrossReloads(t *testing.T) {
	t.Parallel()
	servers, address := rig.ThreeRedis(t), rig.FreeAddress(t)
	config := func(servers []*rig.Backend, options ...string) string {
		options = append(options, "redis: true", "hash: murmur")
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: rig.Lines(servers)})
	}
	o := operate(t, config(servers), address)
	c := o.Dial()
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("key:%d", i))
		c.WantDo("+OK\r\n", "SET", want[i], "x")
	}
	slices.Sort(want)
	var keys []string
	cursor, steps := "0", 0
	for ; steps == 0 || cursor != "0"; steps++ {
		parts := rig.Elements(t, c.Do("SCAN", cursor, "COUNT", "50"))
		cursor = rig.Text(t, parts[0])
		keys = append(keys, texts(t, parts[1])...)
		if steps%3 == 0 && steps < 9 {
			o.configure(t, config(servers, fmt.Sprintf("timeout: %d", 1000+steps)))
			o.reloads(t, "")
			if steps == 3 {
				c = o.Dial()
			}
		}
	}
	slices.Sort(keys)
	if keys = slices.Compact(keys); !slices.Equal(keys, want) {
		t.Errorf("%d keys in %d steps, want %d", len(keys), steps, len(want))
	}

	parts := rig.Elements(t, c.Do("SCAN", "0", "COUNT", "10"))
	const foreign = "-ERR cursor is not of this pool's servers, which may have changed since; begin again with 0\r\n"
	for n := 2; n >= 1; n-- {
		o.configure(t, config(servers[:n]))
		o.reloads(t, "")
		c.WantDo(foreign, "SCAN", rig.Text(t, parts[0]))
	}
}

// checkServerCommands asks what is about the servers themselves.
func checkServerCommands(t *testing.T, c *rig.Client, servers []*rig.Backend) {
	t.Helper()
	straight := servers[0].Dial()
	for _, ask := range []string{"CONFIG GET maxmemory-policy", "CONFIG GET nosuch", "CONFIG GET", "CONFIG HELP", "LATENCY LATEST", "LATENCY HISTORY fork",
		"LATENCY HELP", "SLOWLOG HELP", "SLOWLOG GET x", "MEMORY PURGE x", "LATENCY NOSUCH", "SCRIPT HELP", "FUNCTION HELP", "FUNCTION LIST"} {
		words := strings.Fields(ask)
		if want, got := straight.Do(words...), c.Do(words...); got != want {
			t.Errorf("%s: got %q, a server says %q", ask, got, want)
		}
	}
	config := rig.Elements(t, c.Do("CONFIG", "GET", "*"))
	if n := len(rig.Elements(t, straight.Do("CONFIG", "GET", "*"))); len(config) != n {
		t.Errorf("CONFIG GET *: %d elements, a server has %d", len(config), n)
	}
	socket := rig.Elements(t, c.Do("CONFIG", "GET", "unixsocket"))
	if got := rig.Text(t, socket[1]); !strings.HasPrefix(got, "differs between servers: \"s0\"=/") {
		t.Errorf("CONFIG GET unixsocket: %q", got)
	}
	for _, s := range servers {
		s.Dial().WantDo("+OK\r\n", "CONFIG", "SET", "slowlog-log-slower-than", "0")
	}
	c.WantDo("+OK\r\n", "SET", "key:1", "x")
	if n := len(rig.Elements(t, c.Do("SLOWLOG", "GET", "4"))); n != 4 {
		t.Errorf("SLOWLOG GET 4: %d entries", n)
	}
	var length int
	if fmt.Sscanf(c.Do("SLOWLOG", "LEN"), ":%d", &length); length < 6 {
		t.Errorf("SLOWLOG LEN: %d", length)
	}
	if got := rig.Elements(t, c.Do("LATENCY", "HISTOGRAM", "mset")); len(got) != 2 || got[0] != rig.Bulk("mset") {
		t.Errorf("LATENCY HISTOGRAM: %q", got)
	}
	if got := rig.Text(t, c.Do("MEMORY", "DOCTOR")); strings.Count(got, "# Server \"s") != 3 {
		t.Errorf("MEMORY DOCTOR: %q", got)
	}
	for _, ask := range []string{"LASTSAVE", "TIME"} {
		if got := c.Do(ask); got[0] != straight.Do(ask)[0] {
			t.Errorf("%s: %q", ask, got)
		}
	}
	c.WantDo("-NOPERM 'config|set' is denied by the pool's configuration\r\n", "CONFIG", "SET", "maxmemory", "1")
	c.WantDo("-NOPERM 'shutdown' is denied by the pool's configuration\r\n", "SHUTDOWN")
	c.WantDo("-ERR 'module|list' is not supported by pinion in a pool of several servers\r\n", "MODULE", "LIST")
}

// Where nothing is denied, all servers get what is said to all.
func TestE2EDenyNone(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	c := rig.RedisPool(t, servers, "hash: murmur", "deny: none").Dial()
	c.WantDo("+OK\r\n", "CONFIG", "SET", "maxmemory", "123456789")
	for _, s := range servers {
		s.Dial().WantDo(rig.Array(rig.Bulk("maxmemory"), rig.Bulk("123456789")), "CONFIG", "GET", "maxmemory")
	}
	c.WantDo("+OK\r\n", "CONFIG", "RESETSTAT")
	c.WantDo("+OK\r\n", "SLOWLOG", "RESET")
	c.WantDo("+OK\r\n", "FLUSHALL")
	c.WantDo("-ERR The server is running without a config file\r\n", "CONFIG", "REWRITE")
}

// In a pool of one server the server says what it would say to anybody.
func TestE2EPoolOfOne(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	straight, c := server.Dial(), rig.RedisPool(t, []*rig.Backend{server}, "deny: [bgsave]").Dial()
	for _, ask := range []string{
		"FLUSHALL", "SET a 1", "KEYS *", "SCAN 0", "SCAN 0 COUNT 5 MATCH a", "SCAN x", "DBSIZE", "RANDOMKEY", "DEBUG OBJECT a", "MODULE LIST", "ACL WHOAMI", "ACL CAT",
		"CLUSTER INFO", "CLUSTER NOSUCH", "CONFIG GET maxmemory*", "CONFIG SET maxmemory 0", "CONFIG SET nosuch 1", "SLOWLOG GET", "SLOWLOG RESET", "SLOWLOG LEN", "LATENCY DOCTOR",
		"LATENCY GRAPH fork", "LATENCY HISTOGRAM set", "MEMORY DOCTOR", "PFSELFTEST", "SCRIPT EXISTS x", "SCRIPT KILL", "FUNCTION STATS", "FUNCTION LIST", "LASTSAVE", "REPLICAOF NO ONE",
		"MIGRATE 127.0.0.1 1 nosuch 0 10", "STRALGO LCS KEYS a b", "TS.MGET FILTER a=1", "FT._LIST", "FAILOVER ABORT", "SCRIPT NOSUCH", "DEBUG", "KEYS", "KEYS a b",
	} {
		words := strings.Fields(ask)
		if want, got := straight.Do(words...), c.Do(words...); got != want {
			t.Errorf("%s: got %q, the server says %q", ask, got, want)
		}
	}
	c.WantDo("-NOPERM 'bgsave' is denied by the pool's configuration\r\n", "BGSAVE")
	c.WantDo("-ERR 'move' of another database than 0 is not supported by pinion\r\n", "MOVE", "a", "1")
	c.WantDo("-ERR 'script|debug' is not supported by pinion\r\n", "SCRIPT", "DEBUG", "YES")
}
