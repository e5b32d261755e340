// Connections to servers: how they become encrypted ones.

package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Client encrypts connections to the servers of a pool. The one that is nil leaves them as they are.
type Client struct {
	config *tls.Config
	name   string // that servers have to bear; empty: their hosts
	err    error  // why there can be no connection
}

// suites are those of TLS 1.2 that workers take, too.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// NewClient returns nil for a pool without TLS. What is wrong with t is told by Secure: an earlier master may have written it.
func NewClient(t *link.ServerTLS) *Client {
	if t == nil {
		return nil
	}
	c := &Client{name: t.Name, config: &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites}}
	roots, err := authorities(t)
	if err != nil {
		c.err = err
		return c
	}
	switch t.Verify {
	case link.VerifyFull:
		c.config.RootCAs = roots
	case link.VerifyCA:
		c.config.InsecureSkipVerify = true // verifyChain does it, but for the name
		c.config.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	case link.VerifyNone:
		c.config.InsecureSkipVerify = true
	default:
		c.err = errors.New("unknown server_tls_verify")
	}
	if t.Pair != nil {
		pair, err := tls.X509KeyPair(t.Pair.Certificate, t.Pair.Key)
		c.err = cmp.Or(c.err, err)
		// not Certificates, of which none is shown that the server does not expect: what it has against ours it would not say
		c.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

// authorities returns those that count; nil where none does.
func authorities(t *link.ServerTLS) (*x509.CertPool, error) {
	if t.Verify == link.VerifyNone {
		return nil, nil
	}
	if len(t.CA) == 0 {
		return x509.SystemCertPool()
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(t.CA) {
		return nil, errors.New("no authority can be read")
	}
	return pool, nil
}

// verifyChain verifies a server of whatever name.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}

// Secure makes an encrypted connection of one to an address. The context bounds the handshake; on an error the connection is closed.
func (c *Client) Secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if c == nil {
		return conn, nil
	}
	if c.err != nil {
		conn.Close()
		return nil, c.err
	}
	config := c.config.Clone()
	config.ServerName = c.name
	if config.ServerName == "" {
		config.ServerName = hostOf(address)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// hostOf returns the name that a certificate can bear: none has a zone.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	host, _, _ = strings.Cut(host, "%")
	return host
}

// Ends returns when the certificate ends that has been shown at the other end of a connection; !ok: none was.
func Ends(conn net.Conn) (at time.Time, ok bool) {
	secured, ok := conn.(*tls.Conn)
	if !ok || len(secured.ConnectionState().PeerCertificates) == 0 {
		return time.Time{}, false
	}
	return secured.ConnectionState().PeerCertificates[0].NotAfter, true
}

// Speaks tells whether TLS is spoken at the other end of a connection, whoever that is, and whether or not ours are wanted there.
func Speaks(conn net.Conn) bool {
	err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	return err == nil || isAlert(err)
}
