// What pools of a cluster cost beside static ones, where keys are many.

package core

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

func BenchmarkPools(b *testing.B) {
	for _, command := range []string{"GET", "MGET", "MSET"} {
		for _, kind := range []string{"static", "cluster"} {
			b.Run(command+" "+kind, func(b *testing.B) {
				r := newRig(b)
				if p := r.redisPool("s1", "s2", "s3"); kind == "cluster" {
					p.Seeds, p.Servers, p.FailoverWait = []string{"seed:7000"}, link.Places(), 10*time.Second
				}
				r.start()
				r.unchecked = true
				if kind == "cluster" {
					r.nodes("s1=0-5460", "s2=5461-10922", "s3=10923-16383")
				}
				all := manyExchanges(r, command)
				for i := 0; b.Loop(); i++ {
					all[i%len(all)].run()
				}
			})
		}
	}
}

// manyExchanges asks for ten keys at a time, which are others each time: with ten requests, or with one.
func manyExchanges(r *rig, command string) []exchange {
	const keys, times = 10, 5000
	c, p := r.connect("a", 0, 0), r.workers[0].pools[0]
	r.greetAll(c)
	value := "$1\r\nx\r\n"
	all := make([]exchange, times)
	for i := range all {
		args, places := []string{command}, []int{}
		parts := make([]string, len(r.servers))
		e := &all[i]
		*e = exchange{rig: r, client: c}
		for range keys {
			key := fmt.Sprintf("key:%012d", rand.Intn(100_000))
			places = append(places, p.placement.one([]byte(key)))
			args = append(args, key)
			if command == "MSET" {
				args = append(args, "x")
			}
			if command == "GET" {
				e.requests = append(e.requests, redisRequestOf("GET", key)...)
			}
		}
		switch command {
		case "GET":
			e.want = strings.Repeat(value, keys)
		case "MGET":
			e.want = fmt.Sprintf("*%d\r\n", keys) + strings.Repeat(value, keys)
			e.requests = redisRequestOf(args...)
		default:
			e.want, e.requests = "+OK\r\n", redisRequestOf(args...)
		}
		for i, place := range places {
			n, first := 0, slices.Index(places, place) == i
			for _, other := range places {
				if other == place {
					n++
				}
			}
			at := p.placement.index(place)
			switch {
			case command == "GET":
				parts[at] += value
			case first && command == "MGET":
				parts[at] += fmt.Sprintf("*%d\r\n", n) + strings.Repeat(value, n)
			case first:
				parts[at] += "+OK\r\n"
			}
		}
		for i, text := range parts {
			if text != "" {
				e.replies = append(e.replies, reply{i, text})
			}
		}
	}
	return all
}

// greetAll has all servers connected.
func (r *rig) greetAll(c *peer) {
	for key := 0; slices.ContainsFunc(r.servers, func(s *fakeServer) bool { return len(s.conns) == 0 }); key++ {
		c.send(redisRequestOf("GET", fmt.Sprint(key)))
		r.turn()
		for _, s := range r.servers {
			for _, conn := range s.conns {
				got := conn.take()
				if bytes.Contains(got, []byte("PING")) {
					conn.send([]byte("+PONG\r\n"))
					r.turn()
					got = conn.take()
				}
				if bytes.Contains(got, []byte("GET")) {
					conn.send([]byte("$-1\r\n"))
				}
				r.turn()
			}
		}
	}
	c.take()
}
