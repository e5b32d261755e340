// The journal of systemd: lines that go there say how important they are, so that journalctl -p can choose.

package logfile

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

// StderrIsJournal reports that stderr goes to the journal: it is the file that systemd says is, in JOURNAL_STREAM of
// systemd.exec(5). Stderr may have been sent elsewhere since.
func StderrIsJournal(stream string) bool { return isFile(os.Stderr, stream) }

// isFile tells whether f is the file that device:inode names.
func isFile(f *os.File, name string) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, isUnix := info.Sys().(*syscall.Stat_t)
	return isUnix && name == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// lowest is the priority of the journal for what is written only if it is asked for.
const lowest = 7

// appendPriority appends what the journal takes for the priority of a line, see sd-daemon(3). Levels up to 7 are those of syslog;
// Emergency is not: it is what an operator has just asked for.
func appendPriority(b []byte, level logevent.Level) []byte {
	switch {
	case level == logevent.Emergency:
		level = logevent.Notice
	case level > lowest:
		level = lowest
	}
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(level), 10)
	return append(b, '>')
}
