// Servers that speak TLS, and their certificates.

package core

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/tlshake"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// fakeTLS is the TLS of a peer that is a server.
type fakeTLS struct {
	shake   *tlshake.Handshake
	records *tlsrec.Conn
	state   tls.ConnectionState
	raw     []byte // received and not opened
	say     []byte // to be sealed once the handshake is over
	failure error
}

func newFakeTLS(config *tls.Config) *fakeTLS {
	if config == nil {
		return nil
	}
	return &fakeTLS{shake: tlshake.Server(config)}
}

// newTLSClient is newFakeTLS for a peer that is a client.
func newTLSClient(config *tls.Config) (t *fakeTLS, hello []byte) {
	t = &fakeTLS{shake: tlshake.Client(config)}
	t.shake.Step(nil)
	hello, t.shake.Out = t.shake.Out, nil
	return t, hello
}

// coroutines counts the handshakes that are parked.
func coroutines() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "tlshake.(*Handshake).run")
}

// seal seals what is to be said; t may be nil.
func (t *fakeTLS) seal(p *peer) {
	if t == nil || t.records == nil {
		return
	}
	for len(t.say) > 0 {
		sealed, n, err := t.records.Seal(p.rest, t.say)
		if err != nil {
			panic(err)
		}
		p.rest, t.say = sealed, slices.Delete(t.say, 0, n)
	}
}

// open takes the last n bytes of got for records, and returns got with what they contain.
func (t *fakeTLS) open(p *peer, got []byte, n int) []byte {
	t.raw = append(t.raw, got[len(got)-n:]...)
	got = got[:len(got)-n]
	for t.records == nil && t.failure == nil {
		size := tlsrec.RecordSize(t.raw)
		if size == 0 || size > len(t.raw) {
			return got
		}
		over := t.shake.Step(t.raw[:size]) == tlshake.Over
		t.raw = t.raw[size:]
		p.rest, t.shake.Out = append(p.rest, t.shake.Out...), nil
		if over && t.shake.Err == nil {
			t.records, t.state = t.shake.Records(), t.shake.State()
		} else if over {
			t.failure = t.shake.Err
		}
	}
	for used := -1; used != 0 && t.failure == nil; { // it stops behind each change of a key
		got, used, t.failure = t.records.Open(got, t.raw)
		t.raw = slices.Delete(t.raw, 0, used)
	}
	return got
}

// authority signs the certificates of servers and of their clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	pool        *x509.CertPool
}

func newAuthority() (a *authority) {
	a = &authority{key: newKey()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate = a.sign(template, template, a.key)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.certificate)
	return a
}

// theAuthority is the one that pools believe.
var theAuthority = sync.OnceValue(newAuthority)

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

// issue returns a certificate for a name that ends after some time, which may have passed.
func (a *authority) issue(name string, ends time.Duration) tls.Certificate {
	return a.issueFor(newKey(), name, ends)
}

// issueFor is issue for a key.
func (a *authority) issueFor(key crypto.Signer, name string, ends time.Duration) tls.Certificate {
	c := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-2 * time.Hour),
		NotAfter: time.Now().Add(ends), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// pairOf returns a certificate as a specification has it.
func pairOf(c tls.Certificate) *link.KeyPair {
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		panic(err)
	}
	return &link.KeyPair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}
}

// goodServer is what a server has that a pool of goodTLS believes.
var goodServer = sync.OnceValue(func() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{theAuthority().issue("here", time.Hour)}}
})

// goodTLS is how a pool speaks to goodServer. The servers of a rig are at paths, which are no names.
func goodTLS() *link.ServerTLS {
	return &link.ServerTLS{Verify: link.VerifyFull, CA: theAuthority().pem, Name: "here"}
}

// tlsPool is redisPool for servers that speak TLS.
func (r *rig) tlsPool(servers ...string) *link.Pool {
	first := len(r.servers)
	p := r.redisPool(servers...)
	p.ServerTLS = goodTLS()
	for _, s := range r.servers[first:] {
		s.tls = goodServer()
	}
	return p
}
