// Connections from those who ask the master itself: how they become encrypted ones.

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Server encrypts connections that were accepted. The zero value closes them: it stands for certificates that were not read.
type Server struct{ config *tls.Config }

// NewServer returns one that shows a certificate. A client may show one of the authorities, which are in PEM, and none that is not of them;
// whether it must, is for whoever knows what it asks for. Without authorities nobody is asked for one.
func NewServer(pair *link.KeyPair, authorities []byte) (*Server, error) {
	own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites, Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}}
	if len(authorities) > 0 {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !c.ClientCAs.AppendCertsFromPEM(authorities) {
			return nil, &Flaw{"names authorities that cannot be used", "name those that have signed the certificates of clients"}
		}
	}
	return &Server{c}, nil
}

// Secure returns the encrypted connection. The handshake comes with its first read or write.
func (s *Server) Secure(c net.Conn) net.Conn {
	if s.config == nil {
		c.Close()
		return c
	}
	return tls.Server(c, s.config)
}
