// Command lines and configurations of the programs that are compared.

package main

import (
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion-bench/load"
)

func TestContestants(t *testing.T) {
	for _, c := range []struct {
		text, name string
		want       []string
	}{
		{"/bin/true", "true", []string{"/bin/true", "-c", "C", "-s", "1", "-a", "127.0.0.1", "-o", "L"}},
		{"new=/bin/true -x", "new", []string{"/bin/true", "-x", "-c", "C", "-s", "1", "-a", "127.0.0.1", "-o", "L"}},
		{"/bin/true --file={config} {stats}{log}", "true", []string{"/bin/true", "--file=C", "1L"}},
	} {
		got, err := newContestant(c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if args := got.command("C", "1", "L"); got.name != c.name || !slices.Equal(args, c.want) {
			t.Errorf("%s: %s, %q; want %s, %q", c.text, got.name, args, c.name, c.want)
		}
	}
}

func TestConfigFile(t *testing.T) {
	const want = `global:
  coalesce_us: 0
  orphans: drain
pool0:
  listen: 127.0.0.1:1
  redis: false
  hash: fnv1a_64
  distribution: ketama
  preconnect: true
  timeout: 400
  servers:
    - 127.0.0.1:8:1 server0
    - 127.0.0.1:9:1 server1
pool1:
  listen: 127.0.0.1:2
  redis: false
  hash: fnv1a_64
  distribution: ketama
  preconnect: true
  timeout: 400
  servers:
    - 127.0.0.1:8:1 server0
    - 127.0.0.1:9:1 server1
`
	c := contestant{keys: []string{"timeout: 400"}, global: []string{"coalesce_us: 0", "orphans: drain"}}
	got := c.configFile(load.Memcache, []string{"127.0.0.1:1", "127.0.0.1:2"}, []string{"127.0.0.1:8", "127.0.0.1:9"})
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
