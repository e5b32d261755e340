// What crypto/tls takes for a connection.

package tlshake

import (
	"net"
	"time"
)

type netConn = net.Conn

// pipe is the peer, as crypto/tls sees it.
type pipe struct{ h *Handshake }

func (pipe) Close() error                     { return nil }
func (pipe) LocalAddr() net.Addr              { return nil }
func (pipe) RemoteAddr() net.Addr             { return nil }
func (pipe) SetDeadline(time.Time) error      { return nil }
func (pipe) SetReadDeadline(time.Time) error  { return nil }
func (pipe) SetWriteDeadline(time.Time) error { return nil }
