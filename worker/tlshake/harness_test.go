// Certificates and peers to shake hands with.

package tlshake

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// authority signs the certificates of both sides.
var authority = sync.OnceValue(func() (a struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}) {
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate = sign(template, template, a.key.Public(), a.key)
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.certificate)
	return a
})

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

func issue(key crypto.Signer, err error) tls.Certificate {
	if err != nil {
		panic(err)
	}
	a := authority()
	c := sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "alice"}, DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

var (
	ofECDSA = sync.OnceValue(func() tls.Certificate { return issue(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ofRSA   = sync.OnceValue(func() tls.Certificate { return issue(rsa.GenerateKey(rand.Reader, 2048)) })
)

// step gives a handshake all complete records of src, and signs what is to be signed. It returns what has not been used.
func step(h *Handshake, src []byte, begun bool) (need Need, rest []byte) {
	switch {
	case h.over:
		need = Over
	case !begun:
		need = h.Step(nil)
	}
	for {
		for need == NeedsSignature {
			done := make(chan struct{})
			go func(j *Job) { j.Sign(); close(done) }(h.Job)
			<-done
			need = h.Step(nil)
		}
		size := tlsrec.RecordSize(src)
		if need == Over || size == 0 || size > len(src) {
			return need, src
		}
		need = h.Step(bytes.Clone(src[:size]))
		src = src[size:]
	}
}

// shake has two handshakes talk until both are over. What each has sent afterwards, none, is an error.
func shake(t testing.TB, client, server *Handshake) {
	t.Helper()
	var toClient, toServer []byte
	var clientNeed, serverNeed Need
	for turn := 0; clientNeed != Over || serverNeed != Over; turn++ {
		if turn > 10 {
			t.Fatal("the handshakes do not end")
		}
		clientNeed, toClient = step(client, toClient, turn > 0)
		toServer, client.Out = append(toServer, client.Out...), nil
		serverNeed, toServer = step(server, toServer, turn > 0)
		toClient, server.Out = append(toClient, server.Out...), nil
	}
	if len(toClient)+len(toServer) > 0 && client.Err == nil && server.Err == nil {
		t.Fatalf("%d and %d bytes are left", len(toClient), len(toServer))
	}
}
