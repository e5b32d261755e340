// The log: one file for master and workers, in nutcracker's shape and levels (src/nc_log.c).

package master

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// level is how important a line is; it is written if it is not above the verbosity.
type level int

const (
	levelEmergency level = 0 // also what the operator has just asked for
	levelError     level = 3
	levelWarn      level = 4
	levelNotice    level = 5 // the default verbosity
	levelInfo      level = 6
	levelDebug     level = 7
	levelMax       level = 11
)

func clampVerbosity(v int) int { return min(max(v, 0), int(levelMax)) }

// output is where lines go. Neither method waits: a log on a full disk, or on a terminal that was stopped, must not
// keep a worker from being replaced.
type output interface {
	offer(line []byte) bool  // false: there is no room now, the line is lost
	reopen(tell func(error)) // tell is called when it has been tried, from any goroutine
}

// logger makes lines.
type logger struct {
	now       func() time.Time
	verbosity int // 0 ≤ verbosity ≤ levelMax
	out       output
	lost      int // lines since the last one that out took
}

// printf logs a line of the master itself.
func (l *logger) printf(lv level, format string, args ...any) {
	if int(lv) <= l.verbosity {
		l.line("master", fmt.Sprintf(format, args...))
	}
}

// forward logs a line of a worker.
func (l *logger) forward(lv level, slot int, text string) {
	if int(lv) <= l.verbosity {
		l.line("worker/"+strconv.Itoa(slot), text)
	}
}

func (l *logger) line(component, text string) {
	if l.lost > 0 {
		if !l.out.offer(l.format("master", fmt.Sprintf("%d log lines lost: the log took no more", l.lost))) {
			l.lost++
			return
		}
		l.lost = 0
	}
	if !l.out.offer(l.format(component, text)) {
		l.lost++
	}
}

// format makes exactly one line, whatever is in text: a client must not be able to forge lines by its keys.
func (l *logger) format(component, text string) []byte {
	b := l.now().AppendFormat(nil, "[2006-01-02 15:04:05.000] ")
	b = append(b, component...)
	b = append(b, ' ')
	for i := range len(text) {
		if c := text[i]; (c < ' ' && c != '\t') || c == 0x7f {
			b = fmt.Appendf(b, `\x%02x`, c)
		} else {
			b = append(b, c)
		}
	}
	return append(b, '\n')
}

// sink is the output that writes to a file, or to stderr, on a goroutine of its own.
type sink struct {
	path    string // empty: stderr
	lines   chan []byte
	reopens chan struct{} // apart from lines, so that a full queue loses none; one that waits stands for several
	asked   reopenings
	done    chan struct{} // closed when the last line is written

	file    *os.File // goroutine of write only
	failing bool     // likewise; the operator has been told that writing fails
}

const (
	queuedLines = 4096
	lastFlush   = time.Second // how long the end waits for lines that are not written yet
)

func openSink(path string) (*sink, error) {
	s := &sink{
		path:    path,
		lines:   make(chan []byte, queuedLines),
		reopens: make(chan struct{}, 1),
		done:    make(chan struct{}),
		file:    os.Stderr,
	}
	if path != "" {
		f, err := openLogFile(path)
		if err != nil {
			return nil, fmt.Errorf("opening log file: %w", err)
		}
		s.file = f
	}
	go s.write()
	return s, nil
}

func openLogFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
}

func (s *sink) offer(line []byte) bool {
	select {
	case s.lines <- line:
		return true
	default:
		return false
	}
}

func (s *sink) reopen(tell func(error)) {
	s.asked.add(tell)
	select {
	case s.reopens <- struct{}{}:
	default:
	}
}

// close writes what is queued, unless that takes too long.
func (s *sink) close() {
	close(s.lines)
	select {
	case <-s.done:
	case <-time.After(lastFlush):
	}
}

func (s *sink) write() {
	defer close(s.done)
	for {
		select {
		case <-s.reopens:
			asked := s.asked.take()
			err := s.swap()
			for _, tell := range asked {
				tell(err)
			}
		case line, more := <-s.lines:
			if !more {
				if s.path != "" {
					s.complain(s.file.Close())
				}
				return
			}
			_, err := s.file.Write(line)
			s.complain(err)
		}
	}
}

// swap goes on in a new file at the same path; without one it stays with the old.
func (s *sink) swap() error {
	if s.path == "" {
		return nil
	}
	f, err := openLogFile(s.path)
	s.complain(err)
	if err == nil {
		s.file.Close()
		s.file = f
	}
	return err
}

// reopenings are those who wait to be told how the opening went. Any goroutine may call.
type reopenings struct {
	mu   sync.Mutex
	tell []func(error)
}

func (r *reopenings) add(tell func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell = append(r.tell, tell)
}

func (r *reopenings) take() []func(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.tell
	r.tell = nil
	return all
}

// complain reports the first of several failures in a row, on stderr, since the log cannot.
func (s *sink) complain(err error) {
	if err != nil && !s.failing && s.path != "" {
		fmt.Fprintf(os.Stderr, "pinion: writing log file: %v\n", err)
	}
	s.failing = err != nil
}
