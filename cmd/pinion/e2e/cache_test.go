// The cache of the documents: what happens to its keys while a server is gone, and when it is back.

package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// recipe returns the configuration below a heading of a document.
func recipe(t *testing.T, file, heading string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n"+heading+"\n")
	_, below, _ = strings.Cut(below, "```yaml\n")
	config, _, ends := strings.Cut(below, "```")
	if !found || !ends {
		t.Fatalf("%s has no configuration below %q", file, heading)
	}
	return config
}

// A server dies, and the others have its keys; it is back, without any, and gets one key after the other. A key that it has got it keeps.
func TestE2ECacheRecipe(t *testing.T) {
	t.Parallel()
	config := recipe(t, "../../../packaging/doc/CONFIGURATION.md", "### A cache")
	replace := func(what, by string) {
		if strings.Count(config, what) != 1 {
			t.Fatalf("the recipe has not one %q:\n%s", what, config)
		}
		config = strings.Replace(config, what, by, 1)
	}
	var servers []*rig.Backend
	start := func(address string) *rig.Backend {
		host, port, _ := strings.Cut(address, ":")
		return rig.MemcachedAt(t, "tcp", address, "-l", host, "-p", port)
	}
	for i := range 3 {
		address := rig.FreeAddress(t)
		servers = append(servers, start(address))
		replace(fmt.Sprintf("10.0.0.%d:11211:", i+1), address+":")
	}
	listen := rig.FreeAddress(t)
	replace("0.0.0.0:22122", listen)
	for _, other := range [][2]string{{"timeout: 250", "timeout: 30000"}, {"eject_latency: 10", "eject_latency: 1000000"}, {"server_retry_timeout: 2000", "server_retry_timeout: 100"},
		{"server_retry_max: 60000", "server_retry_max: 200"}, {"slow_start: 30000", "slow_start: 2000"}} {
		replace("\n  "+other[0]+"\n", "\n  "+other[1]+"\n")
	}
	p := rig.Pinion(t, config, "tcp", listen)
	p.Read = rig.ReadMemcache
	c := p.Dial()
	set := func(key, value string) string {
		return c.Line(fmt.Sprintf("set %s 0 0 %d\r\n%s", key, len(value), value))
	}
	get := func(c *rig.Client, key string) (value string) {
		fmt.Sscanf(c.Line("get "+key), "VALUE "+key+" 0 %d\r\n%s", new(int), &value)
		return value
	}

	var keys, its []string
	direct := servers[1].Dial()
	for i := range 120 {
		key := fmt.Sprint("k", i)
		keys = append(keys, key)
		if got := set(key, "before"); got != "STORED\r\n" {
			t.Fatalf("set %s: %q", key, got)
		}
		if get(direct, key) == "before" {
			its = append(its, key)
		}
	}
	if len(its) == 0 || len(its) == len(keys) {
		t.Fatalf("the second server has %d of %d keys", len(its), len(keys))
	}
	servers[1].Kill()
	rig.Eventually(t, "ejecting the server", func() error {
		for _, key := range keys {
			if got := set(key, "elsewhere"); got != "STORED\r\n" {
				return fmt.Errorf("set %s: %q", key, got)
			}
		}
		return nil
	})

	start(servers[1].Address)
	has := map[string]bool{}
	rig.Eventually(t, "giving the server its keys", func() error {
		for _, key := range keys {
			switch got := c.Line("get " + key); {
			case strings.HasPrefix(got, "VALUE ") && has[key]:
				t.Fatalf("%s has left the server that it had come back to", key)
			case got == "END\r\n":
				has[key] = true
			}
		}
		for _, key := range its {
			if !has[key] {
				return fmt.Errorf("%s is not back, as %d keys are of %d", key, len(has), len(its))
			}
		}
		return nil
	})
}
