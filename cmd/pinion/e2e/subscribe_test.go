// Publish and subscribe, beside a Redis that is asked the same.

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// subscriberTalks are what one client sends in one write, and how many replies it gets.
var subscriberTalks = []struct {
	raw     string
	replies int
}{
	{"SUBSCRIBE a b c a|PING|PING hello|PING 1 2|GET k|UNSUBSCRIBE b x|UNSUBSCRIBE a c|GET k|PING", 14},
	{"UNSUBSCRIBE|PUNSUBSCRIBE|SUNSUBSCRIBE|UNSUBSCRIBE x y|GET k", 6},
	{"PSUBSCRIBE a* b?|SUBSCRIBE a|SSUBSCRIBE s|SUNSUBSCRIBE s|PUNSUBSCRIBE a*|UNSUBSCRIBE a|PUNSUBSCRIBE b?|ECHO x", 9},
	{"SUBSCRIBE|PSUBSCRIBE|SSUBSCRIBE|SUBSCRIBE a|SUBSCRIBE|GET|NOSUCH|CLIENT ID|SELECT 0|RESET|GET k", 11},
	{"SUBSCRIBE a|MULTI|HELLO|BLPOP k 0|EVAL x 0|QUIT", 6},
	{"SUBSCRIBE a|RESET|GET k|SUBSCRIBE b", 4},
	{"PUBLISH nobody x|SPUBLISH nobody x|PUBLISH|PUBLISH a", 4},
}

// What a subscriber hears in RESP2 is what Redis says, word for word.
func TestE2ESubscribeLikeRedis(t *testing.T) {
	t.Parallel()
	redis := rig.RedisServer(t)
	for name, p := range map[string]*rig.Proxy{
		"one server": rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}), "three servers": rig.RedisPool(t, rig.ThreeRedis(t), "timeout: 2000"),
	} {
		for _, talk := range subscriberTalks {
			var raw strings.Builder
			for _, line := range strings.Split(talk.raw, "|") {
				raw.WriteString(rig.Request(strings.Fields(line)...))
			}
			want := conversation(redis.Dial(), raw.String(), talk.replies)
			if got := conversation(p.Dial(), raw.String(), talk.replies); got != want {
				t.Errorf("%s: %s:\nredis  %q\npinion %q", name, talk.raw, want, got)
			}
		}
	}
}

// Messages come in order, to each subscriber once, whichever server their channel lives on.
func TestE2EPublish(t *testing.T) {
	t.Parallel()
	const channels, subscribers, messages = 9, 6, 50
	p := rig.RedisPool(t, rig.ThreeRedis(t), "timeout: 2000")
	var all []*rig.Client
	for i := range subscribers {
		c := p.Dial()
		for ch := range channels {
			c.WantDo(rig.Array(rig.Bulk("subscribe"), rig.Bulk(fmt.Sprint("ch", ch)), fmt.Sprintf(":%d\r\n", ch+1)), "SUBSCRIBE", fmt.Sprint("ch", ch))
		}
		if i%2 == 1 {
			c.WantDo(rig.Array(rig.Bulk("psubscribe"), rig.Bulk("ch[12]"), fmt.Sprintf(":%d\r\n", channels+1)), "PSUBSCRIBE", "ch[12]")
		}
		all = append(all, c)
	}
	publisher := p.Dial()
	for m := range messages {
		for ch := range channels {
			receivers := subscribers
			if ch == 1 || ch == 2 {
				receivers += subscribers / 2
			}
			publisher.WantDo(fmt.Sprintf(":%d\r\n", receivers), "PUBLISH", fmt.Sprint("ch", ch), fmt.Sprint(m))
		}
	}
	c := p.Dial()
	c.WantDo(rig.Array(rig.Bulk("ch0"), fmt.Sprintf(":%d\r\n", subscribers), rig.Bulk("none"), ":0\r\n", rig.Bulk("ch1"), fmt.Sprintf(":%d\r\n", subscribers)),
		"PUBSUB", "NUMSUB", "ch0", "none", "ch1")
	c.WantDo(":1\r\n", "PUBSUB", "NUMPAT")
	c.WantDo(rig.Array(rig.Bulk("ch8")), "PUBSUB", "CHANNELS", "ch8*")
	if got := rig.Elements(t, c.Do("PUBSUB", "CHANNELS")); len(got) != channels {
		t.Errorf("the channels are %q", got)
	}
	for i, c := range all {
		next := map[string]int{}
		expected := channels * messages
		if i%2 == 1 {
			expected += 2 * messages
		}
		for range expected {
			fields := rig.Elements(t, c.Reply())
			key := strings.Join(fields[:len(fields)-1], "")
			if got, want := fields[len(fields)-1], rig.Bulk(fmt.Sprint(next[key])); got != want {
				t.Fatalf("subscriber %d: after %d messages as %q comes %q", i, next[key], key, got)
			}
			next[key]++
		}
		c.WantDo(rig.Array(rig.Bulk("pong"), rig.Bulk("")), "PING")
	}
}

