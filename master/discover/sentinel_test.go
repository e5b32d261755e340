// Sentinels and servers as they are on the wire, played by the test: some hang, some are not there.

package discover

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// fake is a sentinel or a server.
type fake struct {
	t       *testing.T
	address string
	silent  bool // it accepts connections, and says nothing

	mu          sync.Mutex
	replies     map[string]string // by command, in upper case
	subscribers []net.Conn
	asked       map[string]int
}

// newFake begins one, which speaks TLS if there is a configuration for it.
func newFake(t *testing.T, encrypted ...*tls.Config) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, address: l.Addr().String(), replies: map[string]string{}, asked: map[string]int{}}
	var group sync.WaitGroup
	var conns []net.Conn
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if len(encrypted) > 0 {
				conn = tls.Server(conn, encrypted[0])
			}
			f.mu.Lock()
			conns = append(conns, conn)
			f.mu.Unlock()
			group.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		f.mu.Unlock()
		group.Wait()
	})
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		command := strings.ToUpper(strings.Join(words, " "))
		f.mu.Lock()
		f.asked[command]++
		reply, known := f.replies[command]
		if command == "SUBSCRIBE +SWITCH-MASTER" {
			f.subscribers = append(f.subscribers, conn)
			reply, known = "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n", true
		}
		f.mu.Unlock()
		switch {
		case f.silent:
			continue
		case !known:
			reply = "-ERR unknown command\r\n"
		}
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings.
func readCommand(in *bufio.Reader) (words []string, err error) {
	line := func() string {
		text, e := in.ReadString('\n')
		if e != nil {
			err = e
		}
		return strings.TrimSpace(text)
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(line(), "*"))
	for range n {
		line() // its length
		words = append(words, line())
	}
	return words, err
}

// says has a sentinel say where the master is.
func (f *fake) says(server *fake, epoch int) {
	host, port, _ := net.SplitHostPort(server.address)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies["SENTINEL MASTER M"] = fmt.Sprintf("*4\r\n$4\r\nname\r\n$1\r\nm\r\n$12\r\nconfig-epoch\r\n$1\r\n%d\r\n", epoch)
	f.replies["SENTINEL GET-MASTER-ADDR-BY-NAME M"] = fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
	f.replies["SENTINEL SENTINELS M"] = "*0\r\n"
	f.replies["SENTINEL MYID"] = fmt.Sprintf("$%d\r\n%s\r\n", len(f.address), f.address)
	f.replies["PING"] = "+PONG\r\n"
}

// publishes has a sentinel publish to whoever has subscribed, and tells whether there was anybody.
func (f *fake) publishes(payload string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.subscribers {
		fmt.Fprintf(conn, "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%d\r\n%s\r\n", len(payload), payload)
	}
	return len(f.subscribers) > 0
}

func newFakeServer(t *testing.T, role string, encrypted ...*tls.Config) *fake {
	f := newFake(t, encrypted...)
	f.replies["ROLE"] = fmt.Sprintf("*3\r\n$%d\r\n%s\r\n:0\r\n*0\r\n", len(role), role)
	f.replies["AUTH PASSWORD"] = "+OK\r\n"
	return f
}

// heard is what a follower has told.
type heard struct {
	t    *testing.T
	news chan News
}

// until returns the news that fulfil something; all before are skipped.
func (h *heard) until(what string, fulfilled func(News) bool) {
	h.t.Helper()
	for over := time.After(20 * time.Second); ; {
		select {
		case n := <-h.news:
			if fulfilled(n) {
				return
			}
		case <-over:
			h.t.Fatalf("nobody tells %s", what)
		}
	}
}

func (h *heard) untilAt(server *fake, epoch uint64) {
	h.t.Helper()
	h.until("that the master is at "+server.address, func(n News) bool {
		return len(n.Servers) == 1 && len(n.Servers[0].Endpoints) > 0 && n.Servers[0].Endpoints[0].Address == server.address && n.Servers[0].Epoch == epoch
	})
}

