// A server of Redis' protocol that does so much and no more.

package overload

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// readBytes is how much a server reads before it executes what that holds and replies to it, as Redis does.
	readBytes = 16 << 10
	// maxCredit is how long ago a server that had nothing to do may have begun: it is woken late on a busy machine.
	maxCredit = 3 * time.Millisecond
	// maxArguments bounds what is taken for a request.
	maxArguments = 1 << 16
)

// Server executes one request after another, whoever asks, and each takes as long. Its fields are fixed while it serves.
type Server struct {
	Name string        // the reply to GET, and to each key of MGET
	Cost time.Duration // of a request
	Late time.Duration // a write that is executed so long after it was sent is late

	executing sync.Mutex
	free      time.Time // when the last request is done; under executing
	counting  sync.Mutex
	ledger    Ledger // under counting
}

// Ledger is what a server has done.
type Ledger struct {
	Requests int           // executed
	Writes   int           // of them
	Late     int           // of those
	Oldest   time.Duration // the longest that a write was under way
}

// Serve serves until the listener is closed.
func (s *Server) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go s.serve(c)
	}
}

// serve is one connection: what was read at once is executed at once.
func (s *Server) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, readBytes)
	var out []byte
	for {
		args, err := readRequest(in)
		if err != nil {
			return
		}
		if len(args) > 0 && string(args[0]) == "INFO" { // does not wait for its turn
			if _, err := c.Write(s.report()); err != nil {
				return
			}
			continue
		}
		if !s.executing.TryLock() {
			s.executing.Lock()
		} else if earliest := time.Now().Add(-maxCredit); s.free.Before(earliest) {
			s.free = earliest
		}
		out = s.execute(out[:0], args)
		for err == nil && holdsRequest(in) {
			args, err = readRequest(in)
			out = s.execute(out, args)
		}
		s.executing.Unlock()
		if err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// report returns the ledger as a reply.
func (s *Server) report() []byte {
	s.counting.Lock()
	defer s.counting.Unlock()
	l := s.ledger
	return appendBulk(nil, fmt.Sprintln(l.Requests, l.Writes, l.Late, int64(l.Oldest)))
}

// execute takes its time, and appends the reply.
func (s *Server) execute(out []byte, args [][]byte) []byte {
	if len(args) == 0 {
		return out
	}
	s.spend()
	s.counting.Lock()
	defer s.counting.Unlock()
	s.ledger.Requests++
	switch name := string(bytes.ToUpper(args[0])); name {
	case "SET":
		s.wrote(args[len(args)-1])
		return append(out, "+OK\r\n"...)
	case "MGET":
		out = fmt.Appendf(out, "*%d\r\n", len(args)-1)
		for range args[1:] {
			out = appendBulk(out, s.Name)
		}
		return out
	}
	return appendBulk(out, s.Name)
}

// spend sleeps until the request is done. What it sleeps too long, it sleeps less the next time.
func (s *Server) spend() {
	s.free = s.free.Add(s.Cost)
	if wait := time.Until(s.free); wait > maxCredit/4 {
		time.Sleep(wait)
	}
}

// wrote is told the value of a write: when it was sent.
func (s *Server) wrote(value []byte) {
	sent, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return
	}
	age := time.Since(time.Unix(0, sent))
	s.ledger.Writes++
	s.ledger.Oldest = max(s.ledger.Oldest, age)
	if age > s.Late {
		s.ledger.Late++
	}
}

func appendBulk(out []byte, s string) []byte { return fmt.Appendf(out, "$%d\r\n%s\r\n", len(s), s) }

// holdsRequest reports whether a whole request is read already.
func holdsRequest(in *bufio.Reader) bool {
	b, _ := in.Peek(in.Buffered())
	held := bufio.NewReader(bytes.NewReader(b))
	_, err := readRequest(held)
	return len(b) > 0 && err == nil
}

var errProtocol = errors.New("no request")

// readRequest reads an array of bulk strings.
func readRequest(in *bufio.Reader) ([][]byte, error) {
	n, err := readHeader(in, '*')
	if err != nil || n > maxArguments {
		return nil, errors.Join(errProtocol, err)
	}
	args := make([][]byte, n)
	for i := range args {
		size, err := readHeader(in, '$')
		if err != nil || size > readBytes {
			return nil, errors.Join(errProtocol, err)
		}
		b := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		args[i] = b[:size]
	}
	return args, nil
}

// readHeader reads a line that says how much follows.
func readHeader(in *bufio.Reader, kind byte) (n int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, errProtocol
	}
	n, err = strconv.Atoi(string(bytes.TrimRight(line[1:], "\r\n")))
	if err != nil || n < 0 {
		return 0, errProtocol
	}
	return n, nil
}

// ReadLedger asks a server what it has done.
func ReadLedger(address string) (l Ledger, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return l, err
	}
	defer c.Close()
	if _, err := c.Write([]byte("*1\r\n$4\r\nINFO\r\n")); err != nil {
		return l, err
	}
	in := bufio.NewReader(c)
	if _, err := readHeader(in, '$'); err != nil {
		return l, err
	}
	_, err = fmt.Fscan(in, &l.Requests, &l.Writes, &l.Late, (*int64)(&l.Oldest))
	return l, err
}
