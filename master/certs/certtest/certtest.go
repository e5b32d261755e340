// Package certtest makes certificates for tests: an authority, and what it signs.
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	PEM []byte

	t           testing.TB
	certificate *x509.Certificate
	key         crypto.Signer
	serial      int64
}

// Subject is what a certificate says. Its zero value is for a client named "client", and good for a year.
type Subject struct {
	Name   string
	Hosts  []string // names and addresses
	Server bool     // it is for a server, instead of for a client
	Begins time.Time
	Ends   time.Time
	RSA    int // bits; 0: ECDSA P-256
}

// Pair is a certificate with its key, in PEM.
type Pair struct{ Certificate, Key []byte }

const year = 365 * 24 * time.Hour

// New makes an authority.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{t: t, key: key, serial: 1}
	a.certificate = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * year), NotAfter: time.Now().Add(10 * year),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.PEM = a.sign(a.certificate, key.Public())
	return a
}

func (a *Authority) sign(c *x509.Certificate, public crypto.PublicKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.certificate, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Issue makes a key and signs a certificate for it.
func (a *Authority) Issue(s Subject) Pair {
	a.t.Helper()
	var key crypto.Signer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if s.RSA > 0 {
		key, err = rsa.GenerateKey(rand.Reader, s.RSA)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	c := &x509.Certificate{SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: s.Name}, NotBefore: s.Begins, NotAfter: s.Ends,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if s.Name == "" {
		c.Subject.CommonName = "client"
	}
	if s.Begins.IsZero() {
		c.NotBefore = time.Now().Add(-year)
	}
	if s.Ends.IsZero() {
		c.NotAfter = time.Now().Add(year)
	}
	if s.Server {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return Pair{a.sign(c, key.Public()), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
}

// Write writes a pair to a directory as NAME.crt and NAME.key, and returns the two paths.
func (p Pair) Write(t testing.TB, dir, name string) (certificate, key string) {
	t.Helper()
	return Write(t, filepath.Join(dir, name+".crt"), p.Certificate), Write(t, filepath.Join(dir, name+".key"), p.Key)
}

// Write writes a file that only its owner may read, and returns its path.
func Write(t testing.TB, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
