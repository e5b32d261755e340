// Looking up the host of a server: beside the loop, once per connection, and forgotten by nobody.

package core

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// lookups answers look-ups one by one, when the test says so.
type lookups struct {
	asked   chan string
	answers chan []netip.Addr // nil: there is no such host
}

var errNoHost = errors.New("no such host")

func (k *lookups) host(_ context.Context, host string) ([]netip.Addr, error) {
	k.asked <- host
	if found := <-k.answers; found != nil {
		return found, nil
	}
	return nil, errNoHost
}

// tcpRig has one server that listens on TCP and is known by a host name.
func tcpRig(t *testing.T) (r *rig, k *lookups, listener int) {
	r = newRig(t)
	listener, err := sock.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), 16, false)
	r.must(err)
	t.Cleanup(func() { sock.Close(listener) })
	name, err := unix.Getsockname(listener)
	r.must(err)
	p := r.redisPool("s1")
	p.Timeout = time.Second
	p.Servers[0].Network = "tcp"
	p.Servers[0].Address = fmt.Sprintf("redis.test:%d", name.(*unix.SockaddrInet4).Port)
	r.start()
	k = &lookups{make(chan string, 1), make(chan []netip.Addr)}
	r.workers[0].resolver.Host = k.host
	return r, k, listener
}

// endLookup has the look-up that is under way find nothing, and waits for its end: it has descriptors for a moment.
func (r *rig) endLookup(k *lookups) {
	r.t.Helper()
	k.answers <- nil
	r.until(func() bool { return !r.conn().endpoint.where.lookup })
}

// until turns the first worker, waiting for what comes from outside, until done.
func (r *rig) until(done func() bool) {
	r.t.Helper()
	for tries := 0; !done(); tries++ {
		if tries > 1000 {
			r.t.Fatal("what was waited for does not come")
		}
		events, err := r.workers[0].poller.Wait(10 * time.Millisecond)
		r.must(err)
		r.workers[0].turn(events)
		r.receive()
	}
}

// conn is the first worker's connection to its first server.
func (r *rig) conn() *conn { return r.workers[0].pools[0].servers[0].primary.conns[0] }

// acceptTCP waits for the worker to connect.
func (r *rig) acceptTCP(listener int) *peer {
	var server *peer
	r.until(func() bool {
		if fd, err := sock.Accept(listener); err == nil {
			server = &peer{name: "s1#1", fd: fd}
			r.servers[0].conns = append(r.servers[0].conns, server)
		}
		return server != nil
	})
	return server
}

func TestLookup(t *testing.T) {
	r, k, listener := tcpRig(t)
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	if host := <-k.asked; host != "redis.test" {
		t.Errorf("looked up %q", host)
	}
	if got := r.conn().state; got != connResolving {
		t.Errorf("the connection is %v", got)
	}
	c.send(redisRequestOf("PING"))
	c.send(redisRequestOf("GET", "l"))
	r.turn()
	k.answers <- []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}
	server := r.acceptTCP(listener)
	want := string(redisRequestOf("GET", "k")) + string(redisRequestOf("GET", "l"))
	r.until(func() bool { return len(server.got) >= len(want) })
	if got := string(server.take()); got != want {
		t.Errorf("the server got %q, want %q", got, want)
	}
	server.send([]byte("$1\r\n1\r\n$1\r\n2\r\n"))
	want = "$1\r\n1\r\n+PONG\r\n$1\r\n2\r\n"
	r.until(func() bool { return len(c.got) >= len(want) })
	if got := string(c.take()); got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
	server.hangUp()
	r.until(func() bool { return r.conn().state == connClosed })
}

// Where a name has several addresses, one that refuses is no reason to fail, nor is it the next time.
func TestNextAddress(t *testing.T) {
	r, k, listener := tcpRig(t)
	c := r.connect("a", 0, 0)
	ask := func(addresses ...string) {
		r.advance(lookupPause)
		c.send(redisRequestOf("GET", "k"))
		r.turn()
		<-k.asked
		var found []netip.Addr
		for _, address := range addresses {
			found = append(found, netip.MustParseAddr(address))
		}
		k.answers <- found
	}
	hears := func(want string) {
		t.Helper()
		r.until(func() bool { return len(c.got) >= len(want) })
		if got := string(c.take()); got != want {
			t.Errorf("the client got %q, want %q", got, want)
		}
	}
	for range 2 {
		ask("127.0.0.2", "127.0.0.3")
		hears("-ERR Connection refused\r\n")
		ask("127.0.0.2", "127.0.0.1")
		server := r.acceptTCP(listener)
		r.until(func() bool { return len(server.got) > 0 })
		server.hangUp()
		hears("-ERR Connection reset by peer\r\n")
	}
	if got := *r.conn().endpoint.counters[link.ServerErr]; got != 2 {
		t.Errorf("server_err is %d, want one for each time that no address was good", got)
	}
}

