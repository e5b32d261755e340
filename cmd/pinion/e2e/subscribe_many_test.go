// Very many channels: more than one turn of a worker takes.

package e2e_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// bytesOf reads so many bytes.
func bytesOf(t *testing.T, c *rig.Client, size int) string {
	t.Helper()
	c.Conn.SetReadDeadline(time.Now().Add(rig.Patience))
	b := make([]byte, size)
	if n, err := io.ReadFull(c.In, b); err != nil {
		t.Fatalf("after %d of %d bytes, the last of them %q: %v", n, size, rig.Tail(b[:n]), err)
	}
	return string(b)
}

// One request for more channels than fit into a turn is confirmed as Redis does it, name by name, and so is the end of all of them.
func TestE2ESubscribeToMany(t *testing.T) {
	t.Parallel()
	redis := rig.RedisServer(t).Dial()
	go io.WriteString(redis.Conn, subscribeToMany(3))
	if want := confirmedMany(3); bytesOf(t, redis, len(want)) != want {
		t.Error("Redis confirms otherwise")
	}
	for channels, p := range map[int]*rig.Proxy{
		66_000: rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}), 5_000: rig.RedisPool(t, rig.ThreeRedis(t)),
	} {
		c, other := p.Dial(), p.Dial()
		go io.WriteString(c.Conn, subscribeToMany(channels))
		if want := confirmedMany(channels); bytesOf(t, c, len(want)) != want {
			t.Fatalf("%d channels are confirmed otherwise", channels)
		}
		for _, i := range []int{0, channels / 2, channels - 1} {
			other.WantDo(":1\r\n", "PUBLISH", oneOfMany(i), "hello")
			c.Want(rig.Array(rig.Bulk("message"), rig.Bulk(oneOfMany(i)), rig.Bulk("hello")))
		}
		c.Send(rig.Request("UNSUBSCRIBE") + rig.Request("PING"))
		var want []string
		size := 0
		for i := range channels {
			want = append(want, rig.Bulk("unsubscribe")+rig.Bulk(oneOfMany(i)))
			size += len(rig.Array("", "", fmt.Sprintf(":%d\r\n", i))) + len(want[i])
		}
		var got []string
		for i, confirmation := range strings.Split(bytesOf(t, c, size), "*3\r\n")[1:] {
			name, count, _ := strings.Cut(confirmation, ":")
			got = append(got, name)
			if count != fmt.Sprintf("%d\r\n", channels-1-i) {
				t.Fatalf("confirmation %d is %q", i, confirmation)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("not the ends of all %d are confirmed", channels)
		}
		c.Want("+PONG\r\n")
	}
}

func oneOfMany(i int) string { return fmt.Sprintf("channel%06d", i) }

func subscribeToMany(channels int) string {
	words := []string{"SUBSCRIBE"}
	for i := range channels {
		words = append(words, oneOfMany(i))
	}
	return rig.Request(words...)
}

func confirmedMany(channels int) string {
	var all strings.Builder
	for i := range channels {
		all.WriteString(rig.Array(rig.Bulk("subscribe"), rig.Bulk(oneOfMany(i)), fmt.Sprintf(":%d\r\n", i+1)))
	}
	return all.String()
}
