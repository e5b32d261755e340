// The server: how many may connect, and for how long.

package web

import (
	"context"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
)

const (
	maxConnections = 64               // open at a time
	maxHeaderBytes = 8192             // of a request; the server adds 4096 for its own comfort
	readTimeout    = 5 * time.Second  // for a client to send its request
	writeTimeout   = 10 * time.Second // for the answer to be made, and the client to take it
)

// Server answers on one listener.
type Server struct {
	server http.Server
	accept net.Listener
	guard  guarded
	ended  chan struct{} // closed when nothing is accepted any more

	mu     sync.Mutex
	open   int        // connections
	silent []net.Conn // of them, those that have not sent a whole request yet, the oldest first
}

// Serve answers on l to everybody, until Close. complain is called with what goes wrong that is no fault of a client's, by any goroutine.
func Serve(l net.Listener, h http.Handler, complain func(text string)) *Server {
	return ServeGuarded(l, h, complain, Guard{}, nil)
}

// ServeGuarded is Serve for those whom the guard lets in. refused is called with others, now and then, by any goroutine.
func ServeGuarded(l net.Listener, h http.Handler, complain func(text string), guard Guard, refused func(address, why string)) *Server {
	s := &Server{accept: l, ended: make(chan struct{})}
	s.guard.refused = refused
	s.Guard(guard)
	s.server = http.Server{
		Handler:        s.heed(s.guard.admit(h)),
		ConnState:      s.count,
		ConnContext:    func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) },
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(&complaints{tell: complain, refuse: s.guard.tell}, "", 0),
	}
	s.server.SetKeepAlivesEnabled(false) // so that no connection stays behind with a master that has handed over
	go func() {
		defer close(s.ended)
		s.server.Serve(securing{l, &s.guard})
	}()
	return s
}

// Guard replaces the guard: for connections that come from now on, and for what is asked over those that are there.
func (s *Server) Guard(g Guard) { s.guard.now.Store(&g) }

// connection is the key of a request's context for the connection that it has come over.
type connection struct{}

// heed has h answer, and those who have asked keep their connections.
func (s *Server) heed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.spoke(r.Context().Value(connection{}))
		s.mu.Unlock()
		admin.Discard(w, r)
		h.ServeHTTP(w, r)
	})
}

// count counts connections. Of more than the master can afford, the one that has kept silent for longest is closed.
func (s *Server) count(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open++
		s.silent = append(s.silent, c)
		if s.open > maxConnections {
			s.silent[0].Close()
			s.silent = s.silent[1:]
		}
	case http.StateClosed:
		s.open--
		s.spoke(c)
	}
}

// spoke takes a connection off those that are silent.
func (s *Server) spoke(c any) {
	s.silent = slices.DeleteFunc(s.silent, func(other net.Conn) bool { return any(other) == c })
}

// complaints passes on what the server says of a handler that has panicked, and now and then that it cannot accept, or of somebody whose
// certificate is not good. A malformed request is answered with an error.
type complaints struct {
	tell   func(text string)
	refuse func(address, why string)

	mu   sync.Mutex
	said time.Time // when it was last told that nothing can be accepted
}

const (
	ofHandshake = "http: TLS handshake error from " // an address, and behind ": " what was wrong
	unverified  = "failed to verify certificate"
)

// saidEvery is how often that is told, while the server tries again and again.
const saidEvery = time.Minute

func (c *complaints) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if rest, ok := strings.CutPrefix(text, ofHandshake); ok {
		if address, why, _ := strings.Cut(rest, ": "); strings.Contains(why, unverified) {
			c.refuse(address, "its certificate is not good: "+strings.TrimPrefix(why, "tls: "))
		}
		return len(line), nil
	}
	if strings.HasPrefix(text, "http: panic") || strings.HasPrefix(text, "http: Accept error") && c.isNews() {
		c.tell(text)
	}
	return len(line), nil
}

func (c *complaints) isNews() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.said.IsZero() || now.Sub(c.said) >= saidEvery {
		c.said = now
		return true
	}
	return false
}

// Open returns how many connections there are.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

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
