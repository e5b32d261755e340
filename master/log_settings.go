// What the configuration says of the log, which the command line may overrule.

package master

import (
	"cmp"
	"fmt"
	"net"
	"strconv"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// logging is where the log goes, and what was configured of it.
type logging struct {
	path       string // empty: stderr
	wanted     string // what path is to be, or could not be
	journal    bool   // stderr is the journal
	configured int    // the level that the configuration has; the present one may have been changed since
}

func (l *logging) goesToJournal() bool { return l.journal && l.path == "" }

func formatOf(f config.LogFormat) logfile.Format {
	if f == config.LogJSON {
		return logfile.JSON
	}
	return logfile.Text
}

// settleLog has the log be as a configuration says. A level that was changed since is kept, unless the configuration has another one
// than before.
func (m *master) settleLog(cfg *config.Config) {
	if cfg.Global.LogFormat == "" { // of a generation that an earlier master has left, of which only a part is known
		return
	}
	if m.opts.Output == "" {
		m.directLog(cfg.Global.LogFile)
	}
	if m.opts.LogFormat == "" {
		m.log.Format = formatOf(cfg.Global.LogFormat)
	}
	if !m.opts.VerbosityGiven && m.logging.configured != cfg.Global.LogLevel {
		m.logging.configured = cfg.Global.LogLevel
		if m.generations.serving == nil { // nothing was logged by another
			m.log.Verbosity = cfg.Global.LogLevel
		}
		m.setVerbosity(cfg.Global.LogLevel)
	}
}

// directLog has the log go to another file, or to stderr. If the file cannot be opened, it stays where it is and says so.
func (m *master) directLog(path string) {
	if path == m.logging.wanted && path == m.logging.path {
		return
	}
	m.logging.wanted = path
	if path == "" {
		m.log.Event(logfile.LogMoves, "stderr")
	} else {
		m.log.Event(logfile.LogMoves, path)
	}
	m.log.Direct(path, func(err error) { m.world.aside(func() func() { return func() { m.logDirected(path, err) } }) })
}

func (m *master) logDirected(path string, err error) {
	if err != nil {
		m.log.Event(logfile.LogReopenFailed, fmt.Errorf("opening the log file: %w; lines go on to where they went", err))
		return
	}
	m.logging.path = path
	m.log.Journal = m.logging.goesToJournal()
}

// overrule is an option of the command line that comes before a key.
type overrule struct{ key, option string }

// overrules returns those that were given.
func (o *Options) overrules() (all []overrule) {
	add := func(given bool, key, option, value string) {
		if given {
			all = append(all, overrule{key, option + " " + value})
		}
	}
	add(o.Workers > 0, "workers", "--workers", strconv.Itoa(o.Workers))
	add(o.Zone != "", "zone", "--zone", o.Zone)
	add(o.StatsGiven, "statistics", "-a, -s:", net.JoinHostPort(o.StatsAddr, strconv.Itoa(o.StatsPort)))
	add(o.ControlFrom != "", "control", o.ControlFrom, cmp.Or(o.Control, "''"))
	add(o.VerbosityGiven, "log_level", "-v", strconv.Itoa(o.Verbosity))
	add(o.LogFormat != "", "log_format", "--log-format", string(o.LogFormat))
	add(o.Output != "", "log_file", "-o", o.Output)
	return all
}

// overruled says which keys of a configuration say nothing, as an option comes before them. Those that were the same before are left out.
func (m *master) overruled(cfg, before *config.Config) (lines []string) {
	for _, o := range m.opts.overrules() {
		value := cfg.GlobalSetting(o.key)
		if value == "" || before != nil && before.GlobalSetting(o.key) == value {
			continue
		}
		lines = append(lines, fmt.Sprintf("global: %s: %s says nothing, as %s was given", o.key, value, o.option))
	}
	return lines
}

// tellOverruled logs which keys say nothing.
func (m *master) tellOverruled(cfg *config.Config) {
	for _, line := range m.overruled(cfg, nil) {
		m.log.Event(logfile.KeyOverruled, line)
	}
}
