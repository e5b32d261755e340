// Whether a worker has descriptors for all its connections.

package master

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
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
	for _, p := range cfg.DescriptorWarnings(m.workersOf(cfg), m.world.descriptors()) {
		pool := ""
		if p.Pool != "" {
			pool = fmt.Sprintf("pool %q: ", p.Pool)
		}
		m.log.Printf(logfile.Warn, "%s%s; %s", pool, p.Message, p.Hint)
	}
}

// withRemedy says what to do about an error that means that descriptors are too few, unless it says so itself. What another
// process or a library has said is text.
func withRemedy(err error) error {
	switch {
	case err == nil, strings.Contains(err.Error(), "LimitNOFILE"):
		return err
	case strings.Contains(err.Error(), syscall.ENFILE.Error()):
		return fmt.Errorf("%w; raise sysctl fs.file-max", err)
	case strings.Contains(err.Error(), syscall.EMFILE.Error()):
		return fmt.Errorf("%w; raise LimitNOFILE= (ulimit -n)", err)
	}
	return err
}
