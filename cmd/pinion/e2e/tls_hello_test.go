// Clients that are set up for TLS, at listeners that do not speak it.

package e2e_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

func TestE2ETLSHello(t *testing.T) {
	t.Parallel()
	for _, p := range []*rig.Proxy{
		rig.RedisPool(t, []*rig.Backend{rig.RedisServer(t)}),
		rig.MemcachePool(t, []*rig.Backend{rig.MemcachedServer(t)}),
	} {
		_, err := tls.Dial(p.Network, p.Address, &tls.Config{InsecureSkipVerify: true})
		if err == nil || !strings.Contains(err.Error(), "handshake failure") {
			t.Errorf("got %v", err)
		}
	}
}
