// How descriptors are divided.

package link

import (
	"strings"
	"testing"
)

func TestDivide(t *testing.T) {
	pools := func(servers, connections int, ejects bool) []Pool {
		return []Pool{{Servers: make([]Server, servers), ServerConnections: connections, AutoEjectHosts: ejects}}
	}
	for _, test := range []struct {
		limit                               int
		pools                               []Pool
		wanted, servers, clients, perServer int
	}{
		{1024, pools(10, 1, false), 10, 10, 933, 1},
		{1024, pools(10, 1, true), 20, 20, 923, 1},
		{1024, append(pools(10, 4, true), pools(3, 1, false)...), 53, 53, 889, 4},
		{1 << 20, pools(100, 8, true), 900, 900, 1<<20 - 1024 - 17 - 900, 8},
		{64, pools(4, 8, true), 36, 21, 22, 4},
		{64, pools(4, 8, false), 32, 21, 22, 5},
		{64, pools(30, 2, true), 90, 21, 22, 1},
		{10, pools(3, 1, false), 3, 1, 0, 1},
	} {
		d := Divide(test.limit, len(test.pools), test.pools)
		if d.Wanted != test.wanted || d.Servers != test.servers || d.Clients != test.clients || d.PerServer != test.perServer {
			t.Errorf("%d descriptors: %+v, want %+v", test.limit, d, test)
		}
		message, hint := d.Shortage()
		if short := d.Servers < d.Wanted; short != (message != "") || short && !strings.Contains(hint, "LimitNOFILE= (ulimit -n)") {
			t.Errorf("%d descriptors: %+v says %q, %q", test.limit, d, message, hint)
		}
		if enough := Divide(d.Enough, len(test.pools), test.pools); enough.Servers < enough.Wanted {
			t.Errorf("%d descriptors are said to be enough, and are not: %+v", d.Enough, enough)
		}
		if less := Divide(d.Enough-1, len(test.pools), test.pools); d.Servers < d.Wanted && less.Servers == less.Wanted {
			t.Errorf("%d descriptors are enough, and %d are said to be", d.Enough-1, d.Enough)
		}
	}
}
