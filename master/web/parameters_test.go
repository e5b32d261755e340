package web

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

// viewOf is a service with a pool that has one server.
func viewOf(t *testing.T, pool string) *metrics.View {
	t.Helper()
	pools := []link.Pool{{Name: pool, Servers: []link.Server{{Name: "a"}}}}
	shared, err := link.OpenShared(make([]byte, link.SharedBytes([]int{1}, 1)), []int{1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &totals.Counters{Shared: shared, Pools: pools, Listens: []string{""}}
	var sums totals.Totals
	return &metrics.View{Counts: sums.Whole(c, totals.Generations{All: []*totals.Counters{c}}), Topology: link.StaticTopology(pools), Release: func() {}}
}

// What is asked in words that mean nothing is refused, in the form that commands read, and not answered as if it had not been said.
func TestNonsenseIsRefused(t *testing.T) {
	address, _ := loop(t, func() State { return State{View: viewOf(t, "alpha")} })
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"/hotkeys.json", 200, ""}, {"/hotkeys.json?pool=alpha&count=256", 200, ""}, {"/slowlog.json?pool=alpha", 200, ""},
		{"/hotkeys.json?count=-1", 400, `parameter "count" is "-1"; it is a number from 1 to 256`}, {"/bigkeys.json?count=0", 400, "from 1 to 256"},
		{"/bigkeys.json?count=257", 400, "from 1 to 256"}, {"/hotkeys.json?cuont=5", 400, `unknown parameter "cuont"`},
		{"/hotkeys.json?pool=nope", 404, `there is no pool "nope"; there are: alpha`}, {"/slowlog.json?pool=nope", 404, `there is no pool "nope"`}, {"/slowlog.json?count=1", 400, `unknown parameter "count"`},
	} {
		code, text := get(t, address, c.path)
		var o admin.Outcome
		if code != c.code || c.want != "" && (json.Unmarshal([]byte(text), &o) != nil || !strings.Contains(o.Error, c.want)) {
			t.Errorf("%s: got %d %q, want %d with %q", c.path, code, text, c.code, c.want)
		}
	}
}

// Who sends what nobody takes reads why, and does not find the connection broken.
func TestLargeBodyIsAnswered(t *testing.T) {
	address, _ := loop(t, func() State { return State{} })
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 20_000_000)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 405 ") {
		t.Errorf("got %.200q, %v", text, err)
	}
	r, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}
