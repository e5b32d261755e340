// Client-side caching through the proxy, with real servers.

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// cachingClient keeps what it has read until it is told that it has changed.
type cachingClient struct {
	*rig.Client
	cache  map[string]string
	pushes int
}

// reply returns the next reply, and notes the pushes before it.
func (c *cachingClient) reply() string {
	for {
		reply := c.Reply()
		if reply[0] != '>' {
			return reply
		}
		c.pushes++
		_, keys, _ := strings.Cut(reply, "invalidate\r\n")
		if keys == "_\r\n" {
			clear(c.cache)
			continue
		}
		for _, key := range rig.Elements(c.T, keys) {
			delete(c.cache, rig.Text(c.T, key))
		}
	}
}

// read asks for keys in one write and caches what it gets.
func (c *cachingClient) read(keys []string) {
	var all strings.Builder
	for _, key := range keys {
		all.WriteString(rig.Request("GET", key))
	}
	c.Send(all.String())
	for _, key := range keys {
		c.cache[key] = c.reply()
	}
}

// settle returns when all that servers have pushed so far is here: what it asks each of them comes behind that.
func (c *cachingClient) settle() {
	for range 2 {
		c.Send(rig.Request(append([]string{"MGET"}, numbered("settle", 50)...)...))
		c.reply()
	}
}

func numbered(name string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s:%d", name, i))
	}
	return all
}

// What a client has cached is what servers have, once what they have pushed is here; also when its server connections die meanwhile.
func TestE2ETracking(t *testing.T) {
	t.Parallel()
	for _, servers := range [][]*rig.Backend{{rig.RedisServer(t)}, rig.ThreeRedis(t)} {
		p := rig.RedisPool(t, servers)
		for _, mode := range []string{"", "OPTOUT", "BCAST", "NOLOOP"} {
			keys := numbered("key"+mode, 20)
			reader, writer := p.Dial(), p.Dial()
			c := &cachingClient{Client: reader, cache: map[string]string{}}
			c.Send(rig.Request("HELLO", "3"))
			c.reply()
			c.Send(rig.Request(strings.Fields("CLIENT TRACKING ON " + mode)...))
			if got := c.reply(); got != "+OK\r\n" {
				t.Fatalf("%s: %q", mode, got)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range 1000 {
					writer.Do("SET", keys[rand.IntN(len(keys))], fmt.Sprint(i))
				}
			}()
			for i := range 200 {
				some := keys[rand.IntN(len(keys)):]
				c.read(some[:rand.IntN(len(some))+1])
				if i == 100 && mode != "BCAST" {
					for _, s := range servers {
						s.Dial().Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
					}
				}
			}
			<-done
			c.settle()
			for key, cached := range c.cache {
				if got := writer.Do("GET", key); got != cached {
					t.Errorf("%d servers, %s: %s is cached as %q and is %q", len(servers), mode, key, cached, got)
				}
			}
			if c.pushes == 0 {
				t.Errorf("%d servers, %s: nothing was pushed", len(servers), mode)
			}
		}
	}
}

// CLIENT TRACKING, CACHING and TRACKINGINFO as a Redis answers them.
func TestE2ETrackingSameAsRedis(t *testing.T) {
	t.Parallel()
	sameAsRedis(t, strings.Split(strings.TrimSpace(`
HELLO 3
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT CACHING YES
CLIENT TRACKING ON PREFIX a
CLIENT TRACKING ON OPTIN OPTOUT
CLIENT TRACKING ON OPTIN BCAST
CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
CLIENT TRACKING MAYBE
CLIENT TRACKING ON NOSUCH
CLIENT TRACKING ON OPTIN NOLOOP
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT TRACKING ON BCAST
CLIENT TRACKING ON OPTOUT
CLIENT CACHING NO
CLIENT CACHING MAYBE
CLIENT CACHING YES
CLIENT TRACKINGINFO
GET none
CLIENT TRACKING OFF
CLIENT TRACKINGINFO
CLIENT TRACKING ON BCAST PREFIX a PREFIX b
CLIENT TRACKING ON BCAST PREFIX c
CLIENT TRACKING ON BCAST PREFIX ab
CLIENT TRACKINGINFO
CLIENT TRACKING OFF
CLIENT TRACKING OFF
RESET
CLIENT TRACKINGINFO
`), "\n"))
}
