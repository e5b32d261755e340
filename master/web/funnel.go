// Connections that somebody else has accepted, as on the statistics port.

package web

import (
	"net"
	"sync"
)

// Funnel is a listener of connections that are put into it.
type Funnel struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewFunnel returns a funnel.
func NewFunnel() *Funnel { return &Funnel{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Put hands over a connection, or closes it if nobody takes any more.
func (f *Funnel) Put(c net.Conn) {
	select {
	case f.conns <- c:
	case <-f.closed:
		c.Close()
	}
}

// Accept returns the next connection, and net.ErrClosed after Close.
func (f *Funnel) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Put.
func (f *Funnel) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr returns no particular address.
func (f *Funnel) Addr() net.Addr { return &net.TCPAddr{} }
