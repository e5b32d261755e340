//go:build !race

// What sending and receiving with TLS costs in allocations: none. Not under the race detector, with which sync.Pool forgets at random.

package stream

import (
	"crypto/tls"
	"io"
	"testing"
)

// Nothing is allocated for what is sent and received once the ciphers are made.
func TestTLSAllocations(t *testing.T) {
	l, m := newLoop()
	const records, size = 30, 2000
	written := make(chan struct{})
	s, _ := secureWire(t, l, tls.VersionTLS13, func(c *tls.Conn) error {
		for range records {
			if _, err := c.Write(make([]byte, size)); err != nil {
				return err
			}
		}
		close(written)
		_, err := io.Copy(io.Discard, c.NetConn())
		return err
	})
	<-written
	l.Spent = l.enough // a part of it at a time
	received := 0
	recv := func() {
		s.Unread = true
		b, err := s.Recv(l)
		must(t, err)
		received += len(b)
		must(t, s.Keep(m, nil))
	}
	for received < records*size/2 {
		recv()
	}
	if got := testing.AllocsPerRun(5, recv); got != 0 {
		t.Errorf("%v allocations for receiving", got)
	}
	for received < records*size {
		recv()
	}
	if got := testing.AllocsPerRun(200, func() {
		s.Out.Append(m, []byte("GET abc\r\n"))
		_, err := s.Send(l, MaxSendBytes, nil)
		must(t, err)
	}); got != 0 {
		t.Errorf("%v allocations for sending", got)
	}
}
