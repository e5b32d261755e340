// Encrypted clients who send nothing but what costs time.

package core

import (
	"fmt"
	"slices"
	"testing"
)

// Whoever is there beside many clients who change their keys all the time is served in the next turns, and each of them takes a bounded amount
// of memory and of each turn. Records that bring nothing end a connection after some.
func TestFloodsOfRecords(t *testing.T) {
	const (
		clients, each = 50, 100
		mostTurns     = 4
		mostBytes     = 8 << 10 // for each client
	)
	for name, record := range map[string]func(*fakeTLS, testing.TB) []byte{"key updates": (*fakeTLS).keyUpdate, "empty records": (*fakeTLS).emptyRecord} {
		t.Run(name, func(t *testing.T) {
			r := tlsFront(t, nil)
			l := r.workers[0]
			var flood []*peer
			for i := range clients {
				flood = append(flood, r.connectTLS(fmt.Sprint("c", i), believing()))
			}
			bystander := r.connectTLS("bystander", believing())
			idle := l.memory.Held()
			for _, c := range flood {
				for range each {
					c.rest = append(c.rest, record(c.tls, t)...)
				}
				for c.push() {
				}
			}
			bystander.send(redisRequestOf("PING"))
			bystander.push()
			turns := 0
			for ; turns < mostTurns && len(bystander.got) == 0; turns++ {
				r.step(l)
				if spent := l.io.Spent; spent > 2*maxTurnBytes {
					t.Errorf("a turn does work for %d bytes", spent)
				}
				if held := l.memory.Held() - idle; held > clients*mostBytes {
					t.Errorf("%d bytes are held for them", held)
				}
				bystander.pull()
			}
			if got := string(bystander.take()); got != "+PONG\r\n" {
				t.Errorf("after %d turns the bystander has got %q", turns, got)
			}
			r.turn()
			ended := slices.ContainsFunc(flood, func(c *peer) bool { return c.ended })
			if ended != (name == "empty records") || ended && slices.ContainsFunc(flood, func(c *peer) bool { return !c.ended }) {
				t.Errorf("some of them are closed: %v", ended)
			}
		})
	}
}
