// One server that is asked, again and again, on one connection, with short patience: it may hang.

package replica

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// patience is how long a server has to accept a connection, and to answer: two looks.
	patience = 2 * askEvery
	// mostInfo bounds what a server may answer: of its replicas a primary has a line each.
	mostInfo = 1 << 20
	// leastPause and mostPause are between two attempts to connect. The pause is doubled from one to the next.
	leastPause = askEvery
	mostPause  = 16 * askEvery
)

// server is a server that is asked. It belongs to one goroutine.
type server struct {
	network, address string
	login            link.Login
	client           func() *certs.Client
	asksZone         bool // it is asked, once, where it is

	conn  net.Conn // nil: not connected
	in    *bufio.Reader
	last  says          // the latest answer
	pause time.Duration // before the next attempt to connect
	next  time.Time     // when that may be; zero: at once
}

func (s *server) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// ask asks the server how it is.
func (s *server) ask(ctx context.Context, now time.Time) says {
	if s.conn == nil && now.Before(s.next) {
		return s.last
	}
	answer, err := s.exchange(ctx, now.Add(patience))
	if err != nil {
		answer = says{silent: true}
		s.close()
	}
	if answer.zone == "" {
		answer.zone = s.last.zone
	}
	if s.last = answer; s.conn != nil {
		s.pause = 0
		return answer
	}
	s.pause = min(max(2*s.pause, leastPause), mostPause)
	s.next = now.Add(s.pause)
	return answer
}

// requestOf returns the request of these words; of none, nothing.
func requestOf(words []string) string {
	if len(words) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return b.String()
}

// exchange has PING tell whether the server can serve, and INFO how it replicates: the one is refused where the other is answered.
func (s *server) exchange(ctx context.Context, deadline time.Time) (answer says, err error) {
	request := "PING\r\nINFO replication\r\n"
	greets := s.conn == nil
	if greets {
		if err := s.connect(ctx, deadline); err != nil {
			return answer, err
		}
		request = requestOf(s.login.Words()) + request
	}
	asksZone := greets && s.asksZone
	if asksZone {
		request += "INFO server\r\n"
	}
	s.conn.SetDeadline(deadline)
	if _, err := io.WriteString(s.conn, request); err != nil {
		return answer, err
	}
	if greets && s.login.Password != "" { // a server that needs none says that, and serves
		if _, err := s.line(); err != nil {
			return answer, err
		}
	}
	ping, err := s.line()
	if err != nil {
		return answer, err
	}
	info, err := s.line()
	if err != nil {
		return answer, err
	}
	answer.loading = strings.HasPrefix(ping, "-LOADING")
	size, ok := strings.CutPrefix(info, "$")
	if !ok {
		answer.refuses, answer.busy = true, strings.HasPrefix(info, "-BUSY ")
		if asksZone || strings.HasPrefix(info, "-NO") { // NOAUTH, NOPERM: perhaps it lets in who comes anew. One that is BUSY would not
			s.close()
		}
		return answer, nil
	}
	text, err := s.bulk(size)
	if err != nil {
		return answer, err
	}
	answer.read(text)
	if asksZone {
		answer.zone, err = s.zone()
	}
	return answer, err
}

// zone reads the answer to INFO server, in which servers of Valkey say where they are.
func (s *server) zone() (string, error) {
	info, err := s.line()
	size, ok := strings.CutPrefix(info, "$")
	if err != nil || !ok {
		return "", err
	}
	text, err := s.bulk(size)
	for line := range strings.Lines(text) {
		if zone, ok := strings.CutPrefix(line, "availability_zone:"); ok {
			return strings.TrimSpace(zone), err
		}
	}
	return "", err
}

func (s *server) connect(ctx context.Context, deadline time.Time) error {
	d := net.Dialer{Deadline: deadline}
	conn, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return err
	}
	if s.network == "tcp" && conn.LocalAddr().String() == conn.RemoteAddr().String() { // nobody listens there
		conn.Close()
		return syscall.ECONNREFUSED
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if conn, err = s.client().Secure(ctx, conn, s.address); err != nil {
		return err
	}
	s.conn, s.in = conn, bufio.NewReader(conn)
	return nil
}

func (s *server) line() (string, error) {
	text, err := s.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (s *server) bulk(size string) (string, error) {
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > mostInfo {
		return "", fmt.Errorf("an answer of %q bytes", size)
	}
	text := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(s.in, text); err != nil {
		return "", err
	}
	return string(text), nil
}

// read takes what INFO says of replication.
func (a *says) read(info string) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch name {
		case "role":
			a.primary = value == "master"
		case "master_replid":
			a.id = value
		case "master_repl_offset":
			if a.primary {
				a.offset, _ = strconv.ParseInt(value, 10, 64) // what is no number is as old as can be
			}
		case "slave_repl_offset":
			if !a.primary {
				a.offset, _ = strconv.ParseInt(value, 10, 64)
			}
		case "master_link_status":
			a.linkUp = value == "up"
		case "master_sync_in_progress":
			a.syncing = value == "1"
		}
	}
}
