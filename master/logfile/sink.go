// Where lines go: a file that can be rotated, or stderr.

package logfile

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// Sink is the output that writes to a file, or to stderr, on a goroutine of its own.
type Sink struct {
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

// Open returns a sink that appends to the file at path, which is made if there is none; empty: to stderr. The error is that
// of opening.
func Open(path string) (*Sink, error) {
	s := &Sink{
		path:    path,
		lines:   make(chan []byte, queuedLines),
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

func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
}

// Offer queues a line, which the sink keeps; false: the queue is full.
func (s *Sink) Offer(line []byte) bool {
	select {
	case s.lines <- line:
		return true
	default:
		return false
	}
}

// Reopen goes on in the file that is at the path now, after the lines that are being written. Any goroutine may call.
func (s *Sink) Reopen(tell func(error)) {
	s.asked.add(tell)
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
func (s *Sink) swap() error {
	if s.path == "" {
		return nil
	}
	f, err := openFile(s.path)
	s.complain(err)
	if err == nil {
		s.file.Close()
		s.file = f
	}
	return err
}

// reopenings are the callbacks that wait for the result of an opening. Any goroutine may call.
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
func (s *Sink) complain(err error) {
	if err != nil && !s.failing && s.path != "" {
		fmt.Fprintf(os.Stderr, "pinion: writing log file: %v\n", err)
	}
	s.failing = err != nil
}
