// Servers that fail over: a master, its replicas, and the sentinels that watch them.

package rig

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Master is the name by which the sentinels of a Shard know its master.
const Master = "mymaster"

// Shard is Redis servers of which one is the master, and three sentinels.
type Shard struct {
	T         testing.TB
	Servers   []*Backend
	Sentinels []*Backend
}

// SentinelShard starts a master, so many replicas and three sentinels, and waits until a failover could begin. The sentinels have their
// usual pace: what is quicker would have a small machine miss its deadlines. A failover takes one to five seconds.
func SentinelShard(t testing.TB, replicas int) *Shard {
	t.Helper()
	s := &Shard{T: t}
	master := FreeAddress(t)
	const atOnce = "0"
	s.Servers = append(s.Servers, RedisServerTCP(t, master, "--repl-diskless-sync-delay", atOnce))
	for range replicas {
		replica := RedisServerTCP(t, FreeAddress(t), "--repl-diskless-sync-delay", atOnce, "--replicaof", strings.Replace(master, ":", " ", 1))
		s.Servers = append(s.Servers, replica)
		c := replica.Dial()
		Eventually(t, "replicating", func() error { // before a sentinel looks, which does so again after ten seconds only
			if info := c.Do("INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
				return errors.New(info)
			}
			return nil
		})
	}
	for range 3 {
		s.Sentinels = append(s.Sentinels, sentinelOf(t, master))
	}
	for _, sentinel := range s.Sentinels {
		c := sentinel.Dial()
		EventuallyWithin(t, 3*Patience, "preparing sentinels", func() error {
			quorum, known := c.Do("SENTINEL", "CKQUORUM", Master), c.Do("SENTINEL", "REPLICAS", Master)
			others := c.Do("SENTINEL", "SENTINELS", Master)
			if !strings.HasPrefix(quorum, "+OK 3") || strings.Count(known, "\r\nmaster-link-status\r\n$2\r\nok\r\n") < replicas ||
				strings.Contains(known, "s_down") || strings.Contains(others, "disconnected") {
				return fmt.Errorf("%s%s", quorum, known)
			}
			return nil
		})
	}
	return s
}

// sentinelOf starts a sentinel that watches a master.
func sentinelOf(t testing.TB, master string) *Backend {
	t.Helper()
	address, dir := FreeAddress(t), ShortDir(t)
	host, port, _ := net.SplitHostPort(address)
	config := filepath.Join(dir, "sentinel.conf")
	// a server is down after three seconds: on a busy machine one that works may be silent for one
	text := fmt.Sprintf("bind %s\nport %s\ndir %s\nloglevel notice\nsentinel monitor %s %s 2\nsentinel down-after-milliseconds %[4]s 3000\n"+
		"sentinel failover-timeout %[4]s 5000\n", host, port, dir, Master, strings.Replace(master, ":", " ", 1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &Backend{Process: Start(t, Program(t, "redis-server"), config, "--sentinel"), Network: "tcp", Address: address, Read: ReadRESP}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of a sentinel:\n%s", b.Output.String())
		}
	})
	b.Answers("tcp", address)
	return b
}

// Addresses returns the sentinels, as the option sentinels wants them.
func (s *Shard) Addresses() string {
	var all []string
	for _, sentinel := range s.Sentinels {
		all = append(all, sentinel.Address)
	}
	return strings.Join(all, " ")
}

// Current returns the server that the sentinels that live name as master.
func (s *Shard) Current() *Backend {
	s.T.Helper()
	for _, sentinel := range s.Sentinels {
		if sentinel.Ended() {
			continue
		}
		c := sentinel.Dial()
		reply := c.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", Master)
		c.Conn.Close()
		for _, server := range s.Servers {
			_, port, _ := net.SplitHostPort(server.Address)
			if strings.Contains(reply, "\r\n"+port+"\r\n") {
				return server
			}
		}
	}
	s.T.Fatal("no sentinel names a master")
	return nil
}

// Stop suspends a process until the test ends, or Continue.
func (p *Process) Stop() {
	p.T.Helper()
	p.Signal(syscall.SIGSTOP)
}

// Continue has it go on.
func (p *Process) Continue() {
	p.T.Helper()
	p.Signal(syscall.SIGCONT)
}
