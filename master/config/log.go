// What the configuration says of the log.

package config

import (
	"os"
	"path"
	"slices"
	"strings"
)

var logFormats = [...]option[LogFormat]{{string(LogText), LogText}, {string(LogJSON), LogJSON}}

const (
	maxLogLevel = 11
	maxLogged   = 1000 // in a second and worker; a line takes some µs of it, and more of the master
)

func setLogRequests(d *draft, k *Key, w word) *flaw {
	return parseNumber(k, w.text, 0, maxLogged, &d.global.LogRequests)
}

func setLogSlow(d *draft, k *Key, w word) *flaw {
	return parseNumber(k, w.text, 0, maxLogged, &d.global.LogSlow)
}

func setLogLevel(d *draft, k *Key, w word) *flaw {
	return parseNumber(k, w.text, 0, maxLogLevel, &d.global.LogLevel)
}

// setLogFile takes an absolute path: Pinion keeps the directory in which it was started, and operators do not know it.
func setLogFile(d *draft, _ *Key, w word) *flaw {
	switch {
	case !strings.HasPrefix(w.text, "/"):
		return &flaw{message: "is not an absolute path", hint: "begin it with /"}
	case strings.HasSuffix(w.text, "/"):
		return &flaw{message: "is a directory", hint: "name a file in it"}
	}
	d.global.LogFile = path.Clean(w.text)
	return nil
}

func getLogFile(d *draft) []string { return unlessEmpty(d.global.LogFile) }

// GlobalSetting returns what the file gives for a key of "global:"; empty: it does not give it.
func (c *Config) GlobalSetting(name string) string {
	if _, given := c.Global.given[name]; !given {
		return ""
	}
	return strings.Join(lookup(name, GlobalScope).get(&draft{global: &c.Global}), " ")
}

// Log is where the first lines go, and in which form.
type Log struct {
	File   string // absolute; empty: stderr
	Format LogFormat
}

// ReadLog returns what the file at path says of the log, though the rest be wrong: an error is to be reported there, too. What it
// does not say, or says wrongly, has its default. A file that can be read only once, such as a pipe, is left to Load.
func ReadLog(path string) Log {
	var g Global
	d := newDraft(&g, nil, nil)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if text, err := readBounded(path); err == nil {
			(&reader{file: path}).readLog(d, text)
		}
	}
	return Log{g.LogFile, g.LogFormat}
}

// readLog gives a draft of the process-wide settings those that are about the log.
func (r *reader) readLog(d *draft, text []byte) {
	rest, _ := r.checkText(text)
	for _, s := range r.sectionsOf(rest) {
		if s.global {
			s.settings = slices.DeleteFunc(s.settings, func(set setting) bool { return set.key.text != "log_file" && set.key.text != "log_format" })
			r.apply(d, &s)
		}
	}
}
