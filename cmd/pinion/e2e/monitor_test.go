// MONITOR, beside a client that monitors the server itself.

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// monitorTalks are what a client sends in one write, none of which the server tells of, and how many replies it gets.
var monitorTalks = []struct {
	raw     string
	replies int
}{
	{"MONITOR|GET k|SET k v|MSET a 1 b 2|DBSIZE|KEYS *|SCAN 0|RANDOMKEY|LOLWUT|PUBLISH a b|MONITOR|BLPOP k 0|XADD s * f v|OBJECT ENCODING k|" +
		"MEMORY USAGE k|SORT k|NOSUCH|GET|RESET|GET k|DBSIZE", 20},
	{"MONITOR x|MONITOR|RESET|PING|QUIT", 5},
	{"SUBSCRIBE a|MONITOR|UNSUBSCRIBE a|GET k", 4},
}

// What a client that monitors may ask, and how it ends, is what Redis says, word for word.
func TestE2EMonitorLikeRedis(t *testing.T) {
	t.Parallel()
	redis, p := rig.RedisServer(t), rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)})
	for _, protocol := range []string{"2", "3"} {
		for _, talk := range monitorTalks {
			if protocol == "3" && strings.HasPrefix(talk.raw, "SUBSCRIBE") {
				continue // there Redis tells of what is asked
			}
			var raw strings.Builder
			for _, line := range strings.Split(talk.raw, "|") {
				raw.WriteString(rig.Request(strings.Fields(line)...))
			}
			theirs, ours := redis.Dial(), p.Dial()
			theirs.Do("HELLO", protocol)
			ours.Do("HELLO", protocol)
			want := conversation(theirs, raw.String(), talk.replies)
			if got := conversation(ours, raw.String(), talk.replies); got != want {
				t.Errorf("RESP%s: %s:\nredis  %q\npinion %q", protocol, talk.raw, want, got)
			}
		}
	}
	c := rig.RedisPool(t, rig.ThreeRedis(t)).Dial()
	c.WantDo("-ERR 'monitor' is not supported by pinion in a pool of several servers\r\n", "MONITOR")
}

// A client hears all that one at the server hears, in the same order, and goes on doing so across reloads and upgrades.
func TestE2EMonitorAcrossReloads(t *testing.T) {
	t.Parallel()
	server, address := rig.RedisServer(t), rig.FreeAddress(t)
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server})}), address)
	direct, c, other := server.Dial(), o.Dial(), o.Dial()
	direct.WantDo("+OK\r\n", "MONITOR")
	c.WantDo("+OK\r\n", "MONITOR")
	set := func(value string) { other.WantDo("+OK\r\n", "SET", "k", value) }
	upTo := func(m *rig.Client, value string) (lines []string) {
		for {
			line := m.Reply()
			lines = append(lines, line)
			if strings.HasSuffix(line, fmt.Sprintf(" \"SET\" \"k\" %q\r\n", value)) {
				return lines
			}
		}
	}
	set("begin")
	upTo(direct, "begin")
	upTo(c, "begin")
	for i, command := range []string{"reload", "upgrade"} {
		done := make(chan string)
		go func() {
			text, err := o.command(command)
			done <- fmt.Sprint(text, err)
		}()
		for n, over := 0, false; !over; n++ {
			select {
			case text := <-done:
				over = true
				if !strings.HasSuffix(text, "<nil>") {
					t.Errorf("%s: %s", command, text)
				}
			default:
				set(fmt.Sprint(n))
			}
		}
		end := fmt.Sprint("end", i)
		set(end)
		want := strings.Join(upTo(direct, end), "")
		if got := strings.Join(upTo(c, end), ""); got != want {
			t.Errorf("%s: the client heard %d bytes, one at the server %d", command, len(got), len(want))
		}
	}
	if n := strings.Count(o.Output.String(), " moved, 0 stragglers,"); n != 2 {
		t.Errorf("%d of 2 moves have left nobody", n)
	}
	if info := c.Do("CLIENT", "INFO"); !strings.Contains(info, " flags=O ") || !strings.Contains(info, " cmd=client|info ") {
		t.Errorf("the client is %q", info)
	}
	other.WantDo("+OK\r\n", "SET", "k", "last")
	c.Want(direct.Reply())
}

// One that does not read is closed; the others hear everything. When the server ends so does who monitors it.
func TestE2EMonitorEnds(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	p := rig.RedisPool(t, []*rig.Backend{server}, "subscriber_output_hard: 256k")
	slow, quick, other := p.Dial(), p.Dial(), p.Dial()
	slow.WantDo("+OK\r\n", "MONITOR")
	quick.WantDo("+OK\r\n", "MONITOR")
	text := strings.Repeat("x", 64<<10)
	closed := false
	for i := 0; i < 1000 && !closed; i++ {
		other.WantDo("+OK\r\n", "SET", "k", text)
		for !strings.HasSuffix(quick.Reply(), " \"SET\" \"k\" \""+text+"\"\r\n") {
		}
		closed = strings.Contains(p.Output.String(), "subscriber_output_hard is reached")
	}
	if !closed {
		t.Error("the slow one is still there")
	}
	server.Kill()
	quick.All()
}
