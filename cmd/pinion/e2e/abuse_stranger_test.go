// What a client may make the proxy keep before it has said who it is, and when it does.

package e2e_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// A client that has not given the password is refused what is large, with the words of Redis, before it is here: many of
// them cost nothing.
func TestE2EAbuseStranger(t *testing.T) {
	t.Parallel()
	a := attack(t, siege{servers: rig.ThreeRedis(t), options: []string{"redis_auth: secret"}, alone: true})
	for i, c := range a.crowd(40) {
		begin, want := fmt.Sprintf("*2\r\n$4\r\nAUTH\r\n$%d\r\n", 400*megabyte), "-ERR Protocol error: unauthenticated bulk length\r\n"
		if i%2 == 0 {
			begin, want = "*1000000\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"
		}
		c.Conn.SetWriteDeadline(time.Now().Add(rig.Patience))
		io.WriteString(c.Conn, begin+rig.Filler(3*megabyte)) // as much of it as is taken
		if got := c.All(); got != want {
			t.Errorf("%.30q: got %.200q", begin, got)
		}
	}
	c := a.connect()
	c.WantDo("-ERR invalid password\r\n", "AUTH", rig.Filler(16*kilobyte))
	c.WantDo("+OK\r\n", "AUTH", "secret")
	c.WantDo("+OK\r\n", "SET", "a", rig.Filler(megabyte))
	ticks := cpuTicks(t, a.worker)
	c.Stream(fmt.Sprintf("*2\r\n$4\r\nAUTH\r\n$%d\r\n", 64*megabyte), 64*megabyte)
	c.Want("-ERR invalid password\r\n")
	t.Logf("a password of 64 MB took %d ms of CPU time", 10*(cpuTicks(t, a.worker)-ticks))
	c.WantDo("-NOAUTH Authentication required\r\n", "GET", "a")
	a.unharmed(a.pss + 100*megabyte)
}

// What clients tell of themselves is bounded: a name that would be kept for as long as the client stays is refused.
func TestE2EAbuseNames(t *testing.T) {
	t.Parallel()
	const size = 8 * megabyte
	a := attack(t, siege{servers: rig.ThreeRedis(t), global: []string{fmt.Sprint("memory_limit: ", ceiling)}})
	for _, c := range a.crowd(10) {
		c.Stream(fmt.Sprintf("*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$%d\r\n", size), size)
		c.Want("-ERR Client names cannot be longer than 1024 bytes.\r\n")
		c.Stream(fmt.Sprintf("*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$%d\r\n", size), size)
		c.Want("-ERR LIB-NAME cannot be longer than 1024 bytes.\r\n")
		c.WantDo("+OK\r\n", "CLIENT", "SETNAME", "a")
	}
	a.unharmed(a.pss + 32*megabyte)
}
