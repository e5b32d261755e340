// The last lines, which are kept to be shown.

package logfile

const (
	tailLines     = 200
	tailLineBytes = 512 // of each, at most
)

// tail is the last lines, in a ring.
type tail struct {
	lines [tailLines]string
	count uint64 // of all lines there were
}

func (t *tail) add(line []byte) {
	text := line[:len(line)-1] // without the end of the line
	if len(text) > tailLineBytes {
		t.lines[t.count%tailLines] = string(text[:tailLineBytes]) + " …"
	} else {
		t.lines[t.count%tailLines] = string(text)
	}
	t.count++
}

// Last returns the last lines, the latest last, and how many lines there were. Also those are among them that found no room in the
// output.
func (l *Logger) Last() (lines []string, count uint64) {
	t := &l.last
	for i := t.count - min(t.count, tailLines); i < t.count; i++ {
		lines = append(lines, t.lines[i%tailLines])
	}
	return lines, t.count
}
