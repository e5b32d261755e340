// The servers behind a storm, which know the truth: what was counted, whatever a client was told.

package storm_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// freeEntrances returns listeners for a proxy that nobody else has.
func freeEntrances(t testing.TB) entrances {
	t.Helper()
	return entrances{
		"redis":   {"tcp", rig.FreeAddress(t)},
		"unix":    {"unix", filepath.Join(rig.ShortDir(t), "pool.sock")}, // of the same servers
		"private": {"tcp", rig.FreeAddress(t)},                           // asks for password
		"cache":   {"tcp", rig.FreeAddress(t)},                           // speaks memcached's protocol
		"tardy":   {"tcp", rig.FreeAddress(t)},
	}
}

// stormServers are the servers of the pools that entrances lead to.
type stormServers struct {
	redis   []*rig.Backend
	private []*rig.Backend
	cache   []*rig.Backend
	tardy   []*rig.Backend

	sessions int         // clients who need connections of their own to the first of them
	tls      *encryption // nil: none

	mu     sync.Mutex
	counts map[string]int // of the tardy one
}

func startStormServers(t testing.TB) *stormServers {
	return startServers(t, func(options ...string) *rig.Backend { return rig.RedisServer(t, options...) },
		func(options ...string) *rig.Backend { return memcachedAtPath(t, options...) })
}

// startEncryptedServers has pools speak TLS to clients, and, where that is wanted, to all servers but the tardy one.
func startEncryptedServers(t testing.TB, servers bool) (s *stormServers) {
	e := newEncryption(t)
	if servers {
		s = startServers(t, e.redis, e.memcached)
	} else {
		s = startStormServers(t)
	}
	s.tls = e
	return s
}

func startServers(t testing.TB, redis, memcached func(options ...string) *rig.Backend) *stormServers {
	s := &stormServers{
		redis:   []*rig.Backend{redis(), redis()},
		private: []*rig.Backend{redis("--requirepass", password)},
		cache:   rig.Several(2, func() *rig.Backend { return memcached(manyHanded...) }),
		counts:  map[string]int{},
	}
	s.tardy = []*rig.Backend{rig.FakeServer(t, "unix", "", rig.Answering(s.countSlowly))}
	return s
}

// manyHanded are the options of a memcached that serves several connections at the same time: what comes over one of them can overtake
// what has come over the other.
var manyHanded = []string{"-t", "4"}

func memcachedAtPath(t testing.TB, options ...string) *rig.Backend {
	path := filepath.Join(rig.ShortDir(t), "memcached.sock")
	return rig.MemcachedAt(t, "unix", path, append([]string{"-s", path}, options...)...)
}

// countSlowly is the tardy server: a Redis that thinks before it counts, and afterwards.
func (s *stormServers) countSlowly(args []string) string {
	if args[0] != "INCR" {
		return "-ERR unknown command\r\n"
	}
	think := func() { <-time.After(rand.N(tardiness / 2)) }
	think()
	s.mu.Lock()
	s.counts[args[1]]++
	n := s.counts[args[1]]
	s.mu.Unlock()
	think()
	return integerReply(n)
}

// config returns the configuration for these servers. What the pools have in common is how a storm is to be survived:
// the server connections are there before anybody asks.
func (s *stormServers) config(in entrances, workers int) string {
	common := []string{"preconnect: true", "hash: murmur"}
	redis := append([]string{"redis: true"}, common...)
	shared := redis
	if s.sessions > 0 {
		shared = append(shared[:len(shared):len(shared)], fmt.Sprint("dedicated_connections: ", 64+4*s.sessions))
	}
	private := append([]string{fmt.Sprintf("redis_auth: %q", password)}, redis...)
	// What is sent beyond these limits travels unread.
	few := append([]string{"max_outstanding_requests: 4"}, redis...)
	short := append([]string{fmt.Sprint("max_request_bytes: ", cacheRequestBytes)}, common...)
	pool := func(name string, options []string, servers []*rig.Backend) rig.Pool {
		return rig.Pool{Name: name, Listen: s.tls.listen(in, name), Options: slices.Concat(options, s.tls.options(name, servers)), Servers: s.tls.lines(servers)}
	}
	return fmt.Sprintf("global:\n  workers: %d\n", workers) + rig.Yaml(
		pool("redis", shared, s.redis),
		rig.Pool{Name: "unix", Listen: in["unix"].at, Options: few, Servers: rig.Lines(s.redis)},
		pool("private", private, s.private),
		pool("cache", short, s.cache),
		rig.Pool{Name: "tardy", Listen: in["tardy"].at, Options: few, Servers: rig.Lines(s.tardy)},
	)
}

// values returns what the servers of a kind of client have counted. A key that is on two of them counts on both: it
// must not be.
func (s *stormServers) values(t testing.TB, kind *kind, keys []string) []int {
	t.Helper()
	sum := make([]int, len(keys))
	servers, ask := s.redis, askRedis
	switch kind.pool {
	case "private":
		servers = s.private
	case "cache":
		servers, ask = s.cache, askMemcached
	case "tardy":
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, key := range keys {
			sum[i] = s.counts[key]
		}
		return sum
	}
	for _, server := range servers {
		c := rig.Dial(t, server.Network, server.Address, server.Read)
		if kind.pool == "private" {
			c.WantDo("+OK\r\n", "AUTH", password)
		}
		const atOnce = 500
		for begin := 0; begin < len(keys); begin += atOnce {
			some := keys[begin:min(begin+atOnce, len(keys))]
			for i, n := range ask(t, c, some) {
				sum[begin+i] += n
			}
		}
		c.Conn.Close()
	}
	return sum
}

func askRedis(t testing.TB, c *rig.Client, keys []string) (values []int) {
	t.Helper()
	for _, element := range rig.Elements(t, c.Do(append([]string{"MGET"}, keys...)...)) {
		n := 0
		if element != "$-1\r\n" {
			n = rig.Atoi(rig.Text(t, element))
		}
		values = append(values, n)
	}
	return values
}

func askMemcached(t testing.TB, c *rig.Client, keys []string) []int {
	t.Helper()
	at := map[string]int{}
	for i, key := range keys {
		at[key] = i
	}
	values := make([]int, len(keys))
	in := bufio.NewScanner(strings.NewReader(c.Line("get " + strings.Join(keys, " "))))
	for in.Scan() && strings.HasPrefix(in.Text(), "VALUE ") {
		key := strings.Fields(in.Text())[1]
		in.Scan()
		n, err := strconv.Atoi(strings.TrimSpace(in.Text()))
		if err != nil {
			t.Fatal(err)
		}
		values[at[key]] = n
	}
	return values
}

// fillLarge puts what slow readers read into the servers, through the proxy.
func fillLarge(t testing.TB, in entrances, prefix string) {
	t.Helper()
	c := rig.Dial(t, in["redis"].network, in["redis"].at, rig.ReadRESP)
	for n := range largeValues {
		c.WantDo("+OK\r\n", "SET", largeKey(prefix, n), largeValue(n))
	}
	c.Conn.Close()
}
