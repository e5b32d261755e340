// The kinds of clients in a crowd. Each is in a state that a handoff could spoil.

package storm_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// kind is a way to use a connection.
type kind struct {
	name   string
	share  int // of 100 clients
	counts bool
	pool   string // a key of entrances
	read   func(*bufio.Reader) (string, error)
	greet  func(*talker) error // before the storm
	talk   func(*talker) error // until the crowd leaves
}

var kinds = [...]kind{
	{"busy", 40, true, "redis", rig.ReadRESP, countOnce, talkBusily},
	{"idle", 28, true, "redis", rig.ReadRESP, countOnce, talkRarely},
	{"half", 10, true, "redis", rig.ReadRESP, countOnce, talkInHalves},
	{"unix", 6, true, "unix", rig.ReadRESP, countOnce, talkBusily},
	{"named", 5, true, "private", rig.ReadRESP, introduce, talkByName},
	{"stranger", 2, false, "private", rig.ReadRESP, rejected, talkLockedOut},
	{"text", 4, true, "cache", rig.ReadMemcache, countCacheOnce, talkToCache},
	{"quiet", 3, true, "cache", rig.ReadMemcache, countCacheOnce, talkQuietly},
	{"refused", 2, true, "cache", rig.ReadMemcache, countCacheOnce, talkTooMuch},
}

// kindOf mixes the kinds, so that any number of clients has about the same mixture.
func kindOf(number int) *kind {
	n := number * 37 % 100 // 37 and 100 have no common divisor
	for i := range kinds {
		if n -= kinds[i].share; n < 0 {
			return &kinds[i]
		}
	}
	panic("the shares of all kinds are not 100")
}

func integerReply(n int) string { return ":" + strconv.Itoa(n) + "\r\n" }

func (k *talker) increment() string { return rig.Request("INCR", k.key) }

func countOnce(k *talker) error { return k.count(1, k.increment(), integerReply) }

// talkBusily counts again and again, some of it pipelined.
func talkBusily(k *talker) error {
	for k.pause(k.pace) {
		if err := k.count(k.depth(), k.increment(), integerReply); err != nil {
			return err
		}
	}
	return k.count(1, k.increment(), integerReply)
}

// rareness is how long an idle client says nothing.
const rareness = 4 * time.Second

// talkRarely is most of what a proxy has: a connection that waits for somebody to need it.
func talkRarely(k *talker) error {
	for k.pause(rareness) {
		if err := countOnce(k); err != nil {
			return err
		}
	}
	return countOnce(k)
}

// talkInHalves begins a request before a turn and completes it afterwards. Before the half there may be a whole one, for
// which it waits or not.
func talkInHalves(k *talker) error {
	for staying := true; staying; {
		turn := k.nextTurn()
		k.sent++
		text := k.increment()
		at := 1 + k.rand.IntN(len(text)-1)
		k.conn.SetDeadline(time.Now().Add(replyPatience))
		if err := k.write(text[:at]); err != nil {
			return err
		}
		staying = k.staysFor(turn)
		k.conn.SetDeadline(time.Now().Add(replyPatience))
		if err := k.write(text[at:]); err != nil {
			return err
		}
		if err := k.expect(time.Now(), integerReply(k.acked+1)); err != nil {
			return err
		}
		k.acked++
	}
	return nil
}

// introduce logs in and says who it is.
func introduce(k *talker) error {
	for _, step := range [][2]string{
		{rig.Request("AUTH", password), "+OK\r\n"},
		{rig.Request("CLIENT", "SETNAME", "name-of-"+k.key), "+OK\r\n"},
		{rig.Request("CLIENT", "SETINFO", "LIB-NAME", "storm"), "+OK\r\n"},
	} {
		if err := k.ask(step[0], step[1]); err != nil {
			return err
		}
	}
	return countOnce(k)
}

