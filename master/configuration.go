// The configuration file, which is read beside the loop: for a start, a reload, or a preview of a reload.

package master

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
)

// load reads the configuration beside the loop, since looking up a name may take a while, and then calls then.
func (m *master) load(then func(*config.Config, error)) {
	path, logsTo := m.opts.ConfigFile, m.logging.path
	m.world.aside(func() func() {
		cfg, err := m.world.load(path)
		if err == nil {
			err = m.world.runsHere(cfg)
		}
		if err == nil && m.opts.Output == "" && cfg.Global.LogFile != "" && cfg.Global.LogFile != logsTo {
			err = m.world.probeLog(cfg.Global.LogFile)
		}
		crowd, tasks := m.world.crowd(absolute(path)), m.world.tasks()
		return func() {
			m.crowd, m.tasks = crowd, tasks
			then(cfg, err)
		}
	})
}

// orEnded is the error of a load, or that a certificate has ended: a start goes on with one, but nobody means to begin with it.
func orEnded(cfg *config.Config, err error) error {
	if err == nil && len(cfg.Ended()) > 0 {
		return cfg.Ended()
	}
	return err
}

// runsHere returns an error if there is no CPU for the workers of a configuration, or its group is out of reach. With fewer than it lists they run, see checkRoom.
func (w *world) runsHere(cfg *config.Config) error {
	cpus, err := w.cpus()
	if p := cfg.CPUProblem(cpus.Allowed); err == nil && p != nil && !p.Warning {
		return config.Problems{*p}
	}
	return mayLend(cfg)
}

// changes says what a reload by a configuration changes, and what it does not change though the configuration does.
func (m *master) changes(cfg *config.Config) []string {
	return append(config.Diff(m.generations.serving.config, cfg), m.furtherChanges(cfg)...)
}

// furtherChanges are those that the two files alone do not tell.
func (m *master) furtherChanges(cfg *config.Config) []string {
	return slices.Concat(m.overruled(cfg, m.generations.serving.config), m.machineChange(cfg))
}

// misconfigured returns the answer about a configuration that cannot be used, with one line for each problem.
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

// shorten replaces lines by their number where there are too many.
func shorten(lines []string) []string {
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
		all = append(all, cfg.Pools[i].Listens()...)
	}
	return all
}
