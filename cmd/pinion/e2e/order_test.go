// Replies come in the order of the requests, whoever answers them.

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// model is what one client knows of its own keys.
type model struct {
	prefix string
	values map[string]string
	random *rand.Rand
}

func (m *model) key() string { return fmt.Sprintf("%s:%d", m.prefix, m.random.IntN(20)) }

func (m *model) get(key string) string {
	if v, ok := m.values[key]; ok {
		return rig.Bulk(v)
	}
	return "$-1\r\n"
}

func (m *model) keys() (keys []string) {
	for range 1 + m.random.IntN(6) {
		keys = append(keys, m.key())
	}
	return keys
}

// next returns a request and the reply that the model expects: from a server, of several servers, from the proxy.
func (m *model) next() (raw, reply string) {
	switch m.random.IntN(12) {
	case 0, 1:
		key, value := m.key(), fmt.Sprint(m.random.Uint32())
		if m.random.IntN(50) == 0 {
			value = rig.Filler(m.random.IntN(50000))
		}
		m.values[key] = value
		return rig.Request("SET", key, value), "+OK\r\n"
	case 2, 3:
		key := m.key()
		return rig.Request("GET", key), m.get(key)
	case 4:
		keys, values := m.keys(), []string{}
		for _, key := range keys {
			values = append(values, m.get(key))
		}
		return rig.Request(append([]string{"MGET"}, keys...)...), rig.Array(values...)
	case 5:
		args := []string{"MSET"}
		for _, key := range m.keys() {
			m.values[key] = fmt.Sprint(m.random.Uint32())
			args = append(args, key, m.values[key])
		}
		return rig.Request(args...), "+OK\r\n"
	case 6, 7:
		return m.count()
	case 8:
		return rig.Request("PING"), "+PONG\r\n"
	case 9:
		text := rig.Filler(m.random.IntN(100))
		return rig.Request("ECHO", text), rig.Bulk(text)
	case 10:
		return "REPLCONF x\r\n", "-ERR 'replconf' is not supported by pinion\r\n"
	}
	return rig.Request("NOSUCH"), "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
}

// count makes a request whose reply is a number of keys.
func (m *model) count() (raw, reply string) {
	name := []string{"EXISTS", "TOUCH", "DEL", "UNLINK"}[m.random.IntN(4)]
	keys, n := m.keys(), 0
	for _, key := range keys {
		if _, ok := m.values[key]; ok {
			n++
			if name == "DEL" || name == "UNLINK" {
				delete(m.values, key)
			}
		}
	}
	return rig.Request(append([]string{name}, keys...)...), fmt.Sprintf(":%d\r\n", n)
}

// Random pipelines of 200 from several clients at a time, with one connection to each server and with several.
func TestE2EOrderOfReplies(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	for _, connections := range []int{1, 3} {
		p := rig.RedisPool(t, servers, fmt.Sprintf("server_connections: %d", connections))
		var group sync.WaitGroup
		for i := range 8 {
			seed := rand.Uint64()
			m := &model{values: map[string]string{}, random: rand.New(rand.NewPCG(seed, 0))}
			m.prefix = fmt.Sprintf("%d:%d:%d", connections, i, seed)
			c := p.Dial()
			group.Go(func() {
				for round := range 10 {
					if err := m.play(c, 200); err != nil {
						t.Errorf("seed %d, round %d: %v", seed, round, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
}

// play sends n requests at once and compares the replies.
func (m *model) play(c *rig.Client, n int) error {
	var raw strings.Builder
	var want []string
	for range n {
		ask, reply := m.next()
		raw.WriteString(ask)
		want = append(want, reply)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendPieces(c.Conn, raw.String())
	}()
	defer func() { <-sent }()
	for i := range want {
		got, err := c.Read(c.In)
		if err != nil {
			return fmt.Errorf("reply %d: %w", i, err)
		}
		if got != want[i] {
			return fmt.Errorf("reply %d: got %.100q, want %.100q", i, got, want[i])
		}
	}
	return nil
}
