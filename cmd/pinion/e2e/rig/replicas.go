// Replicas that something befalls: one hears its primary through a tap, the other directly.

package rig

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tap stands between a replica and its primary: while it is held, nothing comes to the replica, whose link is up all the same.
type Tap struct {
	address string
	Gate    sync.Mutex // held: nothing passes
}

func NewTap(t testing.TB, to string) *Tap {
	t.Helper()
	l, err := net.Listen("tcp", FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &Tap{address: l.Addr().String()}
	go func() {
		for {
			replica, err := l.Accept()
			if err != nil {
				return
			}
			primary, err := net.Dial("tcp", to)
			if err != nil {
				replica.Close()
				continue
			}
			go func() { io.Copy(primary, replica); primary.Close() }()
			go p.pass(replica, primary)
		}
	}()
	return p
}

func (p *Tap) pass(replica, primary net.Conn) {
	defer replica.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := primary.Read(b)
		p.Gate.Lock()
		_, failed := replica.Write(b[:n])
		p.Gate.Unlock()
		if err != nil || failed != nil {
			return
		}
	}
}

// Replicated is a primary, a replica that hears it through a tap, and one that hears it directly.
type Replicated struct {
	Primary, Tapped, Direct *Backend
	Tap                     *Tap
}

func StartReplicated(t testing.TB) *Replicated {
	t.Helper()
	r := &Replicated{Primary: RedisServerTCP(t, FreeAddress(t), "--repl-diskless-sync-delay", "0")}
	r.Tap = NewTap(t, r.Primary.Address)
	replicaOf := func(address string) *Backend {
		return RedisServerTCP(t, FreeAddress(t), "--replicaof", strings.Replace(address, ":", " ", 1))
	}
	r.Tapped, r.Direct = replicaOf(r.Tap.address), replicaOf(r.Primary.Address)
	return r
}

// Chronicle is what was written to one key, and when it was acknowledged: the values are numbers in order.
type Chronicle struct {
	mutex        sync.Mutex
	acknowledged []time.Time // by value
}

// Write writes the next value, by a connection to the primary itself.
func (w *Chronicle) Write(c *Client) {
	c.WantDo("+OK\r\n", "SET", "k", strconv.Itoa(len(w.acknowledged)))
	w.mutex.Lock()
	w.acknowledged = append(w.acknowledged, time.Now())
	w.mutex.Unlock()
}

// Age returns for how long a value had been replaced at a time, as the writer knows; 0: it was not. -1 is that there is none.
func (w *Chronicle) Age(value int, at time.Time) time.Duration {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if value+1 >= len(w.acknowledged) {
		return 0
	}
	return max(at.Sub(w.acknowledged[value+1]), 0)
}

// WantReplica waits until Pinion says that a replica is in a state.
func WantReplica(t testing.TB, c *Client, replica *Backend, state string) {
	t.Helper()
	Eventually(t, "judging "+replica.Address, func() error {
		for line := range strings.Lines(c.Do("INFO", "pinion")) {
			if strings.Contains(line, "_replica") && strings.Contains(line, "address="+replica.Address+",") {
				if strings.Contains(line, "state="+state+",") {
					return nil
				}
				return fmt.Errorf("want %s: %s", state, line)
			}
		}
		return fmt.Errorf("nothing is said of it")
	})
}

// ReadsOf returns how many GETs a server has executed.
func ReadsOf(t testing.TB, server *Backend) (n int) {
	t.Helper()
	c := server.Dial()
	defer c.Conn.Close()
	for line := range strings.Lines(c.Do("INFO", "commandstats")) {
		fmt.Sscanf(line, "cmdstat_get:calls=%d,", &n)
	}
	return n
}

// Hinder has everything happen to the replicas that they survive, and wants it seen in what c is told, a client of Pinion.
func (r *Replicated) Hinder(t testing.TB, c *Client) {
	t.Helper()
	primary, direct := r.Primary.Dial(), r.Direct.Dial()
	host, port, _ := net.SplitHostPort(r.Primary.Address)
	nobody, noPort, _ := net.SplitHostPort(FreeAddress(t))

	r.Tap.Gate.Lock() // it is behind, and its link is up
	WantReplica(t, c, r.Tapped, "behind")
	r.Direct.Stop() // nobody is left but the primary
	time.Sleep(1500 * time.Millisecond)
	r.Direct.Continue()
	r.Tap.Gate.Unlock()
	WantReplica(t, c, r.Tapped, "fit")
	WantReplica(t, c, r.Direct, "fit")

	primary.WantDo("+OK\r\n", "DEBUG", "CHANGE-REPL-ID") // both have to get all data anew
	primary.Do("CLIENT", "KILL", "TYPE", "replica")
	WantReplica(t, c, r.Direct, "fit")
	WantReplica(t, c, r.Tapped, "fit")

	direct.WantDo("+OK\r\n", "REPLICAOF", nobody, noPort) // its link is down, and the primary lives
	WantReplica(t, c, r.Direct, "link_down")
	direct.WantDo("+OK\r\n", "REPLICAOF", host, port)
	WantReplica(t, c, r.Direct, "fit")
}
