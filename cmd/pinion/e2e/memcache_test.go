// The memcached text protocol beyond what nutcracker speaks: a pool answers as one memcached would.

package e2e_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Three servers behind the proxy answer as one without it.
func TestE2ELikeMemcached(t *testing.T) {
	t.Parallel()
	one := rig.MemcachedServer(t)
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), "hash: murmur")
	compareLines(t, one, p, rig.ReadTable(t, "like_memcached.txt", rig.Unquote), sameButForSeconds)
	for _, raw := range []string{
		"set large 0 0 2000000\r\n" + rig.Filler(2000000) + "\r\nget large\r\nversion\r\n", // larger than an item may be
		"set " + strings.Repeat("k", 250) + " 0 0 1\r\nx\r\nget " + strings.Repeat("k", 250) + "\r\n",
		"get " + strings.Repeat("k", 251) + "\r\nversion\r\n",
	} {
		if want, got := replies(one.Dial(), raw), replies(p.Dial(), raw); got != want {
			t.Errorf("%.80q:\nmemcached %.300q\npinion    %.300q", raw, want, got)
		}
	}
}

// seconds is what memcached says of the time that an item has left, or that has passed since somebody asked for it.
var seconds = regexp.MustCompile(` ([tl])(-?\d+)`)

// sameButForSeconds compares replies of two servers whose clocks tick at different moments, and of which one is asked after the
// other.
func sameButForSeconds(want, got string) bool {
	const most = 20
	theirs, ours := seconds.FindAllStringSubmatch(want, -1), seconds.FindAllStringSubmatch(got, -1)
	if seconds.ReplaceAllString(want, " $1") != seconds.ReplaceAllString(got, " $1") || len(theirs) != len(ours) {
		return false
	}
	for i := range theirs {
		if apart := rig.Atoi(ours[i][2]) - rig.Atoi(theirs[i][2]); apart < -most || apart > most {
			return false
		}
	}
	return true
}

// The statistics of a pool are those of its servers together.
func TestE2EMemcacheStats(t *testing.T) {
	t.Parallel()
	p := rig.MemcachePool(t, rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) }), "hash: murmur")
	c := p.Dial()
	for i := range 60 {
		if got := c.Line(fmt.Sprintf("set key:%d 0 0 1\r\nx", i)); got != "STORED\r\n" {
			t.Fatalf("set: %q", got)
		}
	}
	stats := c.Line("stats")
	for _, want := range []string{"STAT curr_items 60\r\n", "STAT cmd_set 60\r\n", "STAT threads 3\r\n", "\r\nEND\r\n"} {
		if !strings.Contains(stats, want) {
			t.Errorf("no %q in:\n%s", want, stats)
		}
	}
	if n := strings.Count(stats, "STAT pid "); n != 1 {
		t.Errorf("%d lines of STAT pid", n)
	}
}

// A dead server costs only what concerns its keys.
func TestE2EMemcacheDeadServer(t *testing.T) {
	t.Parallel()
	servers := rig.Several(3, func() *rig.Backend { return rig.MemcachedServer(t) })
	p := rig.MemcachePool(t, servers, "hash: murmur") // grape is on s0, banana on s1, apple on s2
	c := p.Dial()
	for _, key := range []string{"apple", "banana", "grape"} {
		if got := c.Line("set " + key + " 0 0 1\r\nx"); got != "STORED\r\n" {
			t.Fatalf("set %s: %q", key, got)
		}
	}
	servers[1].Kill()
	const dead = "SERVER_ERROR Connection refused\r\n"
	rig.Eventually(t, "noticing that the server is dead", func() error { // the first request may meet the old connection
		if got := c.Line("get banana"); got != dead {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	for _, test := range []struct{ line, want string }{
		{"get apple grape", "VALUE apple 0 1\r\nx\r\nVALUE grape 0 1\r\nx\r\nEND\r\n"},
		{"get apple banana grape", dead},
		{"set banana 0 0 1 noreply\r\nx\r\nget apple", "VALUE apple 0 1\r\nx\r\nEND\r\n"},
		{"delete banana", dead},
		{"flush_all", dead},
		{"get grape", "END\r\n"}, // the living ones were flushed
	} {
		if got := c.Line(test.line); got != test.want {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}
