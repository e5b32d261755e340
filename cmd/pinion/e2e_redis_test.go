// What Pinion does for Redis clients beyond nutcracker, mostly by comparison with a Redis of their own.

package main_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// Where a client talks to the proxy and not to its data, it hears what a Redis would say.
func TestE2ELikeRedis(t *testing.T) {
	t.Parallel()
	redis := redisServer(t)
	p := redisPool(t, threeRedis(t), `hash_tag: "{}"`)
	compareLines(t, redis, p, readTable(t, "like_redis.txt", encodeConversation))
	for _, long := range []string{"", "*", "*1\r\n$"} {
		raw := long + strings.Repeat("1", 70000)
		if want, got := replies(redis.dial(), raw), replies(p.dial(), raw); got != want {
			t.Errorf("a line of %d bytes:\nredis  %q\npinion %q", len(raw), want, got)
		}
	}
}

// compareLines sends each line of a table to a server and to the proxy.
func compareLines(t *testing.T, server *backend, p *proxy, blocks []block) {
	t.Helper()
	for _, b := range blocks {
		for _, s := range b.steps {
			if want, got := replies(server.dial(), s.raw), replies(p.dial(), s.raw); got != want {
				t.Errorf("%s: %s:\n%s %.300q\npinion %.300q", s.at, s.text, server.name, want, got)
			}
		}
	}
}

// replies sends raw and the end of the stream, and returns everything that comes back. Where a proxy or a server closes
// first, the sending may fail; the replies tell.
func replies(c *client, raw string) string {
	defer c.conn.Close()
	c.conn.Write([]byte(raw))
	c.conn.(interface{ CloseWrite() error }).CloseWrite()
	var all strings.Builder
	for {
		reply := c.reply()
		if reply == closed {
			return all.String()
		}
		all.WriteString(reply)
	}
}

// Every command that Redis knows is known here: with too few arguments it gets the same error, or is refused.
func TestE2EEveryCommandOfRedis(t *testing.T) {
	t.Parallel()
	redis, pool := redisServer(t).dial(), redisPool(t, threeRedis(t))
	p, refused := pool.dial(), 0
	for _, row := range elements(t, redis.do("COMMAND")) {
		columns := elements(t, row)
		name, arity := text(t, columns[0]), strings.TrimSpace(columns[1][1:])
		if arity == "1" || arity == "-1" {
			continue // the name alone would run it
		}
		want, got := redis.do(name), p.do(name)
		if strings.HasSuffix(got, "is not supported by pinion\r\n") {
			refused++
			p.conn.Close() // some refusals end the connection
			p = pool.dial()
			continue
		}
		if got != want {
			t.Errorf("%s: redis %q, pinion %q", name, want, got)
		}
	}
	p.wantDo("+PONG\r\n", "PING")
	t.Logf("%d commands are refused", refused)
}

func TestE2EHello(t *testing.T) {
	t.Parallel()
	c := redisPool(t, threeRedis(t)).dial()
	for _, args := range [][]string{{"HELLO"}, {"HELLO", "2"}, {"hello", "2", "SETNAME", "me"}} {
		fields := elements(t, c.do(args...))
		if len(fields) != 14 || fields[4] != bulk("proto") || fields[5] != ":2\r\n" || fields[12] != bulk("modules") {
			t.Errorf("%q: %q", args, fields)
		}
	}
	c.wantDo("-NOPROTO unsupported protocol version\r\n", "HELLO", "3")
	c.wantDo(bulk("me"), "CLIENT", "GETNAME")
	c.wantDo("+OK\r\n", "CLIENT", "SETINFO", "LIB-NAME", "e2e")
	c.wantDo("+OK\r\n", "CLIENT", "NO-TOUCH", "ON")
	id := c.do("CLIENT", "ID")
	if info := text(t, c.do("CLIENT", "INFO")); !strings.HasPrefix(info, "id="+strings.TrimSpace(id[1:])+" ") ||
		!strings.Contains(info, " name=me ") || !strings.Contains(info, " lib-name=e2e ") {
		t.Errorf("CLIENT INFO: %q, id %q", info, id)
	}
}