func TestLookupFails(t *testing.T) {
	r, k, _ := tcpRig(t)
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked
	k.answers <- nil
	const want = "-ERR Host is down\r\n"
	r.until(func() bool { return len(c.got) >= len(want) })
	if got := string(c.take()); got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
	if got := *r.workers[0].pools[0].counters[link.ForwardError]; got != 1 {
		t.Errorf("forward_error is %d", got)
	}
	for range 100 {
		c.send(redisRequestOf("GET", "k"))
		r.turn()
		if got := string(c.take()); got != want {
			t.Fatalf("the client got %q, want %q", got, want)
		}
	}
	if len(k.asked) > 0 {
		t.Error("a look-up that has failed is repeated at once")
	}
}

// A name server that is silent keeps nobody from a server whose address is known, nor does one that has failed.
func TestNameServerIsSilent(t *testing.T) {
	r, k, listener := tcpRig(t)
	c := r.connect("a", 0, 0)
	ask := func() {
		c.send(redisRequestOf("GET", "k"))
		r.turn()
	}
	served := func() {
		t.Helper()
		server := r.acceptTCP(listener)
		r.until(func() bool { return len(server.got) > 0 })
		server.send([]byte("$1\r\n1\r\n"))
		r.until(func() bool { return len(c.got) >= len("$1\r\n1\r\n") })
		if got := string(c.take()); got != "$1\r\n1\r\n" {
			t.Errorf("the client got %q", got)
		}
		server.hangUp()
		r.until(func() bool { return r.conn().state == connClosed })
	}
	ask()
	<-k.asked
	k.answers <- []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	served()
	ask() // the outcome is still good
	served()
	r.advance(lookupPause)
	ask()
	<-k.asked
	if got := r.conn().state; got != connResolving {
		t.Errorf("the connection is %v, although its name may be found in time", got)
	}
	r.advance(lookupPatience)
	served()
	ask() // the look-up is late already
	served()
	r.endLookup(k)
	ask()
	served()
	if len(k.asked) > 0 {
		t.Error("a look-up that has failed is repeated at once")
	}
}

// All names are looked up at the start: the first that a worker's clients want to know may be one too many.
func TestNamesAreKnownBefore(t *testing.T) {
	r, k, listener := tcpRig(t)
	l := r.workers[0]
	l.lookUpNames()
	<-k.asked
	k.answers <- []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	r.until(func() bool { return !r.conn().endpoint.where.lookup })
	r.advance(lookupPause)
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked // and nobody answers
	r.advance(lookupPatience)
	r.acceptTCP(listener).hangUp()
	r.until(func() bool { return r.conn().state == connClosed })
	r.endLookup(k)
}

// An address that does not answer is passed over by the next connection, whatever order the name server likes best.
func TestBlackHole(t *testing.T) {
	r, k, listener := tcpRig(t)
	good := netip.MustParseAddrPort(sock.LocalAddress(listener))
	hole := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), good.Port())
	full, err := sock.ListenTCP(hole, 1, false)
	r.must(err)
	t.Cleanup(func() { sock.Close(full) })
	for range 3 { // more than its queue takes: it hears of no other
		fd, _, err := sock.ConnectTCP(hole)
		r.must(err)
		t.Cleanup(func() { sock.Close(fd) })
	}
	c := r.connect("a", 0, 0)
	answer := []netip.Addr{hole.Addr(), good.Addr()}
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked
	k.answers <- answer
	r.until(func() bool { return r.conn().state == connConnecting })
	r.advance(time.Second)
	if got := string(c.take()); got != "-ERR Connection timed out\r\n" {
		t.Errorf("the client got %q", got)
	}
	for range 2 {
		r.advance(lookupPause)
		c.send(redisRequestOf("GET", "k"))
		r.turn()
		<-k.asked
		k.answers <- answer
		server := r.acceptTCP(listener)
		r.until(func() bool { return len(server.got) > 0 })
		server.hangUp()
		r.until(func() bool { return r.conn().state == connClosed })
		c.take()
	}
}

