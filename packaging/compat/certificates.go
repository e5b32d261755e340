// What TLS needs: an authority, the servers' certificate, that of a client, and a setting of OpenSSL.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates are files, all in one folder.
type certificates string

func (c certificates) authority() string { return filepath.Join(string(c), "ca.crt") }

// server is for all servers, Pinion among them; client names the user certified.
func (c certificates) server() (cert, key string) { return c.pair("server") }
func (c certificates) client() (cert, key string) { return c.pair("client") }

func (c certificates) pair(name string) (cert, key string) {
	file := filepath.Join(string(c), name)
	return file + ".crt", file + ".key"
}

// at12 is a configuration for OpenSSL by which it knows no TLS 1.3.
func (c certificates) at12() string { return filepath.Join(string(c), "at12.cnf") }

const at12 = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = versions\n[versions]\nMaxProtocol = TLSv1.2\n"

func makeCertificates(folder string) (certificates, error) {
	c := certificates(folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return c, err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "compat authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityKey, err := c.write("ca", authority, authority, nil)
	if err != nil {
		return c, err
	}
	_, ofServer := c.write("server", &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, authority, authorityKey)
	_, ofClient := c.write("client", &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: certified}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, authorityKey)
	return c, errors.Join(ofServer, ofClient, os.WriteFile(c.at12(), []byte(at12), 0o644))
}

// write makes a key and a certificate for it, that by has signed, or the key itself if there is none.
func (c certificates) write(name string, cert, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if byKey == nil {
		byKey = key
	}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(0, 3, 0)
	signed, err := x509.CreateCertificate(rand.Reader, cert, by, key.Public(), byKey)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certFile, keyFile := c.pair(name)
	return key, errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}
