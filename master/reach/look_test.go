// What is said of those who answer otherwise than the file has it, each by a server that answers so.

package reach

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
)

// brief is enough for a server of this process, and short for one that says nothing.
const brief = 300 * time.Millisecond

// serve has a function serve each connection, and returns the address.
func serve(t *testing.T, each func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, each)
}

// serveOn is serve at a listener.
func serveOn(t *testing.T, l net.Listener, each func(net.Conn)) string {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				each(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// redisThat answers commands as an answer of Redis says, and those that have none with an error.
func redisThat(answers map[string]string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			words, err := command(in)
			if err != nil {
				return
			}
			answer, known := answers[strings.Join(words, " ")]
			if !known {
				answer, known = answers[words[0]]
			}
			if !known {
				answer = fmt.Sprintf("-ERR unknown command '%s'", words[0])
			}
			if answer == "" {
				return
			}
			io.WriteString(conn, answer+"\r\n")
		}
	}
}

func command(in *bufio.Reader) (words []string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.Trim(line, "*\r\n"))
	for range n {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, err
		}
		size, _ := strconv.Atoi(strings.Trim(line, "$\r\n"))
		text := make([]byte, size+2)
		if _, err = io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words = append(words, string(text[:size]))
	}
	return words, err
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s", len(text), text) }

// linesThat answers lines, as memcached does.
func linesThat(answers map[string]string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewScanner(conn)
		for in.Scan() {
			answer, known := answers[strings.TrimSpace(in.Text())]
			if !known {
				answer = "ERROR"
			}
			io.WriteString(conn, answer+"\r\n")
		}
	}
}

func tlsServer(t *testing.T) string {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	certificate := server.TLS.Certificates
	server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificate})
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, func(conn net.Conn) { conn.(*tls.Conn).Handshake() })
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// lookAt returns what is said of a configuration in which ADDRESS stands for an address, and how many cannot serve.
func lookAt(t *testing.T, text, address string) (string, Answer) {
	t.Helper()
	c, err := config.Parse("f", []byte(strings.ReplaceAll(text, "ADDRESS", address)))
	if err != nil {
		t.Fatal(err)
	}
	a := newLook(c, 4, brief).all(context.Background(), c)
	return strings.ReplaceAll(a.Problems.Error(), address, "ADDRESS"), a
}

const (
	redisPool     = "alpha:\n  listen: 127.0.0.1:1\n  redis: true\n"
	memcachedPool = "alpha:\n  listen: 127.0.0.1:1\n"
	aServer       = "  servers:\n  - ADDRESS:1 one\n"
	inPool        = `pool "alpha": server "one" at ADDRESS `
)

// inPlace begins what is said of the server in aServer.
var inPlace = regexp.MustCompile(`(?m)^f:\d+:5: (warning: )?` + inPool)

var fine = map[string]string{"PING": "+PONG", "AUTH secret": "+OK", "AUTH": "-WRONGPASS no", "SELECT": "+OK", "CONFIG": "*2\r\n$10\r\nmaxclients\r\n$5\r\n10000"}