// Where nobody listens, the kernel may choose the server's port for the worker's own end: that is nobody, too.
func TestConnectionToItself(t *testing.T) {
	r, k, _ := tcpRig(t)
	fd, err := sock.BindTCP(netip.MustParseAddrPort("127.0.0.1:0"), false)
	r.must(err)
	itself := netip.MustParseAddrPort(sock.LocalAddress(fd))
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(itself.Port()), Addr: itself.Addr().As4()}); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked
	conn, l := r.conn(), r.workers[0]
	conn.become(connConnecting)
	conn.token, err = l.register(fd, conn)
	r.must(err)
	conn.stream.SetFD(fd)
	l.opened()
	const want = "-ERR Connection refused\r\n"
	r.until(func() bool { return len(c.got) >= len(want) })
	if got := string(c.take()); got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
	if conn.state != connClosed || *conn.endpoint.counters[link.ServerConnections] != 0 {
		t.Errorf("the connection is %v, and %d count", conn.state, *conn.endpoint.counters[link.ServerConnections])
	}
	fd, err = sock.ListenTCP(itself, 1, false)
	if err != nil {
		t.Fatalf("the server cannot have its port: %v", err)
	}
	sock.Close(fd)
	r.endLookup(k)
}

// A look-up that takes longer than the client waits is used by the next one, and is not asked for twice.
func TestLookupIsLate(t *testing.T) {
	r, k, _ := tcpRig(t)
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked
	r.advance(time.Second)
	if got := string(c.take()); got != "-ERR Connection timed out\r\n" {
		t.Errorf("the client got %q", got)
	}
	c.send(redisRequestOf("GET", "l"))
	r.turn()
	k.answers <- nil
	const want = "-ERR Host is down\r\n"
	r.until(func() bool { return len(c.got) >= len(want) })
	if got := string(c.take()); got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
	if len(k.asked) > 0 {
		t.Error("the name was looked up twice for one connection")
	}
	if waiting := r.workers[0].pools[0].servers[0].primary.where.waiting; len(waiting) != 0 {
		t.Errorf("%d connections wait for a look-up that is over", len(waiting))
	}
}

// A look-up for which there is no descriptor says nothing about the server.
func TestLookupWithoutDescriptors(t *testing.T) {
	for err, own := range map[error]bool{unix.EMFILE: true, errNoHost: false} {
		failure := error(&nameError{fmt.Errorf("looking up %q: %w", "redis.test", err)})
		if isOwnTrouble(failure) != own || !errors.Is(failure, unix.EHOSTDOWN) {
			t.Errorf("%v is own trouble: %v", failure, !own)
		}
	}
}

// A worker that begins while the name server is silent knows where others have reached the server.
func TestAddressIsRemembered(t *testing.T) {
	r, k, listener := tcpRig(t)
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	<-k.asked
	k.answers <- []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	r.acceptTCP(listener).hangUp()
	r.until(func() bool { return r.conn().state == connClosed })

	next := newServer(r.workers[0].pools[0], 0)
	r.workers[0].pools[0].servers[0] = next
	next.primary.conns[0].open()
	<-k.asked
	r.advance(lookupPatience)
	r.acceptTCP(listener)
	r.until(func() bool { return next.primary.conns[0].state == connReady })
	next.primary.conns[0].retire()
	k.answers <- nil
	r.until(func() bool { return !next.primary.where.lookup })
	if addr, err := next.primary.nextAddress(); err != nil || addr.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the server is at %v, %v", addr, err)
	}
}

// What waits for a look-up is held like what waits for a server: when memory is short it goes, and not those who hold little.
func TestWhatWaitsForANameIsEvicted(t *testing.T) {
	r, k, _ := tcpRig(t)
	l := r.workers[0]
	c := r.connect("large", 0, 0)
	c.send(redisRequestOf("SET", "k", strings.Repeat("x", 300<<10)))
	modest := r.connect("modest", 0, 0)
	begin(modest, 1000)
	r.turn()
	<-k.asked
	l.spec.MemoryLimit = l.memory.Held()
	l.turn(nil) // it becomes scarce
	l.turn(nil)
	r.turn()
	if got := string(c.take()); got != "-ERR "+errReplyMemory.Error()+"\r\n" || c.ended {
		t.Errorf("whose request waits got %q; closed: %v", got, c.ended)
	}
	if modest.ended {
		t.Error("who holds little is closed")
	}
	if word := r.conn().endpoint.server.liveness(); !word.Alive() || word.Failures() > 0 {
		t.Errorf("the server is %v", word)
	}
	r.endLookup(k)
}
