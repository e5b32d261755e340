// Clients with server connections of their own while generations change: nothing that is pushed or published is lost or comes twice.

package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// fromEnvironment returns a number that the environment may set: PINION_MOVES and PINION_WAITING make the test as long as one likes.
func fromEnvironment(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q, want a number", name, text)
	}
	return n
}

// A quarter of the clients waits in BLPOP for what is seldom pushed, a quarter for what is pushed all the time, the others have
// subscribed. Reloads and upgrades follow each other.
func TestE2EMovesOfWaitingClients(t *testing.T) {
	t.Parallel()
	moves, clients := fromEnvironment(t, "PINION_MOVES", 3), fromEnvironment(t, "PINION_WAITING", 40)
	address := rig.FreeAddress(t)
	options := []string{"redis: true", "timeout: 5000", `hash_tag: "{}"`, "dedicated_connections: 5000"}
	o := operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: rig.Lines(rig.ThreeRedis(t))}), address)
	var (
		all  sync.WaitGroup
		over = make(chan struct{})
	)
	for i := range clients {
		c, sender := o.Dial(), o.Dial()
		waits, pause := i%4 < 2, 5*time.Millisecond
		if i%4 == 0 {
			pause = 400 * time.Millisecond
		}
		name := fmt.Sprint("name", i)
		if !waits {
			c.WantDo(rig.Array(rig.Bulk("subscribe"), rig.Bulk(name), ":1\r\n"), "SUBSCRIBE", name)
			c.WantDo(rig.Array(rig.Bulk("psubscribe"), rig.Bulk("every"), ":2\r\n"), "PSUBSCRIBE", "every")
		}
		all.Go(func() { // which sends
			command, head := "PUBLISH", ":1\r\n"
			if waits {
				command, head = "RPUSH", ":"
			}
			for n, last := 0, false; !last; n++ {
				text := fmt.Sprint(n)
				select {
				case <-over:
					text, last = "end", true
				case <-time.After(pause):
				}
				if reply := sender.Do(command, name, text); !strings.HasPrefix(reply, head) {
					t.Errorf("%s %s: %q", command, text, reply)
				}
			}
		})
		all.Go(func() { // which receives
			for next, got := 0, ""; !strings.HasSuffix(got, rig.Bulk("end")); next++ {
				from := rig.Bulk("message") + rig.Bulk(name)
				if waits {
					from = rig.Bulk(name)
					c.Send(rig.Request("BLPOP", name, "0"))
				}
				got = c.Reply()
				if want := from + rig.Bulk(fmt.Sprint(next)); got[4:] != want && got[4:] != from+rig.Bulk("end") {
					t.Errorf("client %d got %q, want %q", i, got, want)
					return
				}
			}
		})
	}
	for i := range moves {
		command := []string{"reload", "upgrade"}[i%2]
		if text, err := o.command(command); err != nil {
			t.Errorf("%s: %v, %s", command, err, text)
		}
	}
	close(over)
	all.Wait()
	if n := strings.Count(o.Output.String(), " moved, 0 stragglers,"); n != moves {
		t.Errorf("%d of %d moves have left nobody", n, moves)
	}
}
