// A crowd that overlooks something proves nothing, so each thing that can go wrong goes wrong here.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// store is a server that does to the n-th increment what the test wants.
type store struct {
	sync.Mutex
	counts map[string]int
	asked  int
	twist  func(asked int, s *store, key string) (reply string, hangUp bool)
}

func (s *store) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		words, err := request(in)
		if err != nil {
			return
		}
		reply, hangUp := s.answer(words)
		if hangUp {
			return
		}
		io.WriteString(conn, reply)
	}
}

func (s *store) answer(words []string) (reply string, hangUp bool) {
	s.Lock()
	defer s.Unlock()
	key := words[1]
	switch words[0] {
	case "DEL":
		delete(s.counts, key)
		return ":0\r\n", false
	case "GET":
		text := fmt.Sprint(s.counts[key])
		return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text), false
	}
	s.asked++
	return s.twist(s.asked, s, key)
}

func (s *store) increment(key string) string {
	s.counts[key]++
	return fmt.Sprintf(":%d\r\n", s.counts[key])
}

func request(in *bufio.Reader) (words []string, err error) {
	var n, size int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	for range n {
		if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		words = append(words, string(word[:size]))
	}
	return words, nil
}

func TestCrowd(t *testing.T) {
	const when = 50 // things go wrong at this increment
	for _, c := range []struct {
		name  string
		kind  string // of the clients
		twist func(asked int, s *store, key string) (string, bool)
		want  string // part of the complaint; empty: none
	}{
		{"honest", "all", func(_ int, s *store, key string) (string, bool) { return s.increment(key), false }, ""},
		{"done twice", "talker", func(n int, s *store, key string) (string, bool) {
			if n == when {
				s.increment(key)
			}
			return s.increment(key), false
		}, "is due"},
		{"done twice, told once", "talker", func(n int, s *store, key string) (string, bool) {
			reply := s.increment(key)
			if n == when {
				s.increment(key)
			}
			return reply, false
		}, "is"}, // due, or stored, if it was the last
		{"not done", "pipelined", func(n int, s *store, key string) (string, bool) {
			if n == when {
				return fmt.Sprintf(":%d\r\n", s.counts[key]+1), false
			}
			return s.increment(key), false
		}, "is"},
		{"refused", "talker", func(n int, s *store, key string) (string, bool) {
			if n == when {
				return "-ERR no\r\n", false
			}
			return s.increment(key), false
		}, "-ERR no"},
		{"connection lost", "newcomer", func(n int, s *store, key string) (string, bool) {
			return s.increment(key), n == when
		}, "1 replies are missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &store{counts: map[string]int{}, twist: c.twist}
			leaving, leave := context.WithCancel(t.Context())
			defer leave()
			s.twist = func(n int, s *store, key string) (string, bool) {
				if n == 4*when {
					leave()
				}
				return c.twist(n, s, key)
			}
			complaints, figures := crowdOf(t, leaving, leave, c.kind, s)
			if c.want == "" && complaints != "" || !strings.Contains(complaints, c.want) || c.want != "" && complaints == "" {
				t.Errorf("complaints %q, want %q; %s", complaints, c.want, figures)
			}
		})
	}
}

// crowdOf runs a crowd against a store until it leaves, or until it complains.
func crowdOf(t *testing.T, leaving context.Context, leave func(), kind string, s *store) (complaints, figures string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	o := options{address: listener.Addr().String(), prefix: "test"}
	for name, n := range map[string]*int{
		"talker": &o.talkers, "pipelined": &o.pipelined, "idle": &o.idle, "newcomer": &o.newcomers,
	} {
		if kind == "all" || kind == name {
			*n = 2
		}
	}
	var mu sync.Mutex
	c := newCrowd(o, func(f string) {
		mu.Lock()
		defer mu.Unlock()
		complaints += f + "\n"
		leave()
	})
	c.run(leaving)
	return complaints, c.figures()
}