func follow(t *testing.T, sentinels ...string) (Following, *heard) {
	p := &link.Pool{Name: "p", Password: "password", Sentinels: sentinels, Servers: []link.Server{{Name: "s", Network: link.Sentinel, Address: "m"}}}
	h := &heard{t, make(chan News, 1000)}
	f := Follow(p, nil, func(n News) { h.news <- n })
	t.Cleanup(f.Stop)
	return f, h
}

// One of four sentinels hangs, and at the address of another nobody listens. Two of them are not most of four, and they agree.
func TestFollow(t *testing.T) {
	hung, one, two := newFake(t), newFake(t), newFake(t)
	hung.silent = true
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	before, after := newFakeServer(t, "master"), newFakeServer(t, "slave")
	one.says(before, 3)
	two.says(before, 3)
	f, h := follow(t, hung.address, gone.Addr().String(), one.address, two.address)
	h.untilAt(before, 3)
	<-f.Located

	one.says(after, 4)
	two.says(after, 4)
	h.until("that the new master is a replica", func(n News) bool { return strings.Contains(strings.Join(n.Problems, ""), "says that it is a replica") })
	after.mu.Lock()
	after.replies["ROLE"] = before.replies["ROLE"]
	after.mu.Unlock()
	h.untilAt(after, 4)
}

// Whoever publishes is not alone in being asked. Garbage is not heeded.
func TestFollowPublished(t *testing.T) {
	one, two := newFake(t), newFake(t)
	before, after := newFakeServer(t, "master"), newFakeServer(t, "master")
	one.says(before, 3)
	two.says(before, 3)
	_, h := follow(t, one.address, two.address)
	h.untilAt(before, 3)
	one.says(after, 4)
	two.says(after, 4)
	for !one.publishes("garbage") {
		time.Sleep(time.Millisecond)
	}
	one.publishes("m 127.0.0.1 1 127.0.0.1 2")
	h.untilAt(after, 4)
	two.mu.Lock()
	defer two.mu.Unlock()
	if n := two.asked["SENTINEL MASTER M"]; n < 2 {
		t.Errorf("the other sentinel was asked %d times", n)
	}
}

