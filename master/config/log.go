// What the configuration says of the log.

package config

import (
	"path"
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
