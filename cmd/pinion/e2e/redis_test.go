// What Pinion does for Redis clients beyond nutcracker, mostly by comparison with a Redis of their own.

package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Where a client talks to the proxy and not to its data, it hears what a Redis would say.
func TestE2ELikeRedis(t *testing.T) {
	t.Parallel()
	redis := rig.RedisServer(t)
	p := rig.RedisPool(t, rig.ThreeRedis(t), `hash_tag: "{}"`, "deny: none")
	compareLines(t, redis, p, rig.ReadTable(t, "like_redis.txt", rig.EncodeConversation), same)
	for _, long := range []string{"", "*", "*1\r\n$"} {
		raw := long + strings.Repeat("1", 70000)
		if want, got := replies(redis.Dial(), raw), replies(p.Dial(), raw); got != want {
			t.Errorf("a line of %d bytes:\nredis  %q\npinion %q", len(raw), want, got)
		}
	}
}

func same(want, got string) bool { return got == want }

// compareLines sends each line of a table to a server and to the proxy.
func compareLines(t *testing.T, server *rig.Backend, p *rig.Proxy, blocks []rig.Block, alike func(want, got string) bool) {
	t.Helper()
	for _, b := range blocks {
		for _, s := range b.Steps {
			if want, got := replies(server.Dial(), s.Raw), replies(p.Dial(), s.Raw); !alike(want, got) {
				t.Errorf("%s: %s:\n%s %.300q\npinion %.300q", s.At, s.Text, server.Name, want, got)
			}
		}
	}
}

// replies sends raw and the end of the stream, and returns everything that comes back. Where a proxy or a server closes
// first, the sending may fail; the replies tell.
func replies(c *rig.Client, raw string) string {
	defer c.Conn.Close()
	c.Conn.Write([]byte(raw))
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	var all strings.Builder
	for {
		reply := c.Reply()
		if reply == rig.Closed {
			return all.String()
		}
		all.WriteString(reply)
	}
}

// Every command that Redis knows is known here: with too few arguments it gets the same error, or is refused.
func TestE2EEveryCommandOfRedis(t *testing.T) {
	t.Parallel()
	redis, pool := rig.RedisServer(t).Dial(), rig.RedisPool(t, rig.ThreeRedis(t))
	p, refused := pool.Dial(), 0
	for _, row := range rig.Elements(t, redis.Do("COMMAND")) {
		columns := rig.Elements(t, row)
		name, arity := rig.Text(t, columns[0]), strings.TrimSpace(columns[1][1:])
		if arity == "1" || arity == "-1" {
			continue // the name alone would run it
		}
		want, got := redis.Do(name), p.Do(name)
		if strings.HasSuffix(got, "is not supported by pinion\r\n") {
			refused++
			p.Conn.Close() // some refusals end the connection
			p = pool.Dial()
			continue
		}
		if got != want {
			t.Errorf("%s: redis %q, pinion %q", name, want, got)
		}
	}
	p.WantDo("+PONG\r\n", "PING")
	t.Logf("%d commands are refused", refused)
}

func TestE2EHello(t *testing.T) {
	t.Parallel()
	c := rig.RedisPool(t, rig.ThreeRedis(t)).Dial()
	for _, args := range [][]string{{"HELLO"}, {"HELLO", "2"}, {"hello", "2", "SETNAME", "me"}} {
		fields := rig.Elements(t, c.Do(args...))
		if len(fields) != 14 || fields[4] != rig.Bulk("proto") || fields[5] != ":2\r\n" || fields[12] != rig.Bulk("modules") {
			t.Errorf("%q: %q", args, fields)
		}
	}
	c.WantDo("-NOPROTO unsupported protocol version\r\n", "HELLO", "4")
	c.WantDo(rig.Bulk("me"), "CLIENT", "GETNAME")
	c.WantDo("+OK\r\n", "CLIENT", "SETINFO", "LIB-NAME", "e2e")
	c.WantDo("+OK\r\n", "CLIENT", "NO-TOUCH", "ON")
	id := c.Do("CLIENT", "ID")
	if info := rig.Text(t, c.Do("CLIENT", "INFO")); !strings.HasPrefix(info, "id="+strings.TrimSpace(id[1:])+" ") ||
		!strings.Contains(info, " name=me ") || !strings.Contains(info, " lib-name=e2e ") {
		t.Errorf("CLIENT INFO: %q, id %q", info, id)
	}
}

// With cross_shard: first_key a request goes whole to its first key's server, as with nutcracker.
func TestE2ECrossShardFirstKey(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	p := rig.RedisPool(t, servers, "hash: murmur", "cross_shard: first_key")
	c := p.Dial()
	c.WantDo(":1\r\n", "SADD", "apple", "1")  // on s2
	c.WantDo(":1\r\n", "SADD", "banana", "2") // on s1
	c.WantDo(rig.Array(rig.Bulk("1")), "SUNION", "apple", "banana")
	c.WantDo(rig.Array(rig.Bulk("2")), "SUNION", "banana", "apple")
	c.WantDo(":1\r\n", "SUNIONSTORE", "apple", "apple", "banana")
	servers[2].Dial().WantDo(rig.Array(rig.Bulk("1")), "SMEMBERS", "apple")
	c.WantDo(":1\r\n", "EVAL", "return 1", "0")
}