// with returns answers of which some are others.
func with(more map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{fine, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func TestRedis(t *testing.T) {
	for _, test := range []struct {
		keys    string
		answers map[string]string
		want    string // after the place, without the pool and the server
		fails   bool
	}{
		{"", nil, "", false},
		{"  redis_auth: secret\n", nil, "", false},
		{"  redis_auth: wrong\n", nil, "refuses the password; correct redis_auth, or requirepass there", true},
		{"  server_user: app\n  server_password: wrong\n", nil,
			`does not let user "app" in, who has another password there, is off, or does not exist; correct server_user or the password, or see ACL LIST there`, true},
		{"  redis_auth: secret\n", map[string]string{"AUTH secret": "-ERR Client sent AUTH, but no password is set"},
			"warning: has no password, and takes any; set requirepass there, or remove redis_auth", false},
		{"", map[string]string{"PING": "-NOAUTH Authentication required."}, "wants a password; add server_password, or redis_auth if clients are to give it as well", true},
		{"", map[string]string{"PING": "-LOADING Redis is loading"}, "warning: is loading its data, and answers nothing else meanwhile; wait", false},
		{"", map[string]string{"PING": "-DENIED Redis is running in protected mode"},
			"is in protected mode, and refuses who comes from another host; give it a password, or set protected-mode no there", true},
		{"", map[string]string{"PING": "-ERR max number of clients reached"}, "is full: it has reached its maxclients; raise maxclients there", true},
		{"", map[string]string{"PING": "-OOPS"}, `answers PING with "OOPS"; see its log`, true},
		{"", map[string]string{"PING": ""}, "closes the connection without a word: EOF; see its log, and whether it lets this host in", true},
		{"  redis_db: 20\n", map[string]string{"SELECT 20": "-ERR DB index is out of range"},
			"has no database 20; lower redis_db, or raise databases in its redis.conf", true},
		{"  databases: 17\n", map[string]string{"SELECT 16": "-ERR DB index is out of range"},
			"has no database 16; lower databases, or raise databases in its redis.conf", true},
		{"", map[string]string{"INFO": bulk("redis_mode:sentinel\r\n")}, "is a sentinel, and has no data; move it to sentinels, and name masters as servers", true},
		{"", map[string]string{"INFO": bulk("cluster_enabled:1\r\n")}, "is a node of a cluster; add cluster: true, and write its nodes as host:port", true},
		{"", map[string]string{"INFO": bulk("role:slave\r\nmaster_host:h\r\nmaster_port:7\r\n")},
			"warning: is a replica of h:7, and refuses writes; name its master, or sentinels", false},
		{"  server_connections: 10\n  dedicated_connections: 5\n", map[string]string{"INFO": bulk("maxclients:85\r\n")}, "", false},
		{"  server_connections: 10\n  dedicated_connections: 5\n", map[string]string{"INFO": bulk("maxclients:84\r\n")},
			"warning: takes 84 clients (maxclients), and 4 workers open up to 40 connections, twice as many during a reload, and 5 for clients " +
				"that wait, subscribe or watch; raise maxclients to 85 or more, or lower dedicated_connections", false},
		{"  server_connections: 10\n  dedicated_connections: 5\n", map[string]string{"CONFIG": "*2\r\n$10\r\nmaxclients\r\n$2\r\n79"},
			"warning: takes 79 clients (maxclients), and 4 workers open up to 40 connections, twice as many during a reload; " +
				"raise maxclients to 85 or more, or lower server_connections, databases or workers", false},
		{"", map[string]string{"INFO": bulk("connected_clients:9997\r\nmaxclients:10000\r\n")}, "", false},
	} {
		address := serve(t, redisThat(with(test.answers)))
		got, a := lookAt(t, redisPool+test.keys+aServer, address)
		if got = inPlace.ReplaceAllString(got, "$1"); got != test.want || (a.Silent == 1) != test.fails || a.Asked != 1 || a.Silent != len(a.Unreachable) {
			t.Errorf("%s%v: got\n%s\nwant\n%s\n%d of %d fail", test.keys, test.answers, got, test.want, a.Silent, a.Asked)
		}
	}
}

// Workers connect at once, beside whoever is connected already: some would find the server full.
func TestNoRoomNow(t *testing.T) {
	address := serve(t, redisThat(with(map[string]string{"INFO": bulk("connected_clients:9998\r\nmaxclients:10000\r\n")})))
	got, a := lookAt(t, redisPool+aServer, address)
	const want = "warning: has room for 3 of 4 connections that workers open at once (maxclients); raise maxclients there, or see who has connected: CLIENT LIST"
	if got = inPlace.ReplaceAllString(got, "$1"); got != want || a.Silent != 0 || len(a.Unreachable) != 1 {
		t.Errorf("got\n%s\nwant\n%s\n%v", got, want, a.Unreachable)
	}
}

func TestMemcached(t *testing.T) {
	const version, locked = "VERSION 1.6.18", "CLIENT_ERROR unauthenticated"
	for _, test := range []struct {
		keys    string
		answers map[string]string
		want    string
	}{
		{"", map[string]string{"version": version}, ""},
		{"", map[string]string{"version": version, "stats settings": "STAT maxconns 7\r\nEND"},
			"warning: takes 7 clients (-c), and 4 workers open up to 4 connections, twice as many during a reload; " +
				"raise -c to 8 or more, or lower server_connections, databases or workers"},
		{"", map[string]string{"version": locked}, "wants a user and a password; add memcached_auth"},
		{"  memcached_auth: u:right\n", map[string]string{"version": locked, "set auth 0 0 7": "STORED"}, ""},
		{"  memcached_auth: u:wrong\n", map[string]string{"version": locked, "set auth 0 0 7": "CLIENT_ERROR authentication failure"},
			"refuses the user and the password; correct memcached_auth, or the file of -Y there"},
		{"", map[string]string{"version": "ERROR Too many open connections"}, "is full: it has reached its limit of connections; raise -c there"},
	} {
		address := serve(t, linesThat(test.answers))
		got, _ := lookAt(t, memcachedPool+test.keys+aServer, address)
		if got = inPlace.ReplaceAllString(got, "$1"); got != test.want {
			t.Errorf("%s%v: got\n%s\nwant\n%s", test.keys, test.answers, got, test.want)
		}
	}
}

// Each stranger is asked in both protocols.
func TestStrangers(t *testing.T) {
	says := func(text string) string {
		return serve(t, func(c net.Conn) {
			c.Read(make([]byte, 1))
			io.WriteString(c, text)
		})
	}
	const tlsOnly = "speaks TLS, and is asked in plaintext; add server_tls: true, or give a port that takes connections without TLS"
	for _, test := range []struct{ name, address, redis, memcached string }{
		{"TLS", tlsServer(t), tlsOnly, tlsOnly},
		{"HTTP", says("HTTP/1.1 400 Bad Request\r\n"), "speaks HTTP; correct the port", "speaks HTTP; correct the port"},
		{"SSH", says("SSH-2.0-x\r\n"), "speaks SSH; correct the port", "speaks SSH; correct the port"},
		{"binary", says("\x00\x01\r\n"), `answers "\x00\x01\r\n", which is not of the protocol; correct the address`,
			`answers "\x00\x01\r\n", which is not of the protocol; correct the address`},
		{"memcached", serve(t, linesThat(map[string]string{"version": "VERSION 1"})),
			"is a memcached in a pool of Redis; remove redis: true (short form: write protocol memcache), or correct the address", ""},
		{"Redis", says("-ERR unknown command 'version'\r\n"), "answers PING with \"ERR unknown command 'version'\"; see its log",
			"is a Redis in a pool of memcached; add redis: true (short form: remove protocol memcache), or correct the address"},
		{"silence", serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }),
			"has accepted a connection, and not answered for 300ms; see whether it hangs, and whether it speaks another protocol",
			"has accepted a connection, and not answered for 300ms; see whether it hangs, and whether it speaks another protocol"},
		{"nobody", closed(t), "refuses connections; start it, or correct the address: nobody listens there",
			"refuses connections; start it, or correct the address: nobody listens there"},
		{"no name", "nobody.invalid:6379", "is at a name that cannot be resolved: no such host; correct the name, or add it to DNS or /etc/hosts",
			"is at a name that cannot be resolved: no such host; correct the name, or add it to DNS or /etc/hosts"},
		{"no socket", filepath.Join(t.TempDir(), "none"), "has no socket there; start it, or correct the path", "has no socket there; start it, or correct the path"},
	} {
		for text, want := range map[string]string{redisPool: test.redis, memcachedPool: test.memcached} {
			got, _ := lookAt(t, text+aServer, test.address)
			if _, got, _ = strings.Cut(got, inPool); got != want {
				t.Errorf("%s: got  %s\nwant %s", test.name, got, want)
			}
		}
	}
}

