// The statistics port and the configuration, side by side with nutcracker's.

package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// blank replaces what legitimately differs: numbers, the host and the version.
func blank(stats string) string {
	stats = regexp.MustCompile(`"(source|version)":"[^"]*"`).ReplaceAllString(stats, `"$1":""`)
	return regexp.MustCompile(`:-?\d+`).ReplaceAllString(stats, ":0")
}

// ownCounters are those that nutcracker does not have. They stand behind its own.
var ownCounters = regexp.MustCompile(`, "(blocked_clients|subscribers|moved_replies|ask_replies|unknown_redirects|tryagain_replies|clusterdown_replies|dedicated_connections|blocking_responses|held|held_bytes|held_total|held_expired|replica_reads|replica_fallbacks|tls_handshakes|tls_unverified|tls_refused|tls_failed)":0|, "wait_us":[0-9]+`)

// The text is nutcracker's, byte for byte, but for the numbers, and for counters of our own behind its own; and those that do not depend on the number of workers
// are the same after the same traffic.
func TestE2EStatistics(t *testing.T) {
	t.Parallel()
	var both [2]*rig.Proxy
	for i := range both {
		address, other := rig.FreeAddress(t), rig.FreeAddress(t)
		servers := rig.Several(3, func() *rig.Backend { return rig.RedisServerTCP(t, rig.FreeAddress(t)) })
		config := rig.Yaml(
			rig.Pool{Name: "pool", Listen: address, Options: []string{"redis: true", "hash: murmur"}, Servers: rig.Lines(servers)},
			rig.Pool{Name: "an-other", Listen: other, Options: []string{"redis: true"}, Servers: rig.Lines(servers[:2])},
		)
		if i == 0 {
			both[i] = rig.Nutcracker(t, config, "tcp", address)
		} else {
			both[i] = rig.Pinion(t, config, "tcp", address, "--workers", "1")
		}
	}
	for _, p := range both {
		c := p.Dial()
		for i := range 30 {
			key := fmt.Sprintf("key:%d", i)
			c.WantDo("+OK\r\n", "SET", key, "value")
			c.WantDo(rig.Bulk("value"), "GET", key)
		}
		// no MSET: nutcracker counts 7 bytes more for each part of one than it sends
		c.WantDo(rig.Array(rig.Bulk("value"), "$-1\r\n", rig.Bulk("value")), "MGET", "key:3", "key:99", "key:12")
		c.WantDo(":2\r\n", "DEL", "key:1", "key:2", "nothing")
		gone := p.Dial()
		gone.WantDo("+PONG\r\n", "PING")
		gone.Conn.Close()
	}
	rig.Eventually(t, "counting the same", func() error { return sameCounters(both) })
	theirs, ours := blank(both[0].Scrape()), ownCounters.ReplaceAllString(blank(both[1].Scrape()), "")
	if theirs != ours {
		t.Errorf("nutcracker: %s\npinion:     %s", theirs, ours)
	}
}

// sameCounters compares the numbers of a pool and its servers.
func sameCounters(both [2]*rig.Proxy) error {
	theirs, ours := both[0].Counters()["pool"].(map[string]any), both[1].Counters()["pool"].(map[string]any)
	for name, want := range theirs {
		if server, ok := want.(map[string]any); ok {
			for counter, want := range server {
				if got := ours[name].(map[string]any)[counter]; got != want {
					return fmt.Errorf("%s of %s: nutcracker %v, pinion %v", counter, name, want, got)
				}
			}
			continue
		}
		// nutcracker has the counter of fragments, but never counts
		if got := ours[name]; got != want && name != "fragments" {
			return fmt.Errorf("%s: nutcracker %v, pinion %v", name, want, got)
		}
	}
	return nil
}

// Every configuration that nutcracker accepts is accepted.
func TestE2EConfigurationsOfNutcracker(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../master/config/testdata/nutcracker/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files, %v", err)
	}
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../../packaging/conf/nutcracker.yml") {
		for _, name := range []string{rig.Program(t, "nutcracker"), path} {
			if out, err := exec.Command(name, "-t", "-c", file).CombinedOutput(); err != nil {
				t.Errorf("%s -t -c %s: %v\n%s", filepath.Base(name), file, err, out)
			}
		}
	}
}
