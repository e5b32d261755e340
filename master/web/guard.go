// Who may ask: a login, or a certificate of the client, before anything is shown. Health is told to everybody: load balancers have neither.

package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
)

// Guard says who may ask, and over what. The zero value lets in everybody, in plaintext.
type Guard struct {
	TLS            *certs.Server // encrypts connections; nil: they stay as they are
	User, Password string        // basic authentication; an empty user: nobody is asked
	Certificate    bool          // a client has to show a certificate, which TLS has verified
}

// health are the paths that are answered to everybody.
var health = map[string]bool{"/healthz": true, "/readyz": true}

// guarded is the Guard of a Server, which a reload may replace.
type guarded struct {
	now      atomic.Pointer[Guard]
	attempts attempts
	refused  func(address, why string)
}

// securing encrypts the connections of a listener as the Guard says when they come.
type securing struct {
	net.Listener
	guard *guarded
}

func (l securing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if t := l.guard.now.Load().TLS; err == nil && t != nil {
		return t.Secure(c), nil
	}
	return c, err
}

// admit has h answer those who may ask.
func (g *guarded) admit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := g.now.Load()
		switch {
		case health[r.URL.Path]:
		case now.TLS != nil && r.TLS == nil: // it had come before TLS was asked for
			http.Error(w, "this address has TLS now: ask https://", http.StatusForbidden)
			return
		case now.Certificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0):
			g.tell(r.RemoteAddr, "no certificate was shown")
			http.Error(w, "a certificate of the client is asked for here (http_tls_ca)", http.StatusForbidden)
			return
		case now.User != "" && !g.login(w, r, now):
			return
		}
		h.ServeHTTP(w, r)
	})
}

// login reports whether a request has the right user and password; otherwise it has answered.
func (g *guarded) login(w http.ResponseWriter, r *http.Request, now *Guard) bool {
	user, password, given := r.BasicAuth()
	verdict := unknown
	if given {
		verdict = g.attempts.judge(hostOf(r.RemoteAddr), time.Now(), func() bool { return now.knows(user, password) })
	}
	switch verdict {
	case right:
		return true
	case tooMany:
		g.tell(r.RemoteAddr, fmt.Sprintf("more than %d wrong logins have come from there lately", mostWrong))
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many wrong logins have come from your address: try again later", http.StatusTooManyRequests)
		return false
	case wrong:
		g.tell(r.RemoteAddr, "wrong user or password")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Pinion", charset="UTF-8"`)
	http.Error(w, "user and password are asked for here (http_user)", http.StatusUnauthorized)
	return false
}

// knows takes the same time whatever is wrong: sums of one length are compared.
func (g *Guard) knows(user, password string) bool {
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(user, g.User)&same(password, g.Password) == 1
}

// tell tells of somebody who was refused, now and then.
func (g *guarded) tell(address, why string) {
	if g.refused != nil && g.attempts.isNews(hostOf(address), time.Now()) {
		g.refused(hostOf(address), why)
	}
}

// hostOf returns the address without the port; of a unix socket what it has instead.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return "a unix socket"
}

// verdict is what becomes of a login.
type verdict uint8

const (
	unknown verdict = iota // there is none
	right
	wrong
	tooMany // it was not looked at
)

const (
	mostWrong    = 10          // logins from one address may be wrong at once,
	forgottenIn  = time.Second // and one more after that each
	mostGuessers = 1024        // addresses that are told apart
)

// attempts are the addresses from which wrong logins have come.
type attempts struct {
	mu   sync.Mutex
	from map[string]*guesser
}

// guesser is one of these addresses.
type guesser struct {
	clear time.Time // when all that was wrong will be forgotten
	said  time.Time // when it was last told
}

// judge looks at a login, unless too many wrong ones have come from there. Looking is done under the lock, so that not even many at once are
// more.
func (a *attempts) judge(address string, now time.Time, look func() bool) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.from[a.place(address, now)]
	if of != nil && of.clear.Sub(now) > (mostWrong-1)*forgottenIn {
		return tooMany
	}
	if look() {
		return right
	}
	of = a.guesser(address, now)
	if of.clear.Before(now) {
		of.clear = now
	}
	of.clear = of.clear.Add(forgottenIn)
	return wrong
}

// isNews reports whether an address was not told of for a while.
func (a *attempts) isNews(address string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.guesser(address, now)
	if !of.said.IsZero() && now.Sub(of.said) < saidEvery {
		return false
	}
	of.said = now
	return true
}

// place returns where an address is counted: with all others for which there is no room, under none.
func (a *attempts) place(address string, now time.Time) string {
	if a.from[address] != nil {
		return address
	}
	if len(a.from) >= mostGuessers {
		for other, of := range a.from {
			if of.clear.Before(now) && now.Sub(of.said) >= saidEvery {
				delete(a.from, other)
			}
		}
	}
	if len(a.from) >= mostGuessers {
		return ""
	}
	return address
}

// guesser returns what is known of an address.
func (a *attempts) guesser(address string, now time.Time) *guesser {
	at := a.place(address, now)
	if a.from[at] == nil {
		if a.from == nil {
			a.from = map[string]*guesser{}
		}
		a.from[at] = &guesser{}
	}
	return a.from[at]
}
