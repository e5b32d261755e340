// Servers that are who they should be, and others.

package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

// server is one end of a connection: with a nil configuration it says text, or nothing.
type server struct {
	config *tls.Config
	text   string
}

// meet connects a client to a server, for its address, and has it read one byte.
func (s server) meet(t *testing.T, c *Client, address string) error {
	t.Helper()
	ours, theirs := connected(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		if s.config == nil {
			theirs.Read(make([]byte, 1<<14))
			io.WriteString(theirs, s.text)
			return
		}
		conn := tls.Server(theirs, s.config)
		if conn.Handshake() == nil {
			io.WriteString(conn, "+")
		}
	}()
	defer func() { <-done }()
	defer ours.Close()
	deadline := time.Now().Add(10 * time.Second)
	ours.SetDeadline(deadline)
	theirs.SetDeadline(deadline)
	conn, err := c.Secure(context.Background(), ours, address)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	return err
}

// connected returns two ends of a connection.
func connected(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func keyPair(t *testing.T, p certtest.Pair) []tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{c}
}

func TestSecure(t *testing.T) {
	ca, stranger := certtest.New(t, "ours"), certtest.New(t, "another")
	issue := func(a *certtest.Authority, hosts ...string) *tls.Config {
		return &tls.Config{Certificates: keyPair(t, a.Issue(certtest.Subject{Name: "server", Hosts: hosts, Server: true}))}
	}
	named, byIP, nameless := issue(ca, "redis.example", "a.example"), issue(ca, "127.0.0.1"), issue(ca)
	ended := &tls.Config{Certificates: keyPair(t, ca.Issue(certtest.Subject{Hosts: []string{"redis.example"}, Server: true, Ends: time.Now().Add(-time.Hour)}))}
	demanding, old := issue(ca, "redis.example"), issue(ca, "redis.example")
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	demanding.ClientCAs.AppendCertsFromPEM(ca.PEM)
	demanding12 := demanding.Clone()
	demanding12.MaxVersion = tls.VersionTLS12
	old.MaxVersion = tls.VersionTLS11
	own := func(a *certtest.Authority) *link.KeyPair {
		p := a.Issue(certtest.Subject{})
		return &link.KeyPair{Certificate: p.Certificate, Key: p.Key}
	}
	with := func(verify link.Verify, name string, pair *link.KeyPair) *link.ServerTLS {
		return &link.ServerTLS{Verify: verify, CA: ca.PEM, Name: name, Pair: pair}
	}
	const at, atIP = "redis.example:6379", "127.0.0.1:6379"
	for _, test := range []struct {
		what    string
		server  server
		address string
		as      *link.ServerTLS
		cause   Cause
		want    string // in what is said; empty, with Elsewhere: no error
	}{
		{"its name", server{config: named}, at, with(link.VerifyFull, "", nil), Elsewhere, ""},
		{"its address", server{config: byIP}, atIP, with(link.VerifyFull, "", nil), Elsewhere, ""},
		{"a given name", server{config: named}, atIP, with(link.VerifyFull, "a.example", nil), Elsewhere, ""},
		{"another name", server{config: named}, atIP, with(link.VerifyFull, "", nil), Refused, "(CN=server) for redis.example, a.example, and not for 127.0.0.1"},
		{"another name, which does not matter", server{config: named}, atIP, with(link.VerifyCA, "", nil), Elsewhere, ""},
		{"no name", server{config: nameless}, at, with(link.VerifyFull, "", nil), Refused, "no subjectAltName"},
		{"another authority", server{config: issue(stranger, "redis.example")}, at, with(link.VerifyFull, "", nil), Refused, "an authority that is unknown here"},
		{"another authority, whatever the name", server{config: issue(stranger, "redis.example")}, at, with(link.VerifyCA, "", nil), Refused, "an authority that is unknown here"},
		{"another authority, which does not matter", server{config: issue(stranger)}, at, with(link.VerifyNone, "", nil), Elsewhere, ""},
		{"ended", server{config: ended}, at, with(link.VerifyFull, "", nil), Refused, "is good from"},
		{"ended, whatever the name", server{config: ended}, at, with(link.VerifyCA, "", nil), Refused, "is good from"},
		{"ours is wanted", server{config: demanding}, at, with(link.VerifyFull, "", own(ca)), Elsewhere, ""},
		{"ours is wanted, by TLS 1.2", server{config: demanding12}, at, with(link.VerifyFull, "", own(ca)), Elsewhere, ""},
		{"ours is missing", server{config: demanding}, at, with(link.VerifyFull, "", nil), Refused, "wants a certificate"},
		{"ours is missing, by TLS 1.2", server{config: demanding12}, at, with(link.VerifyFull, "", nil), Refused, "wants a certificate"},
		{"ours is of another authority", server{config: demanding}, at, with(link.VerifyFull, "", own(stranger)), Refused, "the authority of our certificate"},
		{"an old version", server{config: old}, at, with(link.VerifyFull, "", nil), Refused, "neither TLS 1.2 nor 1.3"},
		{"plaintext", server{text: "-ERR unknown command\r\n"}, at, with(link.VerifyFull, "", nil), Plaintext, ""},
		{"nothing", server{}, at, with(link.VerifyFull, "", nil), Silent, ""},
	} {
		err := test.server.meet(t, NewClient(test.as), test.address)
		if err == nil {
			if test.cause != Elsewhere {
				t.Errorf("%s: no error", test.what)
			}
			continue
		}
		cause, flaw := Explain(err)
		said := ""
		if flaw != nil {
			said = flaw.Error()
		}
		if cause != test.cause || cause == Elsewhere || !strings.Contains(said, test.want) {
			t.Errorf("%s: %v is explained as %d, %q; want %d, %q", test.what, err, cause, said, test.cause, test.want)
		}
	}
}

// Without TLS the connection stays what it is.
func TestSecureWithoutTLS(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	if conn, err := NewClient(nil).Secure(context.Background(), ours, "a:1"); conn != ours || err != nil {
		t.Errorf("got %v, %v", conn, err)
	}
}

// What an earlier master has left may be of no use: then there is no connection, rather than one that is not verified.
func TestSecureOfNonsense(t *testing.T) {
	for _, as := range []*link.ServerTLS{
		{Verify: "tomorrow"}, {Verify: link.VerifyFull, CA: []byte("nonsense")},
		{Verify: link.VerifyNone, Pair: &link.KeyPair{Certificate: []byte("nonsense")}},
	} {
		if err := (server{text: "+"}).meet(t, NewClient(as), "a:1"); err == nil || strings.Contains(err.Error(), "first record") {
			t.Errorf("%+v: %v", as, err)
		}
	}
}

func TestHostOf(t *testing.T) {
	for address, want := range map[string]string{"redis.example:6379": "redis.example", "[::1]:6379": "::1", "[fe80::1%2]:6379": "fe80::1", "/run/r.sock": ""} {
		if got := hostOf(address); got != want {
			t.Errorf("of %s: %q", address, got)
		}
	}
}
