// A pool with several addresses, of which reloads take some away and add others.

package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2EListens(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	first, second, third := rig.FreeAddress(t), rig.FreeAddress(t), rig.FreeAddress(t)
	path := filepath.Join(rig.ShortDir(t), "s")
	config := func(listens ...string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: "[" + strings.Join(listens, ", ") + "]", Options: []string{"redis: true"}, Servers: []string{server.Address + ":1"}})
	}
	o := operate(t, config(first, second, path+" 0600"), first)
	dial := func(network, address string) *rig.Client { return rig.Dial(t, network, address, rig.ReadRESP) }
	goes, stays, local := dial("tcp", first), dial("tcp", second), dial("unix", path)
	for _, c := range []*rig.Client{goes, stays, local} {
		c.WantDo("+PONG\r\n", "PING")
	}
	if out, err := o.command("status"); err != nil || !strings.Contains(out, "pool pool on "+first+", "+second+", "+path) {
		t.Errorf("status: %v\n%s", err, out)
	}

	o.configure(t, config(second, third, path+" 0600"))
	if out, err := o.command("reload"); err != nil || !strings.Contains(out, "; clients at "+first+" are closed after their current replies") {
		t.Errorf("reload: %v\n%s", err, out)
	}
	goes.Want(rig.Closed)
	for _, c := range []*rig.Client{stays, local, dial("tcp", third), dial("unix", path)} {
		c.WantDo("+PONG\r\n", "PING")
	}
	if out, err := o.command("upgrade"); err != nil {
		t.Errorf("upgrade: %v\n%s", err, out)
	}
	for _, c := range []*rig.Client{stays, local, dial("tcp", third)} {
		c.WantDo("+PONG\r\n", "PING")
	}
}
