// Whether a worker has descriptors for all its connections.

package master

import (
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// MaxDescriptors returns how many descriptors this process may have, and so may its workers; 0: that is unknown.
func MaxDescriptors() int {
	n, err := sock.MaxDescriptors()
	if err != nil {
		return 0
	}
	return n
}

// checkDescriptors logs what the workers of a configuration have too few descriptors for.
func (m *master) checkDescriptors(cfg *config.Config) {
	d, known := cfg.Division(m.world.descriptors())
	if message, hint := d.Shortage(); known && message != "" {
		m.log.printf(levelWarn, "%s; %s", message, hint)
	}
}