// Masters that sentinels name, and nodes that a node names, are asked, too, each once.
func TestNamed(t *testing.T) {
	master := serve(t, redisThat(with(map[string]string{"PING": "-NOAUTH"})))
	host, port, _ := net.SplitHostPort(master)
	sentinel := serve(t, redisThat(with(map[string]string{
		"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster": fmt.Sprintf("*2\r\n%s\r\n%s", bulk(host), bulk(port)),
		"SENTINEL GET-MASTER-ADDR-BY-NAME other":    "*-1",
		"SENTINEL CKQUORUM mymaster":                "-NOQUORUM 1 usable Sentinels",
	})))
	text := fmt.Sprintf("alpha:\n  listen: 127.0.0.1:1\n  redis: true\n  sentinels: [%s, %s]\n  servers:\n  - mymaster:1\n  - other:1\n", sentinel, master)
	got, a := lookAt(t, text, master)
	want := strings.ReplaceAll(`f:4:3: pool "alpha": sentinel "S" knows no master "other"; correct the name in servers, or have it monitored: SENTINEL MONITOR
f:4:3: warning: pool "alpha": sentinel "S" would not replace master "mymaster": NOQUORUM 1 usable Sentinels; start the other sentinels
f:4:3: pool "alpha": sentinel "ADDRESS" wants a password; add sentinel_password
f:4:3: pool "alpha": master "mymaster" at ADDRESS wants a password; add server_password, or redis_auth if clients are to give it as well`, `"S"`, strconv.Quote(sentinel))
	if got != want || a.Asked != 3 || a.Silent != 3 {
		t.Errorf("got\n%s\nwant\n%s\n%d of %d fail", got, want, a.Silent, a.Asked)
	}

	if got := fmt.Sprint(a.Unreachable); got != "[{alpha mymaster wants a password  }]" { // sentinels have no keys
		t.Errorf("unreachable are %s", got)
	}

	gone := closed(t)
	nodes := fmt.Sprintf("id %s@1,name slave x 0 0 1 connected\nid 10.0.0.1:1@2 master,fail - 0 0 1 connected\nid :0@0 master,noaddr - 0 0 1\nid %s@1 myself,master - 0\n", gone, gone)
	seed := serve(t, redisThat(with(map[string]string{"INFO": bulk("cluster_enabled:1\r\n"), "CLUSTER INFO": bulk("cluster_state:fail\r\n"), "CLUSTER NODES": bulk(nodes)})))
	got, _ = lookAt(t, "alpha:\n  listen: 127.0.0.1:1\n  redis: true\n  cluster: true\n  servers:\n  - ADDRESS\n", seed)
	want = `f:6:5: warning: pool "alpha": server "ADDRESS" says that the cluster is down; see CLUSTER INFO and CLUSTER NODES there
f:6:5: pool "alpha": node "` + gone + `" of the cluster refuses connections; start it, or correct the address: nobody listens there`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Who cannot be asked in time is said to be so, and costs none.
func TestNoTimeLeft(t *testing.T) {
	c, err := config.Parse("f", []byte(redisPool+"  servers:\n  - 127.0.0.1:1:1 one\n  - 127.0.0.1:2:1 two\n"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	a := Look(ctx, c, 4)
	const want = `f:5:5: pool "alpha": server "one" at 127.0.0.1:1 was not asked, as others took all the time; ask again when they answer
f:6:5: pool "alpha": server "two" at 127.0.0.1:2 was not asked, as others took all the time; ask again when they answer`
	if got := a.Problems.Error(); got != want || a.Asked != 2 || a.Silent != 2 || a.Failures() != 2 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