// A master that has made its own replica the master is asked when somebody doubts it, long before sentinels notice.
func TestFollowDoubted(t *testing.T) {
	one := newFake(t)
	before, after := newFakeServer(t, "master"), newFakeServer(t, "master")
	one.says(before, 3)
	host, port, _ := net.SplitHostPort(after.address)
	one.mu.Lock()
	one.replies["SENTINEL REPLICAS M"] = fmt.Sprintf("*1\r\n*4\r\n$2\r\nip\r\n$%d\r\n%s\r\n$4\r\nport\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
	one.mu.Unlock()
	f, h := follow(t, one.address)
	h.untilAt(before, 3)
	f.Doubt(link.Server{Address: "nobody"})
	before.mu.Lock()
	before.replies["ROLE"] = fmt.Sprintf("*5\r\n$5\r\nslave\r\n$%d\r\n%s\r\n:%s\r\n$9\r\nconnected\r\n:0\r\n", len(host), host, port)
	before.mu.Unlock()
	f.Doubt(link.Server{Address: "m"})
	h.untilAt(after, 3)
}

// A sentinel that refuses is not stormed: nothing is subscribed there.
func TestSentinelRefuses(t *testing.T) {
	refusing, server := newFake(t), newFakeServer(t, "master")
	refusing.says(server, 3)
	for command := range refusing.replies {
		refusing.replies[command] = "-NOAUTH Authentication required.\r\n"
	}
	_, h := follow(t, refusing.address)
	problems := ""
	h.until("that it refuses, and that nobody knows", func(n News) bool {
		problems += strings.Join(n.Problems, "")
		return strings.Contains(problems, "NOAUTH") && strings.Contains(problems, "nobody knows where that is")
	})
	refusing.mu.Lock()
	defer refusing.mu.Unlock()
	if len(refusing.subscribers) > 0 {
		t.Error("it was subscribed to")
	}
}

// Sentinels are asked for a failover one after the other, until one begins; with Valkey's, the master passes its writes on. Whoever may
// have begun is the last one asked.
func TestFailoverIsLed(t *testing.T) {
	const coordinated, plain = "SENTINEL FAILOVER M COORDINATED", "SENTINEL FAILOVER M"
	const unknown = "-ERR wrong number of arguments for 'sentinel|failover' command\r\n"
	type replies map[string]string
	none := replies{coordinated: "-NOGOODSLAVE No suitable replica to promote\r\n"}
	for _, test := range []struct {
		sentinels []replies
		by        int    // index; -1: none
		err       string // the end of it
		last      int    // the last one asked
	}{
		{[]replies{{coordinated: "+OK\r\n"}, none}, 0, "", 0},
		{[]replies{none, {coordinated: unknown, plain: "+OK\r\n"}}, 1, "", 1},
		{[]replies{{coordinated: unknown, plain: "-NOPERM no\r\n"}, none}, -1, "NOGOODSLAVE No suitable replica to promote", 1},
		{[]replies{{coordinated: "-INPROG Failover already in progress\r\n"}, none}, -1, "INPROG Failover already in progress", 0},
		{[]replies{{coordinated: "-ERR No such master with that name\r\n"}}, -1, "ERR No such master with that name", 0},
		{nil, -1, errNoSentinel.Error(), -1},
	} {
		var fakes []*fake
		var addresses []string
		for _, r := range test.sentinels {
			f := newFake(t)
			f.replies = r
			f.replies["PING"] = "+PONG\r\n"
			fakes = append(fakes, f)
			addresses = append(addresses, f.address)
		}
		r := &runner{pool: &link.Pool{}, ctx: t.Context()}
		by, err := r.lead("m", addresses)
		if want := test.by; want >= 0 && (by != addresses[want] || err != nil) {
			t.Errorf("%v: %q leads, %v", test, by, err)
		}
		if test.by < 0 && (err == nil || !strings.HasSuffix(err.Error(), test.err)) {
			t.Errorf("%v: %q leads, %v", test, by, err)
		}
		for i, f := range fakes {
			f.mu.Lock()
			if asked := f.asked[coordinated] > 0; asked != (i <= test.last) {
				t.Errorf("%v: sentinel %d was asked: %v", test, i, asked)
			}
			f.mu.Unlock()
		}
	}
}

// Only sentinels that answer, that count, and that name the master where it is taken to be, may lead.
func TestLeaders(t *testing.T) {
	f := newFollower(&link.Pool{Sentinels: []string{"1", "2", "3"}, Servers: []link.Server{{Name: "s", Address: "m"}}}, nil, effects{
		watch: func(string) {}, leave: func(string) {}, ask: func() {}, look: func(string, string) {}, tell: func(News) {},
	}, time.Now())
	says := func(from, address string, others ...peer) {
		f.hear(answer{from: from, masters: []statement{{master: "m", place: place{address: address, epoch: 1}}}, others: others}, time.Now())
	}
	says("1", "a", peer{address: "4"})
	says("2", "a")
	says("4", "a")
	f.looked("m", "a", roleMaster, true, time.Now())
	says("3", "b")
	if got := strings.Join(f.leaders("m"), " "); got != "1 2" {
		t.Errorf("there are %q", got)
	}
	f.hear(answer{from: "1", failure: errNoSentinel}, time.Now())
	if got := strings.Join(f.leaders("m"), " "); got != "2" {
		t.Errorf("without the first there are %q", got)
	}
}

// A sentinel goes on to tell of replicas that are gone: they take no place from others.
func TestReplicasThatAreGone(t *testing.T) {
	var all []map[string]string
	for i := range link.MaxReplicas + 1 {
		all = append(all, map[string]string{"ip": "10.0.0.1", "port": strconv.Itoa(i), "flags": "slave"})
	}
	all[0]["flags"], all[3]["flags"] = "s_down,slave,disconnected", "slave,disconnected"
	if n := len(replicasOf(t.Context(), all)); n != link.MaxReplicas-1 {
		t.Errorf("of nine, of which two are gone, %d are told", n)
	}
	if n := len(replicasOf(t.Context(), all[:4])); n != 4 {
		t.Errorf("of four, of which two are gone, %d are told: they may come back", n)
	}
}
