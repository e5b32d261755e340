// The watch over the configuration file: with reload_on_change, another content is a reload without a command.

package master

import (
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/watch"
)

// watch looks after the configuration file, if the configuration says so.
func (m *master) watch() {
	m.unwatch()
	if !m.generation.config.Global.ReloadOnChange {
		return
	}
	w, err := watch.File(m.opts.ConfigFile, m.generation.config.Sum)
	if err != nil {
		m.log.Printf(logfile.Error, "reload_on_change: %v", err)
		return
	}
	m.watcher, m.changes = w, w.Changed()
}

func (m *master) unwatch() {
	if m.watcher != nil {
		m.watcher.Stop()
	}
	m.watcher, m.changes = nil, nil
}

// changed follows when the configuration file has another content, or cannot be watched any more.
func (m *master) changed(more bool) {
	if !more {
		m.log.Printf(logfile.Error, "reload_on_change: %v", m.watcher.Err())
		m.unwatch()
		return
	}
	m.log.Printf(logfile.Notice, "%s has changed", m.opts.ConfigFile)
	m.demand(wish{kind: kindReload})
	m.settle()
}
