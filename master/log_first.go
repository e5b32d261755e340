// Where the first lines of the log go, and in which form: they are written before the configuration is known.

package master

import (
	"io/fs"
	"os"
	"time"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
)

// firstLog is what the command line and the configuration file say of the log. It does not wait for a disk that hangs.
type firstLog config.Log

// readLogWithin is how long the configuration file may take to be read.
const readLogWithin = 2 * time.Second

func readFirstLog(o *Options) *firstLog {
	l := &firstLog{o.Output, o.LogFormat}
	if l.File != "" && l.Format != "" {
		return l
	}
	file, found := o.ConfigFile, make(chan config.Log, 1)
	go func() { found <- config.ReadLog(file) }()
	select {
	case said := <-found:
		l.add(said)
	case <-time.After(readLogWithin):
	}
	return l
}

// add takes over what the command line does not say.
func (l *firstLog) add(said config.Log) {
	if l.File == "" {
		l.File = said.File
	}
	if l.Format == "" {
		l.Format = said.Format
	}
}

// open opens the log. The start will fail by a file of the configuration that cannot be opened, in words about the configuration,
// and must not wait for somebody to read a named pipe: until then, the log goes to stderr.
func (l *firstLog) open(o *Options) (*logfile.Sink, error) {
	if info, err := os.Stat(l.File); err == nil && o.Output == "" && info.Mode()&fs.ModeNamedPipe != 0 {
		l.File = ""
	}
	sink, err := logfile.Open(l.File)
	if err != nil && o.Output == "" {
		l.File = ""
		return logfile.Open("")
	}
	return sink, err
}

// beginLog has the log begin as it was opened.
func (m *master) beginLog(l *firstLog) {
	m.logging.path, m.logging.wanted = l.File, l.File
	m.logging.journal = logfile.StderrIsJournal(os.Getenv("JOURNAL_STREAM"))
	m.log.Journal = m.logging.goesToJournal()
	m.log.Format = formatOf(l.Format)
}