func TestE2EInfo(t *testing.T) {
	t.Parallel()
	c := redisPool(t, threeRedis(t)).dial()
	c.wantDo("*3\r\n$-1\r\n$-1\r\n$-1\r\n", "MGET", "a", "b", "c")
	info := text(t, c.do("INFO"))
	for _, want := range []string{
		"# Pinion\r\n", "\r\npinion_version:", "\r\nprocess_id:", "\r\nworkers:2\r\n", "\r\npool:pool\r\n",
		"\r\nclient_connections:1\r\n", "\r\nserver0:name=s0,", "\r\nserver1:name=s1,", "\r\nserver2:name=s2,", ",state=",
	} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in INFO:\n%s", want, info)
		}
	}
}

// With cross_shard: first_key a request goes whole to its first key's server, as with nutcracker.
func TestE2ECrossShardFirstKey(t *testing.T) {
	t.Parallel()
	servers := threeRedis(t)
	p := redisPool(t, servers, "hash: murmur", "cross_shard: first_key")
	c := p.dial()
	c.wantDo(":1\r\n", "SADD", "apple", "1")  // on s2
	c.wantDo(":1\r\n", "SADD", "banana", "2") // on s1
	c.wantDo(array(bulk("1")), "SUNION", "apple", "banana")
	c.wantDo(array(bulk("2")), "SUNION", "banana", "apple")
	c.wantDo(":1\r\n", "SUNIONSTORE", "apple", "apple", "banana")
	servers[2].dial().wantDo(array(bulk("1")), "SMEMBERS", "apple")
	c.wantDo(":1\r\n", "EVAL", "return 1", "0")
}

