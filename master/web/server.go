// The server: how many may connect, and for how long.

package web

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	maxConnections = 64               // open at a time; more are closed unanswered
	maxHeaderBytes = 8192             // of a request; the server adds 4096 for its own comfort
	readTimeout    = 5 * time.Second  // for a client to send its request
	writeTimeout   = 10 * time.Second // for the answer to be made, and the client to take it
)

// Server answers on one listener.
type Server struct {
	server http.Server
	accept net.Listener
	open   atomic.Int32  // connections
	ended  chan struct{} // closed when nothing is accepted any more
}

// Serve answers on l, until Close.
func Serve(l net.Listener, h http.Handler) *Server {
	s := &Server{accept: l, ended: make(chan struct{})}
	s.server = http.Server{
		Handler:        h,
		ConnState:      s.count,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(io.Discard, "", 0), // a malformed request is answered with an error
	}
	s.server.SetKeepAlivesEnabled(false) // so that no connection stays behind with a master that has handed over
	go func() {
		defer close(s.ended)
		s.server.Serve(l)
	}()
	return s
}

// count closes connections beyond those that the master can afford.
func (s *Server) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.open.Add(1) > maxConnections {
			c.Close()
		}
	case http.StateClosed:
		s.open.Add(-1)
	}
}

// Open returns how many connections there are.
func (s *Server) Open() int { return int(s.open.Load()) }

// Leave stops accepting connections: another master does that.
func (s *Server) Leave() { s.accept.Close() }

// Close stops accepting, and returns when every answer under way is written, or when patience ends.
func (s *Server) Close(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.ended
}
