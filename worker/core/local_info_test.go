// INFO shows the whole proxy, whichever worker is asked.

package core

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

func TestInfo(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s\n2\x1b[1m")
	r.slots = 2
	r.start()
	c := r.connect("a", 0, 1)
	c.send(redisRequestOf("INFO", "pinion"))
	r.turn()
	got := "\r\n" + string(c.take())
	for _, line := range []string{
		"# Pinion", "pinion_version:1.2.3", fmt.Sprint("worker_process_id:", os.Getpid()), "worker:1", "workers:2", "generation:1",
		"curr_connections:3", "pool:alpha", "client_connections:1", "server1:name=s?2?[1m,",
	} {
		if !strings.Contains(got, "\r\n"+line) {
			t.Errorf("INFO lacks the line %q: %q", line, got)
		}
	}
}

// Servers that fail, or are ejected, are left out; the others are told as one.
func TestInfoOfServers(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3")
	p.AutoEjectHosts, p.ServerFailureLimit = true, 1
	r.start()
	c := r.connect("a", 0, 0)
	ask := func() { c.send(redisRequestOf("INFO", "keyspace", "pinion")); r.turn() }
	answer := func(s *fakeServer, keys int) {
		s.conns[len(s.conns)-1].send(resp.AppendBulk(nil, fmt.Appendf(nil, "# Keyspace\r\ndb0:keys=%d,expires=0,avg_ttl=0\r\n", keys)))
		r.turn()
	}
	want := func(parts ...string) {
		t.Helper()
		got := string(c.take())
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("no %q in %q", part, got)
			}
		}
	}
	ask()
	answer(r.servers[0], 1)
	answer(r.servers[1], 2)
	answer(r.servers[2], 4)
	want("# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n\r\n# Pinion\r\npinion_version:", "\r\ninfo_servers:3\r\n")
	ask()
	answer(r.servers[0], 1)
	answer(r.servers[2], 4)
	r.servers[1].refuse()
	r.servers[1].hangUp()
	r.turn()
	want("db0:keys=5,", "\r\ninfo_servers:2\r\n", "server1:name=s2,")
	ask()
	answer(r.servers[0], 1)
	answer(r.servers[2], 4)
	want("db0:keys=5,", "\r\ninfo_servers:2\r\n", "state=ejected")
	for _, s := range r.servers {
		s.refuse()
		s.hangUp()
	}
	r.turn()
	ask()
	want("-ERR")
	c.send(redisRequestOf("INFO", "replication"))
	r.turn()
	want("-ERR")
}

// INFO waits for a silent server no longer than the pool's timeout, and is then told of the others.
func TestInfoOfSilentServer(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2").Timeout = time.Second
	r.start()
	c := r.connect("a", 0, 0)
	c.send(redisRequestOf("INFO", "replication", "pinion"))
	c.send(redisRequestOf("PING"))
	r.turn()
	r.servers[1].conns[0].send(resp.AppendBulk(nil, []byte("# Replication\r\nrole:slave\r\n")))
	r.advance(time.Second - 1)
	if got := string(c.take()); got != "" {
		t.Errorf("got %q before its time", got)
	}
	r.advance(1)
	got := string(c.take())
	for _, part := range []string{"# Replication\r\nrole:master\r\n\r\n# Pinion\r\n", "\r\ninfo_servers:1\r\n", "\r\n+PONG\r\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in %q", part, got)
		}
	}
}