// With mget_errors: per_key the keys of a dead server are errors; without it the whole MGET is one.
func TestE2EMGetErrors(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	address := [2]string{rig.FreeAddress(t), rig.FreeAddress(t)}
	all := rig.Pool{Name: "all", Listen: address[0], Options: []string{"redis: true", "hash: murmur"}, Servers: rig.Lines(servers)}
	each := rig.Pool{Name: "each", Listen: address[1], Options: []string{"redis: true", "hash: murmur", "mget_errors: per_key"}, Servers: rig.Lines(servers)}
	rig.Pinion(t, rig.Yaml(all, each), "tcp", address[0])
	c := [2]*rig.Client{rig.Dial(t, "tcp", address[0], rig.ReadRESP), rig.Dial(t, "tcp", address[1], rig.ReadRESP)}
	keys := []string{"MGET", "apple", "banana", "a", "grape", "cherry", "banana"}
	for i := range c {
		c[i].WantDo("+OK\r\n", "MSET", "apple", "1", "banana", "2", "grape", "3", "cherry", "4")
		c[i].WantDo(rig.Array(rig.Bulk("1"), rig.Bulk("2"), "$-1\r\n", rig.Bulk("3"), rig.Bulk("4"), rig.Bulk("2")), keys...)
	}
	servers[1].Kill() // banana's
	dead := "-ERR Connection refused\r\n"
	rig.Eventually(t, "noticing that the server is dead", func() error { // the first one may have met the old connection
		if got := c[0].Do(keys...); got != dead {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	c[1].WantDo(rig.Array(rig.Bulk("1"), dead, "$-1\r\n", rig.Bulk("3"), rig.Bulk("4"), dead), keys...)
	c[1].WantDo(dead, "MSET", "apple", "1", "banana", "2")
	c[1].WantDo(dead, "EXISTS", "apple", "banana")
	c[1].WantDo(rig.Bulk("4"), "GET", "cherry")
}

// The password is asked of clients and given to servers, and the database is selected, on each and every connection.
func TestE2EAuthAndDatabase(t *testing.T) {
	t.Parallel()
	unix := rig.RedisServer(t, "--requirepass", "secret")
	tcp := rig.RedisServerTCP(t, rig.FreeAddress(t), "--requirepass", "secret")
	servers := []*rig.Backend{unix, tcp}
	p := rig.RedisPool(t, servers, "redis_auth: secret", "redis_db: 3", "server_connections: 2", "hash: murmur")
	c := p.Dial()
	for _, ask := range []string{"PING", "GET a", "MGET a b", "HELLO 2", "INFO", "CLIENT ID", "COMMAND", "KEYS *"} {
		if got := c.Do(strings.Fields(ask)...); !strings.HasPrefix(got, "-NOAUTH ") {
			t.Errorf("%q before AUTH: %q", ask, got)
		}
	}
	c.WantDo("-ERR invalid password\r\n", "AUTH", "wrong")
	c.WantDo("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "somebody", "secret")
	c.WantDo("+OK\r\n", "AUTH", "secret")
	c.WantDo("+OK\r\n", "AUTH", "default", "secret")
	c.WantDo("-ERR invalid password\r\n", "AUTH", "wrong")
	c.WantDo("-NOAUTH Authentication required\r\n", "PING")
	if got := c.Do("HELLO", "2", "AUTH", "default", "secret"); !strings.HasPrefix(got, "*14\r\n") {
		t.Errorf("HELLO with AUTH: %q", got)
	}
	straight := [2]*rig.Client{unix.Dial(), tcp.Dial()}
	for round := range 3 {
		var clients []*rig.Client
		for range 8 { // enough to meet both connections of both workers
			c := p.Dial()
			c.WantDo("+OK\r\n", "AUTH", "secret")
			clients = append(clients, c)
		}
		for i, c := range clients {
			for k := range 8 {
				c.WantDo("+OK\r\n", "SET", fmt.Sprintf("key:%d:%d:%d", round, i, k), "x")
			}
			c.Conn.Close()
		}
		keys := 0
		for i, s := range straight {
			s.WantDo("+OK\r\n", "AUTH", "secret")
			s.WantDo(":0\r\n", "DBSIZE")
			s.WantDo("+OK\r\n", "SELECT", "3")
			n := 0
			fmt.Sscanf(s.Do("DBSIZE"), ":%d", &n)
			if n == 0 {
				t.Errorf("round %d: no key on server %d", round, i)
			}
			keys += n
			s.WantDo("+OK\r\n", "SELECT", "0")
			s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") // the next round has new connections
		}
		if keys != (round+1)*64 {
			t.Errorf("round %d: %d keys in database 3, want %d", round, keys, (round+1)*64)
		}
	}
}

// With preconnect every worker has all its connections before anyone asks for anything.
func TestE2EPreconnect(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t), "preconnect: true", "server_connections: 2")
	for _, server := range []string{"s0", "s1", "s2"} {
		rig.Eventually(t, "connecting to "+server, func() error {
			if n := p.ServerCounter(server, "server_connections"); n != 4 {
				return fmt.Errorf("%d connections, want 4", n)
			}
			return nil
		})
	}
}

// A client that hangs up in the middle of anything leaves nothing behind; checkedStop looks for it.
func TestE2ENothingLeaks(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, rig.ThreeRedis(t))
	for i := range 300 {
		c := p.Dial()
		switch i % 5 {
		case 0:
			c.Send("*2\r\n$3\r\nGET\r\n$10\r\nhal")
		case 1:
			c.Send(strings.Repeat(rig.Request("MGET", "a", "b", "c", "d"), 50))
		case 2:
			c.Send(rig.Request("SET", "large", rig.Filler(100000)))
		case 3:
			c.Send("*x\r\n")
		case 4:
			c.Conn.(*net.TCPConn).SetLinger(0) // a reset
			c.Send(rig.Request("GET", "large"))
		}
		c.Conn.Close()
	}
	rig.Eventually(t, "closing clients", func() error {
		if n := p.PoolCounter("client_connections"); n != 0 {
			return fmt.Errorf("%d are open", n)
		}
		return nil
	})
	p.Dial().WantDo("+PONG\r\n", "PING")
}