// talkByName is still logged in, and still called what it is called; so it also keeps its number.
func talkByName(k *talker) error {
	if err := k.send(rig.Request("CLIENT", "ID")); err != nil {
		return err
	}
	id, err := rig.ReadRESP(k.in)
	if err != nil {
		return err
	}
	for staying := true; staying; {
		staying = k.pause(k.pace)
		if err := k.count(k.depth(), k.increment(), integerReply); err != nil {
			return err
		}
		for _, step := range [][2]string{
			{rig.Request("CLIENT", "GETNAME"), rig.Bulk("name-of-" + k.key)},
			{rig.Request("CLIENT", "ID"), id},
		} {
			if err := k.ask(step[0], step[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

const lockedOut = "-NOAUTH Authentication required\r\n"

func rejected(k *talker) error { return k.ask(rig.Request("GET", k.key), lockedOut) }

// talkLockedOut never logs in, and nothing may do it for him.
func talkLockedOut(k *talker) error {
	for k.pause(k.pace) {
		if err := rejected(k); err != nil {
			return err
		}
	}
	return rejected(k)
}

func countCacheOnce(k *talker) error {
	if err := k.ask("set "+k.key+" 0 0 1\r\n0\r\n", "STORED\r\n"); err != nil {
		return err
	}
	return k.countCache(1)
}

func (k *talker) countCache(n int) error {
	return k.count(n, "incr "+k.key+" 1\r\n", func(n int) string { return strconv.Itoa(n) + "\r\n" })
}

func talkToCache(k *talker) error {
	for k.pause(k.pace) {
		if err := k.countCache(k.depth()); err != nil {
			return err
		}
	}
	return k.countCache(1)
}

// talkQuietly has no reply but that of a later request to show that all before it were carried out, before it. Now and
// then nothing is owed to it in between.
func talkQuietly(k *talker) error {
	for staying := true; staying; {
		staying = k.pause(k.pace)
		n := k.depth()
		k.sent += n
		counts, get := strings.Repeat("incr "+k.key+" 1 noreply\r\n", n), "get "+k.key+"\r\n"
		if k.rand.IntN(2) == 0 {
			if err := k.send(counts); err != nil {
				return err
			}
			k.pause(10 * time.Millisecond)
			counts = ""
		}
		value := strconv.Itoa(k.acked + n)
		if err := k.ask(counts+get, fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", k.key, len(value), value)); err != nil {
			return err
		}
		k.acked += n
	}
	return nil
}

// cacheRequestBytes is the longest request that the proxy takes from clients of the cache.
const cacheRequestBytes = 64 << 10

// talkTooMuch sends a value that is refused before all of it has come. What comes of it after a turn is still a value,
// although it reads like requests.
func talkTooMuch(k *talker) error {
	line := "incr " + k.key + " 1\r\n"
	value := strings.Repeat(line, 2*cacheRequestBytes/len(line))
	for staying := true; staying; {
		turn := k.nextTurn()
		at := cacheRequestBytes/2 + k.rand.IntN(cacheRequestBytes)
		err := k.ask(fmt.Sprintf("set %s 0 0 %d\r\n%s", k.key, len(value), value[:at]), "SERVER_ERROR object too large for cache\r\n")
		if err != nil {
			return err
		}
		staying = k.staysFor(turn)
		if err := k.send(value[at:] + "\r\n"); err != nil {
			return err
		}
		if err := k.countCache(1); err != nil {
			return err
		}
	}
	return nil
}

// tardy is no part of every mixture: its server takes up to tardiness for each reply, and so long a handoff waits.
var tardy = kind{"tardy", 0, true, "tardy", rig.ReadRESP, countOnce, talkBusily}

const tardiness = 60 * time.Millisecond

// A slow reader asks for many large values at once and takes its time to read them.
const (
	largeValueBytes = 256 << 10
	largeValues     = 8
	largeAtOnce     = 48 // 12 MiB: more than the kernel keeps for a connection
	slowChunkBytes  = 64 << 10
)

// slow is no part of every mixture: a few of them have more on the way than thousands of others.
var slow = kind{"slow", 0, false, "redis", rig.ReadRESP, func(*talker) error { return nil }, talkSlowly}

func largeKey(prefix string, n int) string { return prefix + "large:" + strconv.Itoa(n) }

// largeValue returns a value that has another length and other bytes than those with other numbers.
func largeValue(n int) string { return rig.Filler(largeValueBytes + n) }

// largeReplies are the replies to the requests for all large values.
var largeReplies = sync.OnceValue(func() (replies [largeValues]string) {
	for n := range replies {
		replies[n] = rig.Bulk(largeValue(n))
	}
	return replies
})

// talkSlowly compares what comes in pieces, as they come.
func talkSlowly(k *talker) error {
	if conn, ok := underTLS(k.conn).(*net.TCPConn); ok {
		conn.SetReadBuffer(slowChunkBytes) // what is not read shall wait in the proxy
	}
	replies, chunk := largeReplies(), make([]byte, slowChunkBytes)
	for staying := true; staying; {
		var ask strings.Builder
		for n := range largeAtOnce {
			ask.WriteString(rig.Request("GET", largeKey(k.prefix, n%largeValues)))
		}
		if err := k.send(ask.String()); err != nil {
			return err
		}
		for n := range largeAtOnce {
			for want := replies[n%largeValues]; want != ""; {
				staying = k.pause(40*time.Millisecond) && staying
				k.conn.SetDeadline(time.Now().Add(replyPatience))
				piece := chunk[:min(len(want), len(chunk))]
				got, err := io.ReadFull(k.in, piece)
				if string(piece[:got]) != want[:got] {
					return unexpected{string(piece[:got]), want[:got]}
				}
				if err != nil {
					k.note("reply %d: %d bytes are missing", n, len(want)-got)
					return err
				}
				want = want[got:]
			}
			k.done()
		}
		k.note("has read all it asked for")
	}
	return nil
}

// newcome lets new clients come and go, n at a time: they connect, ask, and leave.
func (c *crowd) newcome(n int, pace time.Duration) {
	for i := range n {
		k := &talker{crowd: c, name: fmt.Sprint("newcomer ", i), kind: &kinds[0], rand: newRand(i),
			timer: time.NewTimer(time.Hour)}
		c.mu.Lock()
		c.talkers = append(c.talkers, k)
		c.mu.Unlock()
		pool := "redis"
		if i%4 == 3 {
			pool = "unix"
		}
		c.group.Go(func() {
			for n := i; k.pause(pace); n++ {
				k.comeAndGo(pool, n)
			}
		})
	}
}

// comeAndGo is one of them. What happens to it happens to it alone.
func (k *talker) comeAndGo(pool string, number int) {
	began := time.Now()
	conn, err := k.dial(pool, number)
	if err != nil {
		k.failed(failure{breach: noConnection, who: k.name, err: err})
		return
	}
	k.conn, k.in, k.noted = conn, bufio.NewReaderSize(conn, 64), 0
	k.note("connected from %s", conn.LocalAddr())
	if k.rand.IntN(2) == 0 {
		k.pause(10 * time.Millisecond)
		began = time.Now()
	}
	if err = k.ask(rig.Request("PING"), "+PONG\r\n"); err == nil {
		k.waited(began)
		k.newcomers.Add(1)
	}
	k.end(err)
}
