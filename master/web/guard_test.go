// Who is let in, over what, and how often somebody may guess.

package web

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

// guardedServer answers "in" at every path to those who are let in.
type guardedServer struct {
	*Server
	address string
	mu      sync.Mutex
	refused []string
}

func newGuarded(t *testing.T, g Guard) *guardedServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &guardedServer{address: l.Addr().String()}
	s.Server = ServeGuarded(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") }), func(text string) { t.Error(text) }, g,
		func(address, why string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refused = append(s.refused, address+": "+why)
		})
	t.Cleanup(func() { s.Close(time.Second) })
	return s
}

// ask asks once; user may be empty.
func (s *guardedServer) ask(t *testing.T, c *http.Client, url, user, password string) (code int, text string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	b, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b)
}

func TestLogin(t *testing.T) {
	s := newGuarded(t, Guard{User: "prometheus", Password: "se:cret"})
	plain := "http://" + s.address
	for _, test := range []struct {
		path, user, password string
		want                 int
	}{
		{"/metrics", "prometheus", "se:cret", 200},
		{"/metrics", "", "", 401},
		{"/metrics", "prometheus", "se:cre", 401},
		{"/metrics", "prometheus", "", 401},
		{"/metrics", "Prometheus", "se:cret", 401},
		{"/healthz", "", "", 200},
		{"/readyz", "", "", 200},
		{"/readyz/", "", "", 401},
		{"//readyz/../metrics", "", "", 401},
		{"/", "", "", 401},
	} {
		if code, text := s.ask(t, http.DefaultClient, plain+test.path, test.user, test.password); code != test.want {
			t.Errorf("%s as %q with %q: got %d %q, want %d", test.path, test.user, test.password, code, text, test.want)
		}
	}
	s.Guard(Guard{User: "prometheus", Password: "other"})
	if code, _ := s.ask(t, http.DefaultClient, plain+"/", "prometheus", "se:cret"); code != 401 {
		t.Errorf("after the password is another one: got %d", code)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) != 1 || s.refused[0] != "127.0.0.1: wrong user or password" {
		t.Errorf("told of those who were refused: %q", s.refused)
	}
}

func TestGuessing(t *testing.T) {
	s := newGuarded(t, Guard{User: "a", Password: "b"})
	last := 0
	for range 2 * mostWrong {
		last, _ = s.ask(t, http.DefaultClient, "http://"+s.address, "a", "x")
	}
	if last != 429 {
		t.Errorf("who guesses often is answered %d", last)
	}
}

func TestAttempts(t *testing.T) {
	var a attempts
	now := time.Unix(1, 0)
	judge := func(address string, good bool) verdict { return a.judge(address, now, func() bool { return good }) }
	for i := range mostWrong {
		if v := judge("x", false); v != wrong {
			t.Fatalf("attempt %d: %d", i, v)
		}
	}
	if v := judge("x", true); v != tooMany {
		t.Errorf("a right one after many wrong ones is looked at: %d", v)
	}
	if v := judge("y", true); v != right {
		t.Errorf("another address is refused: %d", v)
	}
	now = now.Add(forgottenIn)
	if v := judge("x", true); v != right {
		t.Errorf("a second later nothing is looked at: %d", v)
	}
	for i := range 3 * mostGuessers {
		judge(fmt.Sprint(i), false)
	}
	if len(a.from) > mostGuessers+1 {
		t.Errorf("%d addresses are kept", len(a.from))
	}
}

// door makes a Guard with a certificate, and a client that believes it and shows own, which may be nil.
func door(t *testing.T, ca *certtest.Authority, authorities []byte) (g Guard, client func(own *certtest.Pair) *http.Client) {
	t.Helper()
	pair := ca.Issue(certtest.Subject{Server: true, Hosts: []string{"127.0.0.1"}})
	server, err := certs.NewServer(&link.KeyPair{Certificate: pair.Certificate, Key: pair.Key}, authorities)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	return Guard{TLS: server, Certificate: authorities != nil}, func(own *certtest.Pair) *http.Client {
		c := &tls.Config{RootCAs: roots}
		if own != nil {
			shown, err := tls.X509KeyPair(own.Certificate, own.Key)
			if err != nil {
				t.Fatal(err)
			}
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	}
}

func TestGuardOfTLS(t *testing.T) {
	ca := certtest.New(t, "an authority")
	g, client := door(t, ca, nil)
	g.User, g.Password = "a", "b"
	s := newGuarded(t, g)
	if code, text := s.ask(t, client(nil), "https://"+s.address, "a", "b"); code != 200 || text != "in" {
		t.Errorf("over TLS: got %d %q", code, text)
	}
	if code, text := s.ask(t, client(nil), "https://"+s.address, "a", "c"); code != 401 {
		t.Errorf("over TLS with a wrong password: got %d %q", code, text)
	}
	if code, text := s.ask(t, http.DefaultClient, "http://"+s.address, "a", "b"); code != 400 || !strings.Contains(text, "HTTPS") {
		t.Errorf("in plaintext: got %d %q", code, text)
	}
	s.Guard(Guard{}) // the next ones speak plaintext
	if code, text := s.ask(t, http.DefaultClient, "http://"+s.address, "", ""); code != 200 {
		t.Errorf("without TLS: got %d %q", code, text)
	}
}

func TestCertificateOfClient(t *testing.T) {
	ca, other := certtest.New(t, "an authority"), certtest.New(t, "another one")
	g, client := door(t, ca, ca.PEM)
	s := newGuarded(t, g)
	own, foreign := ca.Issue(certtest.Subject{}), other.Issue(certtest.Subject{})
	for _, test := range []struct {
		who  string
		own  *certtest.Pair
		path string
		want int
	}{
		{"one with a certificate", &own, "/metrics", 200},
		{"one without", nil, "/metrics", 403},
		{"health without", nil, "/healthz", 200},
		{"one with a certificate of somebody else", &foreign, "/metrics", 0},
	} {
		if code, text := s.ask(t, client(test.own), "https://"+s.address+test.path, "", ""); code != test.want {
			t.Errorf("%s: got %d %q, want %d", test.who, code, text, test.want)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) != 1 || s.refused[0] != "127.0.0.1: no certificate was shown" {
		t.Errorf("told of those who were refused: %q", s.refused)
	}
}

func TestForeignCertificateIsTold(t *testing.T) {
	ca, other := certtest.New(t, "an authority"), certtest.New(t, "another one")
	g, client := door(t, ca, ca.PEM)
	s := newGuarded(t, g)
	foreign := other.Issue(certtest.Subject{})
	if code, _ := s.ask(t, client(&foreign), "https://"+s.address, "", ""); code != 0 {
		t.Errorf("got %d", code)
	}
	s.Close(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) != 1 || !strings.Contains(s.refused[0], "its certificate is not good") {
		t.Errorf("told of those who were refused: %q", s.refused)
	}
}

// A connection of before does not get in where the guard has been replaced by one with TLS.
func TestPlaintextOfBefore(t *testing.T) {
	s := newGuarded(t, Guard{})
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for s.Open() == 0 {
		time.Sleep(time.Millisecond)
	}
	g, _ := door(t, certtest.New(t, "an authority"), nil)
	s.Guard(g)
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	if text, _ := io.ReadAll(c); !strings.HasPrefix(string(text), "HTTP/1.0 403 ") {
		t.Errorf("got %q", text)
	}
}
