// A valid request of each command of a real Redis, in both protocols, straight to a server and through pools of one and of three.

package e2e_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// way is one to servers: straight, or through a pool.
type way struct {
	name    string
	dial    func() *rig.Client
	servers []*rig.Client // straight to those that it stores in
}

// ways starts a plain server, and pools of one and of three.
func ways(t *testing.T) []*way {
	var all []*way
	for i, name := range []string{"plain", "a pool of one", "a pool of three"} {
		servers := rig.Several(max(1, 2*i-1), func() *rig.Backend { return rig.RedisServer(t) })
		w := &way{name: name, dial: servers[0].Dial}
		if i > 0 {
			w.dial = rig.RedisPool(t, servers, `hash_tag: "{}"`, "deny: none").Dial
		}
		for _, s := range servers {
			w.servers = append(w.servers, s.Dial())
		}
		all = append(all, w)
	}
	return all
}

// connect returns a client that speaks this version of the protocol.
func (w *way) connect(t *testing.T, version string) *rig.Client {
	c := w.dial()
	if version == "3" {
		if got := c.Do("HELLO", "3"); got[0] != '%' {
			t.Fatalf("%s: HELLO 3: %.200q", w.name, got)
		}
	}
	return c
}

func (w *way) empty(t *testing.T) {
	for _, s := range w.servers {
		for _, command := range [][]string{{"FLUSHALL"}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "FLUSH"}} {
			if got := s.Do(command...); got != "+OK\r\n" {
				t.Fatalf("%s: %v: %q", w.name, command, got)
			}
		}
	}
}

// play sends a block and returns the replies.
func (w *way) play(t *testing.T, b *rig.Block, version string, atOnce bool) (replies []string) {
	w.empty(t)
	c := w.connect(t, version)
	defer c.Conn.Close()
	if atOnce {
		go io.WriteString(c.Conn, b.Pipeline())
	}
	for _, step := range b.Steps {
		if !atOnce {
			c.Send(step.Raw)
		}
		replies = append(replies, c.Reply())
	}
	return replies
}

// says tells whether a pool, the k-th of those that there are, may answer the step like this where a plain server says plain.
func says(t *testing.T, s *rig.Step, k int, plain, reply string) bool {
	switch s.Mark {
	case '!':
		return matches(reply, s.Want[k])
	case '~':
		return reply[0] == plain[0] && reply[0] != '-'
	}
	return s.Alike(t, plain, reply)
}

func TestE2EEveryRequest(t *testing.T) {
	t.Parallel()
	blocks := rig.ReadTable(t, "every_request.txt", rig.EncodeRedis)
	all := ways(t)
	for i := range blocks {
		b := &blocks[i]
		for _, m := range []struct {
			version string
			atOnce  bool
		}{{"2", false}, {"3", true}} {
			plain := all[0].play(t, b, m.version, m.atOnce)
			for k, w := range all[1:] {
				for n, reply := range w.play(t, b, m.version, m.atOnce) {
					if s := &b.Steps[n]; !says(t, s, k, plain[n], reply) {
						t.Errorf("%s: %s (%+v):\na plain server %.300q\n%s %.300q", s.At, s.Text, m, plain[n], w.name, reply)
					}
				}
			}
		}
	}
	checkAllAsked(t, all[0], blocks)
}

// untried are commands without a valid request in the tables: they end a server, take its data elsewhere, wait for others, or
// need what a plain server does not have. What a pool says to them is in the table of the documentation.
var untried = strings.Fields(`acl asking bgrewriteaof bgsave cluster debug failover migrate module move pfdebug pfselftest psync
	readonly readwrite replconf replicaof restore-asking save shutdown slaveof swapdb sync quit config|rewrite client|reply client|kill
	client|caching client|tracking script|debug command|getkeysandflags config|help function|dump function|restore memory|usage
	object|freq`)

// checkAllAsked looks for commands of the server that are in no table.
func checkAllAsked(t *testing.T, plain *way, blocks []rig.Block) {
	tried := map[string]bool{}
	for _, b := range slices.Concat(blocks, rig.ReadTable(t, "redis.txt", rig.EncodeRedis)) {
		for _, s := range b.Steps {
			words := strings.Fields(strings.ToLower(s.Text))
			tried[words[0]] = true
			if len(words) > 1 {
				tried[words[0]+"|"+words[1]] = true
			}
		}
	}
	for _, name := range untried {
		tried[name] = true
	}
	commands := rig.Elements(t, plain.dial().Do("COMMAND", "LIST"))
	if len(commands) < 200 {
		t.Fatalf("the server tells of %d commands only", len(commands))
	}
	for _, element := range commands {
		_, name, _ := strings.Cut(strings.TrimSuffix(element, "\r\n"), "\r\n")
		container, _, _ := strings.Cut(name, "|")
		if !tried[name] && !slices.Contains(untried, container) {
			t.Errorf("no request of %q in the tables", name)
		}
	}
}