// Events about keys come from wherever the key lives.
func TestE2EKeyspaceEvents(t *testing.T) {
	t.Parallel()
	servers := rig.Several(3, func() *rig.Backend { return rig.RedisServer(t, "--notify-keyspace-events", "KEA") })
	p := rig.RedisPool(t, servers)
	c, other := p.Dial(), p.Dial()
	c.WantDo(rig.Array(rig.Bulk("psubscribe"), rig.Bulk("__keyevent@0__:*"), ":1\r\n"), "PSUBSCRIBE", "__keyevent@0__:*")
	c.WantDo(rig.Array(rig.Bulk("subscribe"), rig.Bulk("__keyspace@0__:k7"), ":2\r\n"), "SUBSCRIBE", "__keyspace@0__:k7")
	for i := range 9 {
		key := fmt.Sprint("k", i)
		other.WantDo("+OK\r\n", "SET", key, "x")
		if i == 7 {
			c.Want(rig.Array(rig.Bulk("message"), rig.Bulk("__keyspace@0__:k7"), rig.Bulk("set")))
		}
		c.Want(rig.Array(rig.Bulk("pmessage"), rig.Bulk("__keyevent@0__:*"), rig.Bulk("__keyevent@0__:set"), rig.Bulk(key)))
	}
}

// A subscriber that does not read is closed; the others get everything.
func TestE2ESlowSubscriber(t *testing.T) {
	t.Parallel()
	p := rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}, "subscriber_output_hard: 256k")
	slow, quick, publisher := p.Dial(), p.Dial(), p.Dial()
	for _, c := range []*rig.Client{slow, quick} {
		c.WantDo(rig.Array(rig.Bulk("subscribe"), rig.Bulk("ch"), ":1\r\n"), "SUBSCRIBE", "ch")
	}
	text := strings.Repeat("x", 64<<10)
	closed := false
	for i := 0; i < 1000 && !closed; i++ {
		closed = publisher.Do("PUBLISH", "ch", text) == ":1\r\n"
		quick.Want(rig.Array(rig.Bulk("message"), rig.Bulk("ch"), rig.Bulk(text)))
	}
	if !closed {
		t.Error("the slow one is still there")
	}
	if !strings.Contains(p.Output.String(), "subscriber_output_hard is reached") {
		t.Error("nothing is logged of it")
	}
}

// In RESP3 a subscriber goes on asking what it likes: messages are pushes.
func TestE2ESubscribeRESP3LikeRedis(t *testing.T) {
	t.Parallel()
	redis := rig.RedisServer(t)
	talks := []struct {
		raw     string
		replies int
	}{
		{"SUBSCRIBE a b|GET key42|PING|PING x|UNSUBSCRIBE a|SET key42 v|GET key42|UNSUBSCRIBE|DEL key42", 10},
		{"PSUBSCRIBE a* b?|SSUBSCRIBE s|GET key42|MGET a b c d|PUNSUBSCRIBE a*|SUNSUBSCRIBE|PUNSUBSCRIBE|UNSUBSCRIBE|UNSUBSCRIBE x", 10},
		{"SUBSCRIBE a|BLPOP q 0.05|RPUSH q x|BLPOP q 0|BLPOP q 0.05|GET key42|RESET|GET key42", 8},
		{"SUBSCRIBE a|MULTI|SET key42 v|GET key42|EXEC|DEL key42|UNSUBSCRIBE a", 7},
	}
	for name, p := range map[string]*rig.Proxy{
		"one server": rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}), "three servers": rig.RedisPool(t, rig.ThreeRedis(t), "timeout: 2000"),
	} {
		for _, talk := range talks {
			var raw strings.Builder
			for _, line := range strings.Split(talk.raw, "|") {
				raw.WriteString(rig.Request(strings.Fields(line)...))
			}
			theirs, ours := redis.Dial(), p.Dial()
			theirs.Do("HELLO", "3")
			ours.Do("HELLO", "3")
			want := conversation(theirs, raw.String(), talk.replies)
			if got := conversation(ours, raw.String(), talk.replies); got != want {
				t.Errorf("%s: %s:\nredis  %q\npinion %q", name, talk.raw, want, got)
			}
		}
		// messages come between replies, also while the client waits
		c, other := p.Dial(), p.Dial()
		c.Do("HELLO", "3")
		c.WantDo(">3\r\n"+rig.Bulk("subscribe")+rig.Bulk("ch")+":1\r\n", "SUBSCRIBE", "ch")
		c.Send(rig.Request("BLPOP", "nothing", "0"))
		for i := range 3 {
			other.WantDo(":1\r\n", "PUBLISH", "ch", fmt.Sprint(i))
			c.Want(">3\r\n" + rig.Bulk("message") + rig.Bulk("ch") + rig.Bulk(fmt.Sprint(i)))
		}
		other.WantDo(":1\r\n", "RPUSH", "nothing", "something")
		c.Want(rig.Array(rig.Bulk("nothing"), rig.Bulk("something")))
		c.Do("HELLO", "2")
		other.WantDo(":0\r\n", "PUBSUB", "NUMPAT")
		c.WantDo(rig.Array(rig.Bulk("pong"), rig.Bulk("")), "PING")
	}
}
