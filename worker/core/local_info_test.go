// INFO shows the whole proxy, whichever worker is asked.

package core

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestInfo(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2")
	r.slots = 2
	r.start()
	c := r.connect("a", 0, 1)
	c.send(redisRequestOf("INFO"))
	r.turn()
	got := string(c.take())
	for _, line := range []string{
		"# Pinion", "pinion_version:1.2.3", fmt.Sprint("process_id:", os.Getpid()), "worker:1", "workers:2", "generation:1",
		"curr_connections:3", "pool:alpha", "client_connections:1", "server1:name=s2,",
	} {
		if !strings.Contains(got, "\r\n"+line) {
			t.Errorf("INFO lacks the line %q: %q", line, got)
		}
	}
}
