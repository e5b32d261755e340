// Sentinels and servers as they are on the wire, played by the test: some hang, some are not there.

package discover

import (
	"bufio"
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

func newFake(t *testing.T) *fake {
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

func newFakeServer(t *testing.T, role string) *fake {
	f := newFake(t)
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
		return len(n.Servers) == 1 && len(n.Servers[0].Endpoints) == 1 && n.Servers[0].Endpoints[0].Address == server.address && n.Servers[0].Epoch == epoch
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
