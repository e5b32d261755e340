// Servers that are slow, stopped, dead or nowhere: who is told what, and who is not disturbed.

package main_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

const (
	timedOut = "-ERR Connection timed out\r\n"
	refused  = "-ERR Connection refused\r\n"
	hostDown = "-ERR Host is down\r\n"
)

// puppet is a server whose every reply the test gives when it likes.
type puppet struct {
	*backend
	asked chan ask
	conns atomic.Int32 // accepted so far
}

// ask is a request that waits for the test's reply.
type ask struct {
	args []string
	conn net.Conn
}

func (a ask) reply(t *testing.T, reply string) {
	t.Helper()
	if _, err := a.conn.Write([]byte(reply)); err != nil {
		t.Fatal(err)
	}
}

func newPuppet(t *testing.T, network, address string) *puppet {
	p := &puppet{asked: make(chan ask, 1000)}
	p.backend = fakeServer(t, network, address, func(c net.Conn) {
		p.conns.Add(1)
		in := bufio.NewReader(c)
		for {
			args, err := readRequest(in)
			if err != nil {
				return
			}
			p.asked <- ask{args, c}
		}
	})
	return p
}

// oneWorker starts Pinion with one worker, so that all clients share its connections to the servers.
func oneWorker(t *testing.T, servers []string, options ...string) *proxy {
	t.Helper()
	address := freeAddress(t)
	options = append([]string{"redis: true", "hash: murmur"}, options...)
	return pinion(t, yaml(pool{"pool", address, options, servers}), "tcp", address, "--workers", "1")
}

// A request that waits too long fails alone: those behind it on the same connection get their own replies, and the
// reply that comes too late goes to nobody. With murmur, a lives on s0, k3 on s1.
func TestE2ETimeoutOfOneRequest(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := oneWorker(t, lines([]*backend{slow.backend, redisServer(t), redisServer(t)}), "timeout: 1500")
	first, second, other := p.dial(), p.dial(), p.dial()
	other.wantDo("+OK\r\n", "SET", "k3", "here")

	first.send(request("GET", "a") + request("GET", "k3"))
	late := <-slow.asked
	other.wantDo(bulk("here"), "GET", "k3")
	first.want(timedOut)
	first.want(bulk("here"))

	second.send(request("GET", "b") + request("MGET", "c", "k3"))
	own, part := <-slow.asked, <-slow.asked
	if own.conn != late.conn {
		t.Error("the timeout of one request has closed the connection")
	}
	late.reply(t, bulk("too late"))
	own.reply(t, bulk("in time"))
	part.reply(t, array(bulk("part")))
	second.want(bulk("in time"))
	second.want(array(bulk("part"), bulk("here")))
	first.send(request("GET", "a"))
	(<-slow.asked).reply(t, bulk("again"))
	first.want(bulk("again"))
	if n := p.serverCounter("s0", "server_timedout"); n != 1 {
		t.Errorf("server_timedout is %d, want 1", n)
	}
}

// A server that answers slowly is not given more than it can do. What has waited for that until its time was over is
// answered with a timeout, and never sent: neither then nor over the next connection.
func TestE2ETimeoutUnsent(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := oneWorker(t, []string{slow.address + ":1 s0"}, "timeout: 1000")
	first, second := p.dial(), p.dial()
	const asked = 200
	for i := range asked {
		first.send(request("GET", fmt.Sprint(i)))
	}
	held := <-slow.asked
	for i := range asked {
		second.send(request("SET", fmt.Sprint(i), "never"))
	}
	for range asked {
		first.want(timedOut)
		second.want(timedOut)
	}
	if n := p.serverCounter("s0", "in_queue"); n != 0 {
		t.Errorf("%d requests wait to be written although all were answered", n)
	}
	second.send(request("GET", "last"))
	sent := 1 // to the server
	for ask := held; ask.args[1] != "last"; ask = <-slow.asked {
		if ask.args[0] == "SET" {
			t.Fatalf("SET %s was answered with a timeout, and is sent later", ask.args[1])
		}
		if ask.conn == held.conn {
			_, _ = ask.conn.Write([]byte(bulk("late"))) // the connection may have ended
		}
		sent++
	}
	if sent >= asked {
		t.Errorf("the server has got %d requests without answering", sent)
	}
}

