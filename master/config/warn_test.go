// What is warned of, and what, differing only in the point at issue, is not.

package config

import (
	"fmt"
	"strings"
	"testing"
)

func warnings(t *testing.T, workers int, text string) string {
	t.Helper()
	c, err := parse("w", []byte(text), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	return c.Warnings(Machine{Workers: workers}).Error()
}

const (
	poolAlpha  = "alpha:\n  listen: 127.0.0.1:22121\n"
	bareServer = "  servers:\n  - a:6379:1\n"
	patient    = "  timeout: 400\n"
	oneServer  = bareServer + patient
	twoServers = "  servers:\n  - a:6379:1\n  - b:6379:1\n"

	oneReplica   = "  servers:\n  - server: a:6379:1\n    replicas:\n    - b:6379\n"
	zonedReplica = "  servers:\n  - server: a:6379:1\n    zone: x\n    replicas:\n    - b:6379\n"
)

// Each case is warned of exactly this, and its neighbour, which differs in what matters, of nothing.
func TestWarnings(t *testing.T) {
	long := strings.Repeat("n", maxKetamaName)
	path := "/" + strings.Repeat("p", maxSocketPathSize-1)
	for _, test := range []struct{ bad, want, good string }{
		{"global:\n  http: 0.0.0.0:22223\n" + poolAlpha + oneServer,
			`w:2:3: warning: http on 0.0.0.0:22223 asks for no password: whoever reaches it sees keys`,
			"global:\n  http: 127.0.0.1:22223\n" + poolAlpha + oneServer},
		{poolAlpha + "  timeout: 100\n  hash: crc32\n" + twoServers,
			`w:4:3: warning: pool "alpha": crc32 with ketama puts every key on one server`,
			poolAlpha + "  timeout: 100\n  hash: crc32\n  distribution: modula\n" + twoServers},
		{poolAlpha + "  timeout: 100\n  distribution: random\n" + twoServers,
			`w:4:3: warning: pool "alpha": random looks for a key on another server`,
			poolAlpha + "  timeout: 100\n  distribution: random\n" + bareServer},
		{poolAlpha + "  timeout: 100\n  auto_eject_hosts: true\n" + bareServer,
			`w:4:3: warning: pool "alpha": ejecting the only server`,
			poolAlpha + "  timeout: 100\n  auto_eject_hosts: true\n" + twoServers},
		{poolAlpha + "  timeout: 100\n  on_failure: remap\n" + bareServer,
			`w:4:3: warning: pool "alpha": ejecting the only server fails every request until it is back; leave out on_failure: remap`,
			poolAlpha + "  timeout: 100\n  on_failure: remap\n" + twoServers},
		{poolAlpha + "  timeout: 100\n  server_retry_max: 40000\n" + twoServers,
			`w:4:3: warning: pool "alpha": server_retry_max says nothing`,
			poolAlpha + "  timeout: 100\n  server_retry_max: 40000\n  on_failure: remap\n" + twoServers},
		{poolAlpha + "  timeout: 100\n  server_retry_max: 4000\n  on_failure: remap\n" + twoServers,
			`w:4:3: warning: pool "alpha": server_retry_max is less than server_retry_timeout`,
			poolAlpha + "  timeout: 100\n  server_retry_max: 30000\n  on_failure: remap\n" + twoServers},
		{poolAlpha + "  redis: true\n  timeout: 100\n  read_from: nearest\n" + oneReplica,
			`w:5:3: warning: pool "alpha": read_from is nearest, and no server or replica says`,
			poolAlpha + "  redis: true\n  timeout: 100\n  read_from: nearest\n" + zonedReplica},
		{poolAlpha + "  auto_eject_hosts: true\n" + twoServers,
			`w:3:3: warning: pool "alpha": a server that hangs is never ejected`,
			poolAlpha + "  auto_eject_hosts: true\n  timeout: 100\n" + twoServers},
		{poolAlpha + twoServers, `w:1:1: warning: pool "alpha": a server that hangs makes`, poolAlpha + oneServer},
		{poolAlpha + "  timeout: 0\n" + twoServers, `w:3:3: warning: pool "alpha": a server that hangs makes`,
			poolAlpha + "  timeout: 100\n" + twoServers},
		{poolAlpha + "  redis: true\n  server_connections: 1251\n" + oneServer,
			`w:4:3: warning: pool "alpha": 4 workers × 1251 server_connections are 5004 connections to each server; ` +
				`a redis server takes 10000 by default`,
			poolAlpha + "  redis: true\n  server_connections: 1250\n" + oneServer},
		{poolAlpha + "  servers:\n  - localhost:22121:1\n" + patient, `w:4:5: warning: pool "alpha": server "localhost:22121" is pool "alpha" itself`,
			poolAlpha + "  servers:\n  - localhost:22122:1\n" + patient},
		{"alpha:\n  listen: 0.0.0.0:1\n  servers:\n  - 127.0.0.1:1:1\n" + patient, `w:4:5: warning: pool "alpha": server "127.0.0.1:1" is pool "alpha" itself`,
			"alpha:\n  listen: 0.0.0.0:1\n  servers:\n  - 192.0.2.1:1:1\n" + patient},
		{poolAlpha + "  server_connections: 129\n" + oneServer,
			`w:3:3: warning: pool "alpha": 4 workers × 129 server_connections are 516 connections to each server; ` +
				`a memcache server takes 1024 by default`,
			poolAlpha + "  server_connections: 128\n" + oneServer},
		{"uptime" + strings.TrimPrefix(poolAlpha, "alpha") + oneServer,
			`w:1:1: warning: pool "uptime": the name is also that of a number in the statistics`, poolAlpha + oneServer},
		{poolAlpha + "  servers:\n  - a:1:1 " + long + "n\n" + patient, `w:4:5: warning: pool "alpha": server name of 267 bytes is cut`,
			poolAlpha + "  servers:\n  - a:1:1 " + long + "\n" + patient},
		{poolAlpha + "  servers:\n  - " + path + "p:1\n" + patient, `w:4:5: warning: pool "alpha": server path of 108 bytes`,
			poolAlpha + "  servers:\n  - " + path + ":1\n" + patient},
		{"alpha:\n  listen: /tmp/s 0x1\n" + oneServer,
			`w:2:11: warning: pool "alpha": listen "/tmp/s 0x1" has permissions "0x1", taken for 0 as nutcracker does`,
			"alpha:\n  listen: /tmp/s 01\n" + oneServer},
		{poolAlpha + "  timeout: 100\n  servers:\n  - a:6379:1 x\n  - a:6379:1 y\n",
			`w:6:5: warning: pool "alpha": server "a:6379" is in the pool twice, first in line 5`,
			poolAlpha + "  timeout: 100\n  servers:\n  - a:6379:1 x\n  - a:6380:1 y\n"},
		{poolAlpha + "  redis: true\n  deny: none\n" + oneServer + "beta:\n  listen: 127.0.0.1:22122\n  redis: true\n  redis_db: 1\n" + oneServer,
			`w:4:3: warning: pool "alpha": FLUSHALL of its clients empties the database of pool "beta", too; deny flushall`,
			poolAlpha + "  redis: true\n  deny: [default, keys]\n" + oneServer + "beta:\n  listen: 127.0.0.1:22122\n  redis: true\n  redis_db: 1\n" + oneServer},
		{poolAlpha + oneServer + "beta:\n  listen: 127.0.0.1:22122\n" + oneServer,
			`w:4:5: warning: pool "alpha": server "a:6379" is also in pool "beta", line 9`,
			poolAlpha + oneServer + "beta:\n  listen: 127.0.0.1:22122\n  redis: true\n  redis_db: 1\n" + oneServer},
		{poolAlpha + "  redis: true\n  deny: [keys]\n" + oneServer,
			`w:4:3: warning: pool "alpha": without default in its list, these are not denied: FLUSHALL, SHUTDOWN, CONFIG SET and 38 more; ` +
				"add default to the list",
			poolAlpha + "  redis: true\n  deny: [keys, default]\n" + oneServer},
		{poolAlpha + "  redis: true\n  deny: default config get\n" + oneServer,
			`w:4:9: warning: pool "alpha": deny "default config get" denies all of CONFIG and all of GET; write config|get if that is meant`,
			poolAlpha + "  redis: true\n  deny: default get config\n" + oneServer},
		{poolAlpha + "  databases: 2\n" + oneServer,
			`w:3:3: warning: pool "alpha": databases says nothing in a pool of memcached; remove it, or add "redis: true"`,
			poolAlpha + "  databases: 1\n" + oneServer},
		{poolAlpha + "  deny: none\n" + oneServer, `w:3:3: warning: pool "alpha": deny says nothing in a pool of memcached`,
			poolAlpha + "  redis: true\n  deny: none\n" + oneServer},
		{"global:\n  memory_limit: 2g\n" + poolAlpha + "  max_request_bytes: 1g\n  client_output_hard: 2049m\n" + oneServer,
			`w:6:3: warning: pool "alpha": client_output_hard of 2049m lets one client take all of the memory_limit of 2g; ` +
				`lower client_output_hard, or raise memory_limit`,
			"global:\n  memory_limit: 2g\n" + poolAlpha + "  max_request_bytes: 1g\n  client_output_hard: 2g\n" + oneServer},
		{"global:\n  memory_limit: 256m\n" + poolAlpha + "  client_output_hard: 256m\n" + oneServer,
			`w:3:1: warning: pool "alpha": max_request_bytes of 512m lets one client take all`,
			"global:\n  memory_limit: 0\n" + poolAlpha + "  client_output_hard: 256m\n" + oneServer},
		{"global:\n  memory_limit: 100m\n" + poolAlpha + "  max_request_bytes: 78m\n  client_output_hard: 100m\n" + oneServer,
			`w:5:3: warning: pool "alpha": no request of more than 75m is read, for all max_request_bytes of 78m: ` +
				`three quarters of memory_limit; raise memory_limit to 104m or more, or lower max_request_bytes`,
			"global:\n  memory_limit: 104m\n" + poolAlpha + "  max_request_bytes: 78m\n  client_output_hard: 100m\n" + oneServer},
		{poolAlpha + "  client_idle_timeout: 300\n" + oneServer,
			`w:3:3: warning: pool "alpha": clients are closed after 300ms without a request`,
			poolAlpha + "  client_idle_timeout: 1000\n" + oneServer},
		{"global:\n  drain_delay: 8001\n" + poolAlpha + oneServer, `w:2:3: warning: drain_delay (8.001s) and shutdown_timeout (20s) are 28.001s together; ` +
			`Kubernetes kills after 30 s; lower one of them, or raise terminationGracePeriodSeconds (docker stop -t, TimeoutStopSec=) to 31 or more`,
			"global:\n  drain_delay: 8000\n" + poolAlpha + oneServer},
		{"global:\n  shutdown_timeout: 0\n" + poolAlpha + oneServer, `w:2:3: warning: shutdown_timeout is 0, so an end takes as long as the last client`,
			"global:\n  shutdown_timeout: 28000\n" + poolAlpha + oneServer},
		{poolAlpha + "  drain_ping: error\n" + oneServer, `w:3:3: warning: pool "alpha": drain_ping says nothing in a pool of memcached`,
			poolAlpha + "  redis: true\n  drain_ping: error\n" + oneServer},
		{"global:\n  coalesce_us: 10000\n" + poolAlpha + "  timeout: 10\n" + bareServer,
			`w:2:3: warning: pool "alpha": requests may be held for 10ms, and their timeout is 10ms`,
			"global:\n  coalesce_us: 9999\n" + poolAlpha + "  timeout: 10\n" + bareServer},
	} {
		if got := warnings(t, 4, test.bad); !strings.HasPrefix(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("got:\n%s\nwant:\n%s\nof:\n%s", got, test.want, test.bad)
		}
		if got := warnings(t, 4, test.good); got != "" {
			t.Errorf("got %s, want none of:\n%s", got, test.good)
		}
	}
}

// A pool may be the server of another one, as long as none is its own in the end.
func TestWarningsOfCircles(t *testing.T) {
	text := func(last string) string {
		return "alpha:\n  listen: /tmp/a\n  servers:\n  - /tmp/b:1\n" + patient + "beta:\n  listen: /tmp/b\n  servers:\n  - " + last + ":1\n" + patient
	}
	const round = ` itself: requests go round in circles; give the address of the server behind it`
	for last, want := range map[string]string{
		"/tmp/c": "",
		"/tmp/a": `w:4:5: warning: pool "alpha": server "/tmp/b" is pool "beta"` + round + "\n" + `w:9:5: warning: pool "beta": server "/tmp/a" is pool "alpha"` + round,
		"/tmp/b": `w:4:5: warning: pool "alpha": server "/tmp/b" is also in pool "beta", line 9; pools that share a server also share its keys` + "\n" + `w:9:5: warning: pool "beta": server "/tmp/b" is pool "beta"` + round,
	} {
		if got := warnings(t, 1, text(last)); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
}

// The number of workers is an argument: it need not be the one of the file.
func TestWarningsCountWorkers(t *testing.T) {
	text := poolAlpha + "  redis: true\n  server_connections: 100\n" + oneServer
	for workers, want := range map[int]bool{1: false, 50: false, 51: true} {
		if got := warnings(t, workers, text); (got != "") != want || want && !strings.Contains(got, fmt.Sprint(workers*100)) {
			t.Errorf("%d workers: got %q", workers, got)
		}
	}
}

// What the descriptors of a process are too few for is said of the file as a whole.
func TestWarningOfDescriptors(t *testing.T) {
	c, err := parse("w", []byte(poolAlpha+"  timeout: 100\n  server_connections: 20\n"+twoServers), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	want := "w: warning: a process may have 64 descriptors, and the connections of a worker to its servers alone may need 40: it keeps 21 " +
		"for them, opens no more than 10 to a server, and takes about 22 clients; raise LimitNOFILE= (ulimit -n) to 103 or more"
	if got := c.Warnings(Machine{Workers: 1, Descriptors: 64}).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, enough := range []int{103, 1 << 20, 0} {
		if got := c.Warnings(Machine{Workers: 1, Descriptors: enough}); len(got) > 0 {
			t.Errorf("%d descriptors: %v", enough, got)
		}
	}
}

// More clients than all workers together have descriptors for are warned of, with a limit that is enough and no larger than
// that.
func TestWarningOfClients(t *testing.T) {
	c, err := parse("w", []byte(poolAlpha+"  client_connections: 10000\n"+oneServer), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	want := `w:3:3: warning: pool "alpha": client_connections is 10000, but 4 workers with 1024 descriptors each take about 3768 clients; ` +
		"raise LimitNOFILE= (ulimit -n) to 2685 or more, or lower client_connections"
	if got := c.Warnings(Machine{Workers: 4, Descriptors: 1024}).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := c.Warnings(Machine{Workers: 4, Descriptors: 2685}); len(got) > 0 {
		t.Errorf("got %v", got)
	}
	if got := c.Warnings(Machine{Workers: 4, Descriptors: 2684}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
