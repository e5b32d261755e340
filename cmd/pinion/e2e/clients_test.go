// The clients that people have, with their default settings.

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/redis/go-redis/v9"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// output runs a program to its end and returns what it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(rig.Program(t, name), args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// Each test of memcapable that memcached passes is passed by three of them behind the proxy.
func TestE2EMemcapable(t *testing.T) {
	t.Parallel()
	host, port, err := net.SplitHostPort(rig.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	rig.MemcachedAt(t, "tcp", net.JoinHostPort(host, port), "-l", host, "-p", port)
	alone := run(t, "memccapable", "-h", host, "-p", port, "-a")
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }))
	through := run(t, "memccapable", "-h", host, "-p", p.Port(), "-a")
	passed := 0
	for line := range strings.Lines(alone) {
		if !strings.HasSuffix(line, "[pass]\n") {
			continue
		}
		passed++
		if !strings.Contains(through, line) {
			t.Errorf("memcached alone: %q; through pinion:\n%s", line, through)
		}
	}
	if passed < 20 {
		t.Errorf("memcached itself passed %d tests:\n%s", passed, alone)
	}
}

// The default suite of redis-benchmark, one by one and pipelined.
func TestE2ERedisBenchmark(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	for _, depth := range []string{"1", "16"} {
		out := run(t, "redis-benchmark", "-p", p.Port(), "-q", "-n", "1000", "-r", "10000", "-P", depth)
		results := 0
		for line := range strings.SplitSeq(strings.ReplaceAll(out, "\r", "\n"), "\n") {
			if strings.Contains(line, "requests per second") {
				results++
			}
			if strings.Contains(strings.ToLower(line), "error") {
				t.Errorf("pipeline %s: %s", depth, line)
			}
		}
		for _, name := range strings.Fields("PING_INLINE PING_MBULK SET GET INCR SPOP ZADD LRANGE_600 MSET") {
			if !strings.Contains(out, name) {
				t.Errorf("pipeline %s: no result of %s in:\n%s", depth, name, out)
			}
		}
		if results < 19 {
			t.Errorf("pipeline %s: %d results in:\n%s", depth, results, out)
		}
	}
	if n := p.PoolCounter("forward_error"); n != 0 {
		t.Errorf("%d requests were not forwarded", n)
	}
}

