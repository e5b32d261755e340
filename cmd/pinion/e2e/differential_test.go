// Pinion beside nutcracker 0.5.0: the same requests to both, in front of servers of their own.

package e2e_test

import (
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// supported are the commands of nutcracker 0.5.0 (redis_argn and its kin in src/proto/nc_redis.c), but for COMMAND, which differs.
var supported = strings.Fields(`
	COPY DEL DUMP EXISTS EXPIRE EXPIREAT PERSIST PEXPIRE PEXPIREAT PTTL RESTORE SORT TOUCH TTL TYPE UNLINK
	APPEND BITCOUNT BITFIELD BITPOS DECR DECRBY GET GETBIT GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT MGET MSET
	PSETEX SET SETBIT SETEX SETNX SETRANGE STRLEN
	HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HSTRLEN HVALS
	LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM RPOP RPOPLPUSH RPUSH RPUSHX
	SADD SCARD SDIFF SDIFFSTORE SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SPOP SRANDMEMBER SREM SSCAN SUNION
	SUNIONSTORE
	ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERSTORE ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE
	ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE
	ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE
	PFADD PFCOUNT PFMERGE GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE
	EVAL EVALSHA LOLWUT PING`)

// side is one of the proxies with its servers.
type side struct {
	name    string
	proxy   *rig.Proxy
	servers []*rig.Client // straight to them
	clear   string        // empties one
}

func (s *side) empty() {
	for _, c := range s.servers {
		c.Send(s.clear)
		if got := c.Reply(); !strings.Contains(got, "OK") {
			c.T.Fatalf("emptying a server: %q", got)
		}
	}
}

// sides starts both proxies with one configuration; only the addresses in it differ.
func sides(t *testing.T, one func() *rig.Backend, clear string, options ...string) [2]*side {
	t.Helper()
	options = append(options, `hash_tag: "{}"`, "hash: murmur") // murmur spreads short keys well
	var both [2]*side
	for i, name := range []string{"nutcracker", "pinion"} {
		servers := rig.Several(3, one)
		address := rig.FreeAddress(t)
		config := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: rig.Lines(servers)})
		s := &side{name: name, clear: clear}
		if i == 0 {
			s.proxy = rig.Nutcracker(t, config, "tcp", address)
		} else {
			s.proxy = rig.Pinion(t, config, "tcp", address)
		}
		s.proxy.Read = servers[0].Read
		for _, server := range servers {
			s.servers = append(s.servers, server.Dial())
		}
		both[i] = s
	}
	return both
}

// manner is a way to send a block.
type manner struct {
	name string
	send func(conn net.Conn, pipeline string) // nil: request by request
}

var manners = []manner{
	{"request by request", nil},
	{"in one write", func(conn net.Conn, pipeline string) { io.WriteString(conn, pipeline) }},
	{"in pieces", sendPieces},
}

// sendPieces writes s in pieces of random size, most of which end within a request. Replies tell of what went wrong.
func sendPieces(conn net.Conn, s string) {
	for len(s) > 0 {
		n := 1 + rand.IntN(40)
		if len(s) > 1<<16 { // long values are not worth so many writes
			n = 1 + rand.IntN(20000)
		}
		n = min(n, len(s))
		io.WriteString(conn, s[:n])
		s = s[n:]
	}
}

// play sends a block to one side and returns its replies.
func (s *side) play(t *testing.T, b *rig.Block, m manner) []string {
	s.empty()
	c := s.proxy.Dial()
	defer c.Conn.Close()
	if m.send != nil {
		go m.send(c.Conn, b.Pipeline()) // while replies are read: neither side may have to wait for the other
	}
	replies := make([]string, len(b.Steps))
	for i, step := range b.Steps {
		if m.send == nil {
			c.Send(step.Raw)
		}
		if step.Mark == '-' { // noreply
			continue
		}
		if replies[i] = c.Reply(); replies[i] == rig.Closed && m.send == nil {
			c = s.proxy.Dial()
		}
	}
	return replies
}

