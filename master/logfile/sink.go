// Where lines go: a file that can be rotated, or stderr.

package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Sink is the output that writes to a file, or to stderr, on a goroutine of its own.
type Sink struct {
	lines   chan offered
	reopens chan struct{} // apart from lines, so that a full queue loses none; one that waits stands for several
	asked   reopenings
	done    chan struct{} // closed when the last line is written
	lost    atomic.Int64  // lines that were taken and not written since Lost was called

	path    string   // of file; empty: stderr; goroutine of write only
	file    *os.File // likewise
	failing bool     // likewise; the operator has been told that writing fails
	torn    bool     // likewise; file ends in a part of a line that could not be cut off
}

// offered is a line, and how many lines are lost with it: more than one, if it counts others.
type offered struct {
	line      []byte
	standsFor int
}

const (
	queuedLines = 4096
	lastFlush   = time.Second // how long the end waits for lines that are not written yet
)

// Open returns a sink that appends to the file at path, which is made if there is none; empty: to stderr. The error is that
// of opening.
func Open(path string) (*Sink, error) {
	s := &Sink{
		path:    path,
		lines:   make(chan offered, queuedLines),
		reopens: make(chan struct{}, 1),
		done:    make(chan struct{}),
		file:    os.Stderr,
	}
	if path != "" {
		f, err := openFile(path)
		if err != nil {
			return nil, fmt.Errorf("opening log file: %w", err)
		}
		s.file = f
	}
	go s.write()
	return s, nil
}

// stdout is what the process was started with: in a container another user's, who alone may open it once more.
const stdout = "/dev/stdout"

func openFile(path string) (*os.File, error) {
	if path == stdout {
		return copyOfStdout()
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
}

// copyOfStdout returns a descriptor of its own for what stdout is, which no process inherits that is started meanwhile.
func copyOfStdout() (*os.File, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(syscall.Stdout)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), stdout), nil
}

// Offer queues a line, which the sink keeps; false: the queue is full.
func (s *Sink) Offer(line []byte, standsFor int) bool {
	select {
	case s.lines <- offered{line, standsFor}:
		return true
	default:
		return false
	}
}

// Lost returns how many lines could not be written since it was last called.
func (s *Sink) Lost() int { return int(s.lost.Swap(0)) }

// Reopen goes on in the file that is at the path now, after the lines that are being written. Any goroutine may call.
func (s *Sink) Reopen(tell func(error)) { s.ask(reopening{tell: tell}) }

// Direct is Reopen with another path; empty: stderr.
func (s *Sink) Direct(path string, tell func(error)) {
	s.ask(reopening{path: path, moves: true, tell: tell})
}

func (s *Sink) ask(r reopening) {
	s.asked.add(r)
	select {
	case s.reopens <- struct{}{}:
	default:
	}
}

// Close writes what is queued, unless that takes too long.
func (s *Sink) Close() {
	close(s.lines)
	select {
	case <-s.done:
	case <-time.After(lastFlush):
	}
}

func (s *Sink) write() {
	defer close(s.done)
	for {
		select {
		case <-s.reopens:
			for range len(s.lines) {
				s.writeLine(<-s.lines) // they were logged before
			}
			for _, r := range s.asked.take() {
				path := s.path
				if r.moves {
					path = r.path
				}
				r.tell(s.swap(path))
			}
		case line, more := <-s.lines:
			if !more {
				s.leave()
				return
			}
			s.writeLine(line)
		}
	}
}

// writeLine leaves no part of a line that does not fit: the next one would go on in it, and nothing could read either.
func (s *Sink) writeLine(o offered) {
	b := o.line
	if s.torn {
		b = append([]byte{'\n'}, b...)
	}
	n, err := s.file.Write(b)
	s.complain(err)
	switch {
	case err == nil:
		s.torn = false
		return
	case n > 0 && !cutBack(s.file, int64(n)):
		s.torn = b[n-1] != '\n'
	}
	s.lost.Add(int64(o.standsFor))
}

// cutBack takes the last n bytes off a file that were just written to it, and reports whether it has. It leaves what cannot be cut, and
// what another process has written behind them: during an upgrade two masters write to one file.
func cutBack(f *os.File, n int64) bool {
	end, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != end || f.Truncate(end-n) != nil {
		return false
	}
	f.Seek(end-n, io.SeekStart) // for a file that does not append: one of the shell's
	return true
}

// swap goes on in the file that is at a path now; without one it stays with the one it has.
func (s *Sink) swap(path string) error {
	if path == "" {
		s.leave()
		s.path, s.file, s.torn = "", os.Stderr, false
		return nil
	}
	f, err := openFile(path)
	if err != nil {
		s.complain(err)
		return err
	}
	s.leave()
	s.path, s.file, s.failing, s.torn = path, f, false, false
	return nil
}

// leave closes the file, unless it is stderr.
func (s *Sink) leave() {
	if s.path != "" {
		s.complain(s.file.Close())
	}
}

// reopening is an order to open a file, and who waits for the result.
type reopening struct {
	path  string
	moves bool // to path; otherwise to where the file is
	tell  func(error)
}

// reopenings are those that are not carried out yet, in their order. Any goroutine may call.
type reopenings struct {
	mu  sync.Mutex
	all []reopening
}

func (r *reopenings) add(one reopening) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

func (r *reopenings) take() []reopening {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// Probe returns why there can be no log file at a path. It makes none.
func Probe(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	switch {
	case err == nil:
		f.Close()
	case errors.Is(err, fs.ErrNotExist):
		const write, search = 2, 1
		if err = syscall.Access(filepath.Dir(path), write|search); err != nil {
			err = &fs.PathError{Op: "making a file in", Path: filepath.Dir(path), Err: err}
		}
	case errors.Is(err, syscall.ENXIO): // a named pipe that nobody reads yet: lines wait for who does
		err = nil
	}
	if err != nil {
		return fmt.Errorf("log_file: %w", err)
	}
	return nil
}

// complain reports the first of several failures in a row, on stderr, since the log cannot.
func (s *Sink) complain(err error) {
	if err != nil && !s.failing && s.path != "" {
		fmt.Fprintf(os.Stderr, "pinion: writing log file: %v\n", err)
	}
	s.failing = err != nil
}
