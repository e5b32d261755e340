// Servers that are slow, stopped, dead or nowhere: who is told what, and who is not disturbed.

package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

const (
	timedOut = "-ERR Connection timed out\r\n"
	refused  = "-ERR Connection refused\r\n"
	hostDown = "-ERR Host is down\r\n"
)

// puppet is a server whose every reply the test gives when it likes.
type puppet struct {
	*rig.Backend
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
	p.Backend = rig.FakeServer(t, network, address, func(c net.Conn) {
		p.conns.Add(1)
		in := bufio.NewReader(c)
		for {
			args, err := rig.ReadRequest(in)
			if err != nil {
				return
			}
			p.asked <- ask{args, c}
		}
	})
	return p
}

// oneWorker starts Pinion with one worker, so that all clients share its connections to the servers.
func oneWorker(t *testing.T, servers []string, options ...string) *rig.Proxy {
	t.Helper()
	address := rig.FreeAddress(t)
	options = append([]string{"redis: true", "hash: murmur"}, options...)
	return rig.Pinion(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: servers}), "tcp", address, "--workers", "1")
}

// A request that waits too long fails alone: those behind it on the same connection get their own replies, and the
// reply that comes too late goes to nobody. With murmur, a lives on s0, k3 on s1.
func TestE2ETimeoutOfOneRequest(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := oneWorker(t, rig.Lines([]*rig.Backend{slow.Backend, rig.RedisServer(t), rig.RedisServer(t)}), "timeout: 1500")
	first, second, other := p.Dial(), p.Dial(), p.Dial()
	other.WantDo("+OK\r\n", "SET", "k3", "here")

	first.Send(rig.Request("GET", "a") + rig.Request("GET", "k3"))
	late := <-slow.asked
	other.WantDo(rig.Bulk("here"), "GET", "k3")
	first.Want(timedOut)
	first.Want(rig.Bulk("here"))

	second.Send(rig.Request("GET", "b") + rig.Request("MGET", "c", "k3"))
	own, part := <-slow.asked, <-slow.asked
	if own.conn != late.conn {
		t.Error("the timeout of one request has closed the connection")
	}
	late.reply(t, rig.Bulk("too late"))
	own.reply(t, rig.Bulk("in time"))
	part.reply(t, rig.Array(rig.Bulk("part")))
	second.Want(rig.Bulk("in time"))
	second.Want(rig.Array(rig.Bulk("part"), rig.Bulk("here")))
	first.Send(rig.Request("GET", "a"))
	(<-slow.asked).reply(t, rig.Bulk("again"))
	first.Want(rig.Bulk("again"))
	if n := p.ServerCounter("s0", "server_timedout"); n != 1 {
		t.Errorf("server_timedout is %d, want 1", n)
	}
}

