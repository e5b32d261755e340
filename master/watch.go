// The watch over the configuration file and the certificates that it names: with reload_on_change, a changed content is a reload without a
// command.

package master

import (
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/watch"
)

// watching is the watch over the files of a configuration.
type watching struct {
	watcher *watch.Watcher      // nil: they are not watched
	changes <-chan watch.Change // nil: likewise
}

// watch begins to watch the files of the configuration, if that says so.
func (m *master) watch() {
	m.unwatch()
	if !m.generations.serving.config.Global.ReloadOnChange {
		return
	}
	w, err := watch.Files(filesOf(m.opts.ConfigFile, m.generations.serving.config))
	if err != nil {
		m.log.Event(logfile.WatchFailed, err)
		return
	}
	m.watching = watching{w, w.Changed()}
}

// filesOf returns what a configuration was made of, the file itself first.
func filesOf(path string, cfg *config.Config) []watch.File {
	all := []watch.File{{Path: path, Sum: cfg.Sum}}
	for _, f := range cfg.Files {
		all = append(all, watch.File{Path: f.Path, Sum: f.Sum})
	}
	return all
}

func (m *master) unwatch() {
	if m.watching.watcher != nil {
		m.watching.watcher.Stop()
	}
	m.watching = watching{}
}

// configurationChanged is called when a file of the configuration has another content, is away, or cannot be watched any more.
func (m *master) configurationChanged(c watch.Change, more bool) {
	if !more {
		m.log.Event(logfile.WatchFailed, m.watching.watcher.Err())
		m.unwatch()
		return
	}
	if c.Away != nil {
		m.log.Event(logfile.FileAway, c.Path, c.Away)
		return
	}
	m.log.Event(logfile.FileChanged, c.Path)
	m.request(order{kind: kindReload})
	m.finishEvent()
}
