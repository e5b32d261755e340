// The servers behind a storm, which know the truth: what was counted, whatever a client was told.

package main_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// freeEntrances returns listeners for a proxy that nobody else has.
func freeEntrances(t testing.TB) entrances {
	t.Helper()
	return entrances{
		"redis":   {"tcp", freeAddress(t)},
		"unix":    {"unix", filepath.Join(shortDir(t), "pool.sock")}, // of the same servers
		"private": {"tcp", freeAddress(t)},                           // asks for password
		"cache":   {"tcp", freeAddress(t)},                           // speaks memcached's protocol
		"tardy":   {"tcp", freeAddress(t)},
	}
}

// stormServers are the servers of the pools that entrances lead to.
type stormServers struct {
	redis   []*backend
	private []*backend
	cache   []*backend
	tardy   []*backend

	mu     sync.Mutex
	counts map[string]int // of the tardy one
}

func startStormServers(t testing.TB) *stormServers {
	s := &stormServers{
		redis:   several(2, func() *backend { return redisServer(t) }),
		private: []*backend{redisServer(t, "--requirepass", password)},
		cache:   several(2, func() *backend { return manyHanded(t) }),
		counts:  map[string]int{},
	}
	s.tardy = []*backend{fakeServer(t, "unix", "", answering(s.countSlowly))}
	return s
}

// manyHanded is a memcached that serves two connections at the same time: what comes over one of them can overtake what
// has come over the other.
func manyHanded(t testing.TB) *backend {
	path := filepath.Join(shortDir(t), "memcached.sock")
	p := start(t, program(t, "memcached"), "-s", path, "-u", "root", "-m", "64", "-t", "4")
	b := &backend{process: p, network: "unix", address: path, read: readMemcache}
	b.answers(b.network, b.address)
	return b
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
	private := append([]string{fmt.Sprintf("redis_auth: %q", password)}, redis...)
	// What is sent beyond these limits travels unread.
	few := append([]string{"max_outstanding_requests: 4"}, redis...)
	short := append([]string{fmt.Sprint("max_request_bytes: ", cacheRequestBytes)}, common...)
	return fmt.Sprintf("global:\n  workers: %d\n", workers) + yaml(
		pool{"redis", in["redis"].at, redis, lines(s.redis)},
		pool{"unix", in["unix"].at, few, lines(s.redis)},
		pool{"private", in["private"].at, private, lines(s.private)},
		pool{"cache", in["cache"].at, short, lines(s.cache)},
		pool{"tardy", in["tardy"].at, few, lines(s.tardy)},
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
		c := dial(t, server.network, server.address, server.read)
		if kind.pool == "private" {
			c.wantDo("+OK\r\n", "AUTH", password)
		}
		const atOnce = 500
		for begin := 0; begin < len(keys); begin += atOnce {
			some := keys[begin:min(begin+atOnce, len(keys))]
			for i, n := range ask(t, c, some) {
				sum[begin+i] += n
			}
		}
		c.conn.Close()
	}
	return sum
}

func askRedis(t testing.TB, c *client, keys []string) (values []int) {
	t.Helper()
	for _, element := range elements(t, c.do(append([]string{"MGET"}, keys...)...)) {
		n := 0
		if element != "$-1\r\n" {
			n = atoi(text(t, element))
		}
		values = append(values, n)
	}
	return values
}

func askMemcached(t testing.TB, c *client, keys []string) []int {
	t.Helper()
	at := map[string]int{}
	for i, key := range keys {
		at[key] = i
	}
	values := make([]int, len(keys))
	in := bufio.NewScanner(strings.NewReader(c.line("get " + strings.Join(keys, " "))))
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
	c := dial(t, in["redis"].network, in["redis"].at, readRESP)
	for n := range largeValues {
		c.wantDo("+OK\r\n", "SET", largeKey(prefix, n), largeValue(n))
	}
	c.conn.Close()
}