// With mget_errors: per_key the keys of a dead server are errors; without it the whole MGET is one.
func TestE2EMGetErrors(t *testing.T) {
	t.Parallel()
	servers := threeRedis(t)
	address := [2]string{freeAddress(t), freeAddress(t)}
	all := pool{"all", address[0], []string{"redis: true", "hash: murmur"}, lines(servers)}
	each := pool{"each", address[1], []string{"redis: true", "hash: murmur", "mget_errors: per_key"}, lines(servers)}
	pinion(t, yaml(all, each), "tcp", address[0])
	c := [2]*client{dial(t, "tcp", address[0], readRESP), dial(t, "tcp", address[1], readRESP)}
	keys := []string{"MGET", "apple", "banana", "a", "grape", "cherry", "banana"}
	for i := range c {
		c[i].wantDo("+OK\r\n", "MSET", "apple", "1", "banana", "2", "grape", "3", "cherry", "4")
		c[i].wantDo(array(bulk("1"), bulk("2"), "$-1\r\n", bulk("3"), bulk("4"), bulk("2")), keys...)
	}
	servers[1].kill() // banana's
	dead := "-ERR Connection refused\r\n"
	eventually(t, "noticing that the server is dead", func() error { // the first one may have met the old connection
		if got := c[0].do(keys...); got != dead {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	c[1].wantDo(array(bulk("1"), dead, "$-1\r\n", bulk("3"), bulk("4"), dead), keys...)
	c[1].wantDo(dead, "MSET", "apple", "1", "banana", "2")
	c[1].wantDo(dead, "EXISTS", "apple", "banana")
	c[1].wantDo(bulk("4"), "GET", "cherry")
}

// The password is asked of clients and given to servers, and the database is selected, on each and every connection.
func TestE2EAuthAndDatabase(t *testing.T) {
	t.Parallel()
	unix := redisServer(t, "--requirepass", "secret")
	tcp := redisServerTCP(t, freeAddress(t), "--requirepass", "secret")
	servers := []*backend{unix, tcp}
	p := redisPool(t, servers, "redis_auth: secret", "redis_db: 3", "server_connections: 2", "hash: murmur")
	c := p.dial()
	for _, ask := range []string{"PING", "GET a", "MGET a b", "HELLO 2", "INFO", "CLIENT ID", "COMMAND", "KEYS *"} {
		if got := c.do(strings.Fields(ask)...); !strings.HasPrefix(got, "-NOAUTH ") {
			t.Errorf("%q before AUTH: %q", ask, got)
		}
	}
	c.wantDo("-ERR invalid password\r\n", "AUTH", "wrong")
	c.wantDo("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "AUTH", "somebody", "secret")
	c.wantDo("+OK\r\n", "AUTH", "secret")
	c.wantDo("+OK\r\n", "AUTH", "default", "secret")
	c.wantDo("-ERR invalid password\r\n", "AUTH", "wrong")
	c.wantDo("-NOAUTH Authentication required\r\n", "PING")
	if got := c.do("HELLO", "2", "AUTH", "default", "secret"); !strings.HasPrefix(got, "*14\r\n") {
		t.Errorf("HELLO with AUTH: %q", got)
	}
	straight := [2]*client{unix.dial(), tcp.dial()}
	for round := range 3 {
		var clients []*client
		for range 8 { // enough to meet both connections of both workers
			c := p.dial()
			c.wantDo("+OK\r\n", "AUTH", "secret")
			clients = append(clients, c)
		}
		for i, c := range clients {
			for k := range 8 {
				c.wantDo("+OK\r\n", "SET", fmt.Sprintf("key:%d:%d:%d", round, i, k), "x")
			}
			c.conn.Close()
		}
		keys := 0
		for i, s := range straight {
			s.wantDo("+OK\r\n", "AUTH", "secret")
			s.wantDo(":0\r\n", "DBSIZE")
			s.wantDo("+OK\r\n", "SELECT", "3")
			n := 0
			fmt.Sscanf(s.do("DBSIZE"), ":%d", &n)
			if n == 0 {
				t.Errorf("round %d: no key on server %d", round, i)
			}
			keys += n
			s.wantDo("+OK\r\n", "SELECT", "0")
			s.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") // the next round has new connections
		}
		if keys != (round+1)*64 {
			t.Errorf("round %d: %d keys in database 3, want %d", round, keys, (round+1)*64)
		}
	}
}

// With preconnect every worker has all its connections before anyone asks for anything.
func TestE2EPreconnect(t *testing.T) {
	t.Parallel()
	p := redisPool(t, threeRedis(t), "preconnect: true", "server_connections: 2")
	for _, server := range []string{"s0", "s1", "s2"} {
		eventually(t, "connecting to "+server, func() error {
			if n := p.serverCounter(server, "server_connections"); n != 4 {
				return fmt.Errorf("%d connections, want 4", n)
			}
			return nil
		})
	}
}

// A client that hangs up in the middle of anything leaves nothing behind; checkedStop looks for it.
func TestE2ENothingLeaks(t *testing.T) {
	t.Parallel()
	p := redisPool(t, threeRedis(t))
	for i := range 300 {
		c := p.dial()
		switch i % 5 {
		case 0:
			c.send("*2\r\n$3\r\nGET\r\n$10\r\nhal")
		case 1:
			c.send(strings.Repeat(request("MGET", "a", "b", "c", "d"), 50))
		case 2:
			c.send(request("SET", "large", filler(100000)))
		case 3:
			c.send("*x\r\n")
		case 4:
			c.conn.(*net.TCPConn).SetLinger(0) // a reset
			c.send(request("GET", "large"))
		}
		c.conn.Close()
	}
	eventually(t, "closing clients", func() error {
		if n := p.poolCounter("client_connections"); n != 0 {
			return fmt.Errorf("%d are open", n)
		}
		return nil
	})
	p.dial().wantDo("+PONG\r\n", "PING")
}
