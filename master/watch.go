// The watch over the configuration file: with reload_on_change, a changed content is a reload without a command.

package master

import (
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/watch"
)

// watching is the watch over the configuration file.
type watching struct {
	watcher *watch.Watcher  // nil: the file is not watched
	changes <-chan struct{} // the file has another content; nil: likewise
}

// watch begins to watch the configuration file, if the configuration says so.
func (m *master) watch() {
	m.unwatch()
	if !m.generations.serving.config.Global.ReloadOnChange {
		return
	}
	w, err := watch.File(m.opts.ConfigFile, m.generations.serving.config.Sum)
	if err != nil {
		m.log.Event(logfile.WatchFailed, err)
		return
	}
	m.watching = watching{w, w.Changed()}
}

func (m *master) unwatch() {
	if m.watching.watcher != nil {
		m.watching.watcher.Stop()
	}
	m.watching = watching{}
}

// configurationChanged is called when the configuration file has another content, or cannot be watched any more.
func (m *master) configurationChanged(more bool) {
	if !more {
		m.log.Event(logfile.WatchFailed, m.watching.watcher.Err())
		m.unwatch()
		return
	}
	m.log.Event(logfile.FileChanged, m.opts.ConfigFile)
	m.request(order{kind: kindReload})
	m.finishEvent()
}