func TestE2ERedisPy(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`)
	run(t, "/usr/bin/python3", "testdata/redis_py.py", p.Port())
}

// redis-cli reads COMMAND DOCS when it begins to talk to a person, and shows replies by their kind.
func TestE2ERedisCLI(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	for _, c := range []struct{ want, args string }{
		{"OK\n", "SET key value"},
		{"\"value\"\n", "--no-raw GET key"},
		{"(integer) 1\n", "--no-raw EXISTS key nothing"},
		{"1) \"value\"\n2) (nil)\n", "--no-raw MGET key nothing"},
		{"# Pinion\r\n", "INFO"},
		{"get\n", "COMMAND INFO get"},
		{"Get the value of a key", "COMMAND DOCS get"},
		{"(error) NOPROTO", "--no-raw HELLO 4"},
		{"1) \"value\"\n2) (nil)\n", "-3 --no-raw MGET key nothing"},
		{"1# \"server\" => \"redis\"\n", "-3 --no-raw HELLO"},
	} {
		args := append([]string{"-p", p.Port()}, strings.Fields(c.args)...)
		out, _ := exec.Command(rig.Program(t, "redis-cli"), args...).CombinedOutput() // its status follows the reply
		if !strings.Contains(string(out), c.want) {
			t.Errorf("redis-cli %s: %q, want %q", c.args, out, c.want)
		}
	}
}

func TestE2EGoRedis(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: p.Address})
	defer db.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(db.Ping(ctx).Err())
	keys, pairs := []string{}, []any{}
	for i := range 500 {
		key := fmt.Sprintf("key:%d", i)
		check(db.Set(ctx, key, i, 0).Err())
		keys, pairs = append(keys, key), append(pairs, key, fmt.Sprint(-i))
	}
	check(db.MSet(ctx, pairs...).Err())
	values, err := db.MGet(ctx, append(keys, "nothing")...).Result()
	check(err)
	for i, v := range values[:500] {
		if v != fmt.Sprint(-i) {
			t.Fatalf("MGET: element %d is %v", i, v)
		}
	}
	if values[500] != nil {
		t.Errorf("MGET of a missing key: %v", values[500])
	}
	if n, err := db.Exists(ctx, append(keys, "nothing")...).Result(); n != 500 || err != nil {
		t.Errorf("EXISTS: %d, %v", n, err)
	}
	replies, err := db.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range keys {
			pipe.Get(ctx, key)
		}
		return nil
	})
	check(err)
	for i, r := range replies {
		if got := r.(*redis.StringCmd).Val(); got != fmt.Sprint(-i) {
			t.Fatalf("pipeline: element %d is %q", i, got)
		}
	}
	if _, err := db.Get(ctx, "nothing").Result(); !errors.Is(err, redis.Nil) {
		t.Errorf("GET of a missing key: %v", err)
	}
	if n, err := db.Del(ctx, keys...).Result(); n != 500 || err != nil {
		t.Errorf("DEL: %d, %v", n, err)
	}
	if err := db.SUnion(ctx, keys...).Err(); err == nil || !strings.HasPrefix(err.Error(), "CROSSSHARD") {
		t.Errorf("SUNION over all servers: %v", err)
	}
	entry := &redis.XAddArgs{Stream: "stream", ID: "1-1", Values: []string{"a", "b"}}
	if id, err := db.XAdd(ctx, entry).Result(); id != "1-1" {
		t.Errorf("XADD: %q, %v", id, err)
	}
	script := redis.NewScript("return redis.call('incr', KEYS[1])")
	if n, err := script.Run(ctx, db, []string{"n"}).Int(); n != 1 || err != nil {
		t.Errorf("script: %d, %v", n, err)
	}
}

func TestE2EGoMemcache(t *testing.T) {
	t.Parallel()
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }))
	db := memcache.New(p.Address)
	defer db.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(db.Ping())
	var keys []string
	for i := range 200 {
		key := fmt.Sprintf("key:%d", i)
		keys = append(keys, key)
		check(db.Set(&memcache.Item{Key: key, Value: fmt.Append(nil, i), Flags: uint32(i)}))
	}
	items, err := db.GetMulti(append(keys, "nothing"))
	check(err)
	for i, key := range keys {
		if item := items[key]; item == nil || string(item.Value) != fmt.Sprint(i) || item.Flags != uint32(i) {
			t.Fatalf("GetMulti: %s is %v", key, item)
		}
	}
	item, err := db.Get("key:7")
	check(err)
	item.Value = []byte("70")
	check(db.CompareAndSwap(item))
	if err := db.CompareAndSwap(item); !errors.Is(err, memcache.ErrCASConflict) {
		t.Errorf("second CompareAndSwap: %v", err)
	}
	if n, err := db.Increment("key:7", 5); n != 75 || err != nil {
		t.Errorf("Increment: %d, %v", n, err)
	}
	check(db.Touch("key:8", 100))
	check(db.Delete("key:9"))
	if _, err := db.Get("key:9"); !errors.Is(err, memcache.ErrCacheMiss) {
		t.Errorf("Get after Delete: %v", err)
	}
	if err := db.Add(&memcache.Item{Key: "key:8"}); !errors.Is(err, memcache.ErrNotStored) {
		t.Errorf("Add of a key that is there: %v", err)
	}
	check(db.FlushAll())
	if items, err := db.GetMulti(keys); len(items) != 0 || err != nil {
		t.Errorf("after FlushAll: %d items, %v", len(items), err)
	}
}