// With a Redis that sleeps for longer than twice the timeout everything asked of it fails in time, nothing else does,
// and afterwards all is well.
func TestE2ETimeoutOfServer(t *testing.T) {
	t.Parallel()
	servers := threeRedis(t)
	p := oneWorker(t, lines(servers), "timeout: 1000")
	c, other := p.dial(), p.dial()
	c.wantDo("+OK\r\n", "MSET", "a", "1", "k3", "2")
	servers[0].dial().send(request("DEBUG", "SLEEP", "3"))
	eventually(t, "the timeout", func() error { // the sleep may not have begun
		if got := c.do("GET", "a"); got != timedOut {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	for range 100 {
		other.wantDo(bulk("2"), "GET", "k3")
	}
	eventually(t, "the end of the sleep", func() error {
		if got := c.do("MGET", "k3", "a"); got != array(bulk("2"), bulk("1")) {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
}

// A server that is stopped and goes on later mixes up nothing.
func TestE2EStoppedServer(t *testing.T) {
	t.Parallel()
	servers := threeRedis(t)
	p := oneWorker(t, lines(servers), "timeout: 400")
	c := p.dial()
	for i := range 20 {
		c.wantDo("+OK\r\n", "SET", fmt.Sprintf("key:%d", i), fmt.Sprint(i))
	}
	servers[1].signal(syscall.SIGSTOP)
	failed := 0
	for range 2 {
		for i := range 20 {
			c.send(request("GET", fmt.Sprintf("key:%d", i)))
		}
		for i := range 20 {
			switch got := c.reply(); got {
			case timedOut:
				failed++
			case bulk(fmt.Sprint(i)):
			default:
				t.Errorf("key:%d is %q", i, got)
			}
		}
	}
	if failed == 0 || failed == 40 {
		t.Errorf("%d of 40 requests timed out", failed)
	}
	servers[1].signal(syscall.SIGCONT)
	for i := range 20 {
		key := fmt.Sprintf("key:%d", i)
		eventually(t, "getting "+key, func() error {
			switch got := c.do("GET", key); got {
			case bulk(fmt.Sprint(i)):
				return nil
			case timedOut:
				return fmt.Errorf("timed out")
			default:
				t.Fatalf("%s is %q", key, got)
				return nil
			}
		})
	}
}

// A dead server is reported at once, even without a timeout, and used again as soon as it is back.
func TestE2EDeadServer(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	dead := redisServerTCP(t, address)
	p := oneWorker(t, lines([]*backend{dead, redisServer(t), redisServer(t)}))
	c := p.dial()
	c.wantDo("+OK\r\n", "MSET", "a", "1", "k3", "2")
	dead.kill()
	if got := c.do("GET", "a"); !strings.HasPrefix(got, "-ERR ") { // it may meet the end of the old connection
		t.Errorf("after the server's death: %q", got)
	}
	for range 10 {
		c.wantDo(refused, "GET", "a")
		c.wantDo(refused, "MGET", "k3", "a")
		c.wantDo(bulk("2"), "GET", "k3")
	}
	redisServerTCP(t, address)
	c.wantDo("$-1\r\n", "GET", "a")
	c.wantDo(array("$-1\r\n", bulk("2")), "MGET", "a", "k3")
}

// A connection that breaks fails what waited on it, and only that.
func TestE2EBrokenConnection(t *testing.T) {
	t.Parallel()
	breaking := newPuppet(t, "unix", "")
	p := oneWorker(t, lines([]*backend{breaking.backend, redisServer(t), redisServer(t)}))
	c := p.dial()
	c.wantDo("+OK\r\n", "SET", "k3", "here")
	c.send(request("GET", "a") + request("GET", "k3") + request("GET", "b") + request("MGET", "k3", "c"))
	first := <-breaking.asked
	first.reply(t, bulk("one")+"$100\r\nhalf a re")
	<-breaking.asked
	<-breaking.asked
	first.conn.Close()
	c.want(bulk("one"))
	c.want(bulk("here"))
	c.want("-ERR Connection reset by peer\r\n")
	c.want("-ERR Connection reset by peer\r\n")
	c.send(request("GET", "a"))
	(<-breaking.asked).reply(t, bulk("two"))
	c.want(bulk("two"))
}

// Host names are looked up when they are needed; one that does not resolve is no obstacle for the others.
func TestE2EHostNames(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	redisServerTCP(t, address)
	local := strings.Replace(address, "127.0.0.1", "localhost", 1)
	p := oneWorker(t, []string{local + ":1 s0", "no-such-host.invalid:6379:1 s1", redisServer(t).address + ":1 s2"})
	c := p.dial()
	c.wantDo("+OK\r\n", "SET", "a", "by name")
	c.wantDo(bulk("by name"), "GET", "a")
	c.wantDo(hostDown, "GET", "k3")
	c.wantDo(hostDown, "MGET", "a", "k3")
	c.wantDo(bulk("by name"), "GET", "a")
}

// Where a server cannot be reached, the words are nutcracker's.
func TestE2ESameErrorsAsNutcracker(t *testing.T) {
	t.Parallel()
	silent := newPuppet(t, "unix", "")
	nobody, nothing := freeAddress(t), shortDir(t)+"/nothing"
	for _, server := range []string{nobody, nothing, "no-such-host.invalid:6379", silent.address} {
		address := [2]string{freeAddress(t), freeAddress(t)}
		config := func(i int) string {
			return yaml(pool{"pool", address[i], []string{"redis: true", "timeout: 700"}, []string{server + ":1"}})
		}
		theirs := nutcracker(t, config(0), "tcp", address[0]).dial()
		ours := pinion(t, config(1), "tcp", address[1]).dial()
		if want, got := theirs.do("GET", "a"), ours.do("GET", "a"); want != got || want[0] != '-' {
			t.Errorf("%s: nutcracker %q, pinion %q", server, want, got)
		}
	}
}