// compare plays blocks on both sides in every manner and returns how many replies it compared.
func compare(t *testing.T, both [2]*side, blocks []rig.Block) (compared int) {
	for i := range blocks {
		b := &blocks[i]
		for _, m := range manners {
			theirs, ours := both[0].play(t, b, m), both[1].play(t, b, m)
			for k := range b.Steps {
				s := &b.Steps[k]
				if s.Mark == '-' {
					continue
				}
				compared++
				if !s.Alike(t, theirs[k], ours[k]) {
					t.Errorf("%s: %s (%s):\nnutcracker %.300q\npinion     %.300q", s.At, s.Text, m.name, theirs[k], ours[k])
				}
			}
		}
	}
	return compared
}

func TestE2ESameRepliesAsNutcracker(t *testing.T) {
	t.Parallel()
	blocks := rig.ReadTable(t, "redis.txt", rig.EncodeRedis)
	seen := map[string]int{}
	for _, b := range blocks {
		for i := range b.Steps {
			seen[b.Steps[i].CommandName()]++
		}
	}
	for _, name := range supported {
		if seen[name] == 0 {
			t.Errorf("no request of %s in the table", name)
		}
	}
	both := sides(t, func() *rig.Backend { return rig.RedisServer(t) }, rig.Request("FLUSHALL"), "redis: true")
	t.Logf("%d replies compared", compare(t, both, blocks))
	for _, server := range []string{"s0", "s1", "s2"} {
		if n := both[1].proxy.ServerCounter(server, "requests"); n < 100 {
			t.Errorf("server %s got %d requests: the table does not use all servers", server, n)
		}
	}
}

// What differs on purpose still differs, and only so.
func TestE2EDifferencesFromNutcracker(t *testing.T) {
	t.Parallel()
	both := sides(t, func() *rig.Backend { return rig.RedisServer(t) }, rig.Request("FLUSHALL"), "redis: true")
	checkDifferences(t, both, rig.ReadTable(t, "differences.txt", rig.EncodeRedis))
}

func checkDifferences(t *testing.T, both [2]*side, blocks []rig.Block) {
	for _, b := range blocks {
		var replies [2][]string
		for who, s := range both {
			s.empty()
			c := s.proxy.Dial()
			for _, step := range b.Steps {
				c.Send(step.Raw)
				replies[who] = append(replies[who], c.Reply())
			}
			c.Conn.Close()
		}
		for i, s := range b.Steps {
			theirs, ours := replies[0][i], replies[1][i]
			switch {
			case s.Mark != '!':
				if !s.Alike(t, theirs, ours) {
					t.Errorf("%s: %s:\nnutcracker %.300q\npinion     %.300q", s.At, s.Text, theirs, ours)
				}
			case !matches(theirs, s.Want[0]) || !matches(ours, s.Want[1]):
				t.Errorf("%s: %s (%s):\nnutcracker %.300q\nas told    %.300q\npinion     %.300q\nas told    %.300q", s.At, s.Text,
					b.Name, theirs, s.Want[0], ours, s.Want[1])
			case theirs == ours:
				t.Errorf("%s: %s (%s): no difference", s.At, s.Text, b.Name)
			}
		}
	}
}

// matches compares a reply with the text of a table, which may leave off its end.
func matches(reply, want string) bool {
	if front, cut := strings.CutSuffix(want, "…"); cut {
		return strings.HasPrefix(reply, front)
	}
	return reply == want
}

func TestE2ESameRepliesAsNutcrackerMemcache(t *testing.T) {
	t.Parallel()
	both := sides(t, func() *rig.Backend { return rig.MemcachedServer(t) }, "flush_all\r\n")
	blocks := rig.ReadTable(t, "memcache.txt", encodeMemcache)
	t.Logf("%d replies compared", compare(t, both, blocks))
	checkDifferences(t, both, rig.ReadTable(t, "memcache_differences.txt", encodeMemcache))
}

// encodeMemcache makes a line a request: "|" divides the command line from the data, of which @N stands for N bytes.
func encodeMemcache(line string) (string, error) {
	command, data, has := strings.Cut(line, " | ")
	if !has {
		raw, err := rig.Unquote(line)
		return raw + "\r\n", err
	}
	var err error
	if size := strings.TrimPrefix(data, "@"); size != data {
		data = rig.Filler(rig.Atoi(size))
	} else {
		data, err = rig.Unquote(data)
	}
	return command + "\r\n" + data + "\r\n", err
}
