// What is told of a file of nutcracker's.

package config

import (
	"strings"
	"testing"
)

func differencesOf(t *testing.T, text string) string {
	t.Helper()
	cfg, err := Parse("n.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.FromNutcracker(4).Error()
}

func TestFromNutcracker(t *testing.T) {
	const redisAlpha = poolAlpha + "  redis: true\n"
	seen := map[string]bool{}
	for _, c := range []struct{ text, want, not string }{
		{redisAlpha + "  redis_auth: x\n  redis_db: 2\n" + bareServer, `n.yml:5:3: different: pool "alpha": with redis_auth, nutcracker worked in database 0`, "at unix paths"},
		{redisAlpha + "  redis_auth: x\n  redis_db: 2\n" + bareServer, `Pinion gives AUTH and SELECT 10 s`, ""},
		{redisAlpha + "  redis_db: 2\n  servers:\n  - /run/r.sock:1 a\n", `n.yml:4:3: different: pool "alpha": nutcracker worked in database 0 of servers at unix paths`, "with redis_auth"},
		{redisAlpha + "  redis_db: 2\n" + bareServer, `Pinion gives AUTH`, "worked in database 0"},
		{redisAlpha + twoServers, `n.yml:1:1: different: pool "alpha": commands whose keys live on several servers`, ""},
		{redisAlpha + bareServer, `what nutcracker did not know (MULTI`, "several servers"},
		{redisAlpha + "  cross_shard: first_key\n" + twoServers, `n.yml:4:3: different: pool "alpha": nutcracker does not know cross_shard; keep a file without it`, "commands whose keys"},
		{redisAlpha + bareServer, `-OOM, -BUSY and -LOADING`, "client_connections"},
		{poolAlpha + "  client_connections: 9\n" + bareServer, `n.yml:3:3: different: pool "alpha": nutcracker never enforced client_connections`, "MULTI"},
		{poolAlpha + "  auto_eject_hosts: true\n  timeout: 400\n" + twoServers, `it is probed first`, "10 s"},
		{poolAlpha + "  timeout: 400\n" + bareServer, `n.yml:3:3: different: pool "alpha": a request that timed out`, "probed"},
		{poolAlpha + bareServer, `gets ERROR or CLIENT_ERROR`, "timed out"},
		{poolAlpha + bareServer, `nutcracker opened 1 to each server; Pinion opens 4, as it has 4 workers`, "order"},
		{poolAlpha + "  server_connections: 3\n" + bareServer, `opened 3 to each server; Pinion opens 12, as it has 4 workers`, "unix"},
		{"alpha:\n  listen: /run/a.sock\n" + bareServer, `n.yml:2:3: different: pool "alpha": nutcracker removed whatever`, ""},
		{"alpha:\n  listen: 127.0.0.1:1 tls\n  tls_cert: /a.crt\n  tls_key: /a.key\n" + bareServer, `n.yml:2:3: different: pool "alpha": nutcracker knows no TLS`, "one address"},
		{"alpha:\n  listen: [127.0.0.1:1, 127.0.0.1:2]\n" + bareServer, `n.yml:2:3: different: pool "alpha": nutcracker takes one address for a pool; keep a file`, "removed whatever"},
		{poolAlpha + "  preconnect: true\n" + bareServer, `n.yml:3:3: different: pool "alpha": one connection to each server is opened`, ""},
		{"global:\n  workers: 2\n" + poolAlpha + bareServer, `n.yml:2:3: different: nutcracker knows no process-wide options`, ""},
	} {
		got := differencesOf(t, c.text)
		if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("got:\n%s\nwant %s\nnot %s", got, c.want, c.not)
		}
		for _, d := range differences {
			if strings.Contains(got, d.message) {
				seen[d.message] = true
			}
		}
	}
	for _, d := range differences {
		if !seen[d.message] {
			t.Errorf("no file brings about: %s", d.message)
		}
	}
}

// What is the same for several pools is told once.
func TestFromNutcrackerOnce(t *testing.T) {
	got := differencesOf(t, poolAlpha+"  redis: true\n"+twoServers+"beta:\n  listen: 127.0.0.1:2\n  redis: true\n"+bareServer+
		"gamma:\n  listen: 127.0.0.1:3\n  redis: true\n"+twoServers)
	for _, want := range []string{
		"(MULTI, BLPOP, SUBSCRIBE, SCAN, …) works; likewise beta, gamma\n",
		"set cross_shard: first_key to have the old results; likewise gamma\n",
	} {
		if strings.Count(got+"\n", want) != 1 {
			t.Errorf("got:\n%s\nwant %s", got, want)
		}
	}
}

// All that nutcracker knows is known here, and none of it is told to be new.
func TestNutcrackerKeys(t *testing.T) {
	for _, key := range nutcrackerKeys {
		if lookup(key, PoolScope) == nil {
			t.Errorf("%s is no option of a pool", key)
		}
	}
}
