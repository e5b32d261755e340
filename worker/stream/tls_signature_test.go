// What handshakes count as in a turn, and that they wait for signatures which others make.

package stream

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// rsaCertificate is certificate with a key of RSA, of which no two tests need another.
func rsaCertificate(t *testing.T) tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, certificate().Leaf, key.Public(), certificate().PrivateKey.(*ecdsa.PrivateKey))
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// shakeWith is a stream whose peer shakes hands and then says that it does.
func shakeWith(t *testing.T, l *Loop, version uint16, own tls.Certificate) (s *Stream, end chan error) {
	w := newWire(t)
	conn := peerOf(t, &w)
	end = make(chan error, 1)
	go func() { end <- tls.Client(conn, clientConfig(version)).Handshake() }()
	stream := New(w.near)
	stream.AwaitTLS(l, &tls.Config{Certificates: []tls.Certificate{own}})
	await(t, &stream)
	return &stream, end
}

// The answer to a client's first words is what takes time, and it is what counts, whether the client then goes on or not.
func TestTLSToll(t *testing.T) {
	slow := rsaCertificate(t)
	for name, version := range versions {
		for _, test := range []struct {
			own   tls.Certificate
			least int
		}{{certificate(), flightToll}, {slow, flightToll + signatureToll}} {
			l, m := newLoop()
			s, end := shakeWith(t, l, version, test.own)
			done, err := s.Shake()
			if must(t, err); done {
				t.Fatalf("%s: the handshake is over before the client has answered", name)
			}
			if l.Spent < test.least {
				t.Errorf("%s: its first part counts as %d, want at least %d", name, l.Spent, test.least)
			}
			must(t, shakeHands(t, s))
			must(t, <-end)
			if most := test.least + 2*flightToll; l.Spent > most {
				t.Errorf("%s: it counts as %d, want at most %d", name, l.Spent, most)
			}
			s.Drop(m)
		}
	}
}

func TestTLSSignature(t *testing.T) {
	own := rsaCertificate(t)
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			l, m := newLoop()
			l.SignsElsewhere = true
			s, end := shakeWith(t, l, version, own)
			if s.Signature() != nil {
				t.Error("there is something to be signed before the client has said anything")
			}
			var asked *Signature
			for asked == nil {
				_, err := s.Shake()
				must(t, err)
				if asked = s.Signature(); asked == nil {
					await(t, s)
				}
			}
			if s.Signature() != nil {
				t.Error("it is to be made twice")
			}
			s.Unread = true
			if done, err := s.Shake(); done || err != nil || !s.Signs() {
				t.Fatalf("without a signature: %v, %v", done, err)
			}
			made := make(chan struct{})
			go func() { asked.Make(); close(made) }()
			<-made
			if !asked.Deliver() || !s.Unread {
				t.Error("the handshake does not go on")
			}
			must(t, shakeHands(t, s))
			must(t, <-end)
			if asked.IsNeeded() || asked.Deliver() {
				t.Error("it is needed again")
			}
			s.Drop(m)
			if m.Held() != 0 {
				t.Errorf("%d bytes are held at the end", m.Held())
			}
		})
	}
}

// A stream may end while another thread signs for it.
func TestTLSSignatureOfTheDead(t *testing.T) {
	own := rsaCertificate(t)
	l, m := newLoop()
	l.SignsElsewhere = true
	s, _ := shakeWith(t, l, 0, own)
	_, err := s.Shake()
	must(t, err)
	asked := s.Signature()
	made := make(chan struct{})
	go func() { asked.Make(); close(made) }()
	s.Drop(m)
	<-made
	if asked.Deliver() {
		t.Error("a handshake goes on that is over")
	}
	if m.Held() != 0 {
		t.Errorf("%d bytes are held at the end", m.Held())
	}
}
