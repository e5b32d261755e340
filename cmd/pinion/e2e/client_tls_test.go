// Clients that speak TLS at one of two addresses of a pool, while its certificate is renewed.

package e2e_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// tlsPool is a Pinion with a certificate of an authority, at two addresses.
type tlsPool struct {
	*operated
	ca        *certtest.Authority
	dir       string
	encrypted string // the address of TLS
}

func newTLSPool(t *testing.T) *tlsPool {
	t.Helper()
	p := &tlsPool{ca: certtest.New(t, "ours"), dir: rig.ShortDir(t), encrypted: rig.FreeAddress(t)}
	p.renew(t, "first", 2048)
	plain := rig.FreeAddress(t)
	certtest.Write(t, p.dir+"/ca.crt", p.ca.PEM)
	p.operated = operate(t, rig.Yaml(rig.Pool{Name: "pool", Listen: "[" + plain + ", " + p.encrypted + " tls]", Servers: []string{rig.RedisServer(t).Address + ":1"},
		Options: []string{"redis: true", "tls_cert: " + p.dir + "/server.crt", "tls_key: " + p.dir + "/server.key", "tls_ca: " + p.dir + "/ca.crt", "tls_auth_clients: optional"}}), plain)
	return p
}

func (p *tlsPool) renew(t *testing.T, name string, rsa int) {
	t.Helper()
	p.ca.Issue(certtest.Subject{Name: name, Hosts: []string{"127.0.0.1"}, Server: true, RSA: rsa}).Write(t, p.dir, "server")
}

// connect returns a client that has shaken hands, and the name of the certificate that it was shown.
func (p *tlsPool) connect(t *testing.T, version uint16, own *certtest.Pair) (*rig.Client, string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.ca.PEM)
	config := &tls.Config{RootCAs: roots, MinVersion: version, MaxVersion: version}
	if own != nil {
		pair, err := tls.X509KeyPair(own.Certificate, own.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	conn, err := tls.Dial("tcp", p.encrypted, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rig.Client{T: t, Conn: conn, In: bufio.NewReader(conn), Read: rig.ReadRESP}, conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestE2EClientTLS(t *testing.T) {
	t.Parallel()
	p := newTLSPool(t)
	own := p.ca.Issue(certtest.Subject{Name: "alice"})
	plain := p.Dial()
	plain.WantDo("+OK\r\n", "SET", "k", "1")
	var all []*rig.Client
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, pair := range []*certtest.Pair{nil, &own} {
			c, name := p.connect(t, version, pair)
			if name != "first" {
				t.Errorf("it shows the certificate of %s", name)
			}
			all = append(all, c)
		}
	}
	for step, order := range []string{"reload", "upgrade", "reload"} {
		for _, c := range append(all, plain) {
			c.WantDo("$1\r\n1\r\n", "GET", "k")
		}
		p.renew(t, order, 0) // another kind of key than before
		if out, err := p.command(order); err != nil {
			t.Fatalf("%s: %v\n%s", order, err, out)
		}
		if c, name := p.connect(t, tls.VersionTLS13, nil); name != order {
			t.Errorf("step %d: it shows the certificate of %s", step, name)
		} else {
			c.WantDo("$1\r\n1\r\n", "GET", "k")
		}
	}
	for _, c := range append(all, plain) {
		c.WantDo("$1\r\n1\r\n", "GET", "k")
	}
	if c := rig.Dial(t, "tcp", p.encrypted, rig.ReadRESP); !strings.Contains(c.Do("PING"), "this port speaks TLS") {
		t.Error("who speaks plaintext is not told that this is TLS")
	}
}
