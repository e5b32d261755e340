// The configuration file: it is read beside the loop, by whoever starts or reloads, or wants to know what a reload would
// change.

package master

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
)

// load reads the configuration aside, since a name in it may take a while to look up, and then goes on.
func (m *master) load(then func(*config.Config, error)) {
	path := m.opts.ConfigFile
	m.world.aside(func() func() {
		cfg, err := m.world.load(path)
		return func() { then(cfg, err) }
	})
}

// preview answers with what a reload would change.
func (m *master) preview(reply chan<- admin.Outcome) {
	m.load(func(cfg *config.Config, err error) {
		switch {
		case err != nil:
			reply <- m.misconfigured(err)
		case m.generations.serving.revived:
			reply <- admin.Outcome{Lines: []string{"what serves now was left by an earlier master: only a reload tells the difference"}}
		default:
			reply <- admin.Outcome{Lines: config.Diff(m.generations.serving.config, cfg)}
		}
	})
}

// misconfigured is the answer to those who asked for a configuration that cannot be used: each problem has its line.
func (m *master) misconfigured(err error) admin.Outcome {
	o := admin.Outcome{Error: err.Error(), Failure: admin.FailureConfig}
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		o.Error = fmt.Sprintf("%s cannot be used", m.opts.ConfigFile)
		o.Lines = strings.Split(problems.Error(), "\n")
	}
	return o
}

// mostChanges is how many lines tell what a reload has changed.
const mostChanges = 20

// inShort leaves out lines where there are many.
func inShort(lines []string) []string {
	if len(lines) <= mostChanges {
		return lines
	}
	return append(lines[:mostChanges-1:mostChanges-1], fmt.Sprintf("%d other changes", len(lines)-mostChanges+1))
}

// absolute returns the path of a configuration file as specifications have it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func listenAddresses(cfg *config.Config) (all []config.Listen) {
	for i := range cfg.Pools {
		all = append(all, cfg.Pools[i].Listen)
	}
	return all
}