// A server that answers slowly is not given more than it can do. What has waited for that until its time was over is
// answered with a timeout, and never sent: neither then nor over the next connection.
func TestE2ETimeoutUnsent(t *testing.T) {
	t.Parallel()
	slow := newPuppet(t, "unix", "")
	p := oneWorker(t, []string{slow.Address + ":1 s0"}, "timeout: 1000")
	first, second := p.Dial(), p.Dial()
	const asked = 200
	for i := range asked {
		first.Send(rig.Request("GET", fmt.Sprint(i)))
	}
	held := <-slow.asked
	for i := range asked {
		second.Send(rig.Request("SET", fmt.Sprint(i), "never"))
	}
	for range asked {
		first.Want(timedOut)
		second.Want(timedOut)
	}
	if n := p.ServerCounter("s0", "in_queue"); n != 0 {
		t.Errorf("%d requests wait to be written although all were answered", n)
	}
	second.Send(rig.Request("GET", "last"))
	sent := 1 // to the server
	for ask := held; ask.args[1] != "last"; ask = <-slow.asked {
		if ask.args[0] == "SET" {
			t.Fatalf("SET %s was answered with a timeout, and is sent later", ask.args[1])
		}
		if ask.conn == held.conn {
			_, _ = ask.conn.Write([]byte(rig.Bulk("late"))) // the connection may have ended
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
	servers := rig.ThreeRedis(t)
	p := oneWorker(t, rig.Lines(servers), "timeout: 1000")
	c, other := p.Dial(), p.Dial()
	c.WantDo("+OK\r\n", "MSET", "a", "1", "k3", "2")
	servers[0].Dial().Send(rig.Request("DEBUG", "SLEEP", "3"))
	rig.Eventually(t, "the timeout", func() error { // the sleep may not have begun
		if got := c.Do("GET", "a"); got != timedOut {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	for range 100 {
		other.WantDo(rig.Bulk("2"), "GET", "k3")
	}
	rig.Eventually(t, "the end of the sleep", func() error {
		if got := c.Do("MGET", "k3", "a"); got != rig.Array(rig.Bulk("2"), rig.Bulk("1")) {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
}

// A server that is stopped and goes on later mixes up nothing.
func TestE2EStoppedServer(t *testing.T) {
	t.Parallel()
	servers := rig.ThreeRedis(t)
	p := oneWorker(t, rig.Lines(servers), "timeout: 1500") // the other servers are no faster than the machine
	c := p.Dial()
	for i := range 20 {
		c.WantDo("+OK\r\n", "SET", fmt.Sprintf("key:%d", i), fmt.Sprint(i))
	}
	servers[1].Signal(syscall.SIGSTOP)
	failed := 0
	for range 2 {
		for i := range 20 {
			c.Send(rig.Request("GET", fmt.Sprintf("key:%d", i)))
		}
		for i := range 20 {
			switch got := c.Reply(); got {
			case timedOut:
				failed++
			case rig.Bulk(fmt.Sprint(i)):
			default:
				t.Errorf("key:%d is %q", i, got)
			}
		}
	}
	if failed == 0 || failed == 40 {
		t.Errorf("%d of 40 requests timed out", failed)
	}
	servers[1].Signal(syscall.SIGCONT)
	for i := range 20 {
		key := fmt.Sprintf("key:%d", i)
		rig.Eventually(t, "getting "+key, func() error {
			switch got := c.Do("GET", key); got {
			case rig.Bulk(fmt.Sprint(i)):
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
	address := rig.FreeAddress(t)
	dead := rig.RedisServerTCP(t, address)
	p := oneWorker(t, rig.Lines([]*rig.Backend{dead, rig.RedisServer(t), rig.RedisServer(t)}))
	c := p.Dial()
	c.WantDo("+OK\r\n", "MSET", "a", "1", "k3", "2")
	dead.Kill()
	if got := c.Do("GET", "a"); !strings.HasPrefix(got, "-ERR ") { // it may meet the end of the old connection
		t.Errorf("after the server's death: %q", got)
	}
	for range 10 {
		c.WantDo(refused, "GET", "a")
		c.WantDo(refused, "MGET", "k3", "a")
		c.WantDo(rig.Bulk("2"), "GET", "k3")
	}
	rig.RedisServerTCP(t, address)
	c.WantDo("$-1\r\n", "GET", "a")
	c.WantDo(rig.Array("$-1\r\n", rig.Bulk("2")), "MGET", "a", "k3")
}

// A connection that breaks fails what waited on it, and only that.
func TestE2EBrokenConnection(t *testing.T) {
	t.Parallel()
	breaking := newPuppet(t, "unix", "")
	p := oneWorker(t, rig.Lines([]*rig.Backend{breaking.Backend, rig.RedisServer(t), rig.RedisServer(t)}))
	c := p.Dial()
	c.WantDo("+OK\r\n", "SET", "k3", "here")
	c.Send(rig.Request("GET", "a") + rig.Request("GET", "k3") + rig.Request("GET", "b") + rig.Request("MGET", "k3", "c"))
	first := <-breaking.asked
	first.reply(t, rig.Bulk("one")+"$100\r\nhalf a re")
	<-breaking.asked
	<-breaking.asked
	first.conn.Close()
	c.Want(rig.Bulk("one"))
	c.Want(rig.Bulk("here"))
	c.Want("-ERR Connection reset by peer\r\n")
	c.Want("-ERR Connection reset by peer\r\n")
	c.Send(rig.Request("GET", "a"))
	(<-breaking.asked).reply(t, rig.Bulk("two"))
	c.Want(rig.Bulk("two"))
}

// Host names are looked up when they are needed; one that does not resolve is no obstacle for the others.
func TestE2EHostNames(t *testing.T) {
	t.Parallel()
	address := rig.FreeAddress(t)
	rig.RedisServerTCP(t, address)
	local := strings.Replace(address, "127.0.0.1", "localhost", 1)
	p := oneWorker(t, []string{local + ":1 s0", "no-such-host.invalid:6379:1 s1", rig.RedisServer(t).Address + ":1 s2"})
	c := p.Dial()
	c.WantDo("+OK\r\n", "SET", "a", "by name")
	c.WantDo(rig.Bulk("by name"), "GET", "a")
	c.WantDo(hostDown, "GET", "k3")
	c.WantDo(hostDown, "MGET", "a", "k3")
	c.WantDo(rig.Bulk("by name"), "GET", "a")
}

// Where a server cannot be reached, the words are nutcracker's.
func TestE2ESameErrorsAsNutcracker(t *testing.T) {
	t.Parallel()
	silent := newPuppet(t, "unix", "")
	nobody, nothing := rig.FreeAddress(t), rig.ShortDir(t)+"/nothing"
	for _, server := range []string{nobody, nothing, "no-such-host.invalid:6379", silent.Address} {
		address := [2]string{rig.FreeAddress(t), rig.FreeAddress(t)}
		config := func(i int) string {
			return rig.Yaml(rig.Pool{Name: "pool", Listen: address[i], Options: []string{"redis: true", "timeout: 700"}, Servers: []string{server + ":1"}})
		}
		theirs := rig.Nutcracker(t, config(0), "tcp", address[0]).Dial()
		ours := rig.Pinion(t, config(1), "tcp", address[1]).Dial()
		if want, got := theirs.Do("GET", "a"), ours.Do("GET", "a"); want != got || want[0] != '-' {
			t.Errorf("%s: nutcracker %q, pinion %q", server, want, got)
		}
	}
}
