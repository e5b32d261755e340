// Clients that are one too many get their error, whatever they have sent.

package core

import (
	"testing"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// What a client has sent before it is turned away does not reset its connection.
func TestTurnedAwayWithRequest(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").ClientConnections = 1
	r.start()
	r.connect("first", 0, 0)
	c := r.dial("second")
	c.deaf = true // it reads below
	if _, err := sock.Send(c.fd, []byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	r.turn()
	b := make([]byte, 100)
	n, err := sock.Recv(c.fd, b)
	if got := string(b[:n]); err != nil || got != "-ERR max number of clients reached\r\n" {
		t.Fatalf("the client got %q, %v", got, err)
	}
	if n, err = sock.Recv(c.fd, b); n != 0 || err != nil {
		t.Errorf("then it got %d bytes, %v; want the end of the stream", n, err)
	}
}
