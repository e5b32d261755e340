// A handshake of crypto/tls with itself, one end of which the record layer then replaces.

package tlsrec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// variant is a version, a suite and the end that the record layer takes.
type variant struct {
	version, suite uint16
	client         bool
}

func (v variant) String() string {
	role := " server"
	if v.client {
		role = " client"
	}
	return tls.CipherSuiteName(v.suite) + role
}

// variants are all that crypto/tls can be made to choose: in TLS 1.3 it takes AES-128 wherever the machine is good at it.
func variants() (all []variant) {
	for _, s := range suites {
		if s.version == tls.VersionTLS12 || s.id == tls.TLS_AES_128_GCM_SHA256 {
			all = append(all, variant{s.version, s.id, false}, variant{s.version, s.id, true})
		}
	}
	return all
}

// wire is a connection in memory. A read when there is nothing fails with os.ErrDeadlineExceeded once it is live, and waits
// before.
type wire struct {
	mu      *sync.Cond
	in, out *bytes.Buffer
	live    *bool
	sent    bytes.Buffer // all that was written here
}

func newWires() (a, b *wire) {
	mu, x, y, live := sync.NewCond(&sync.Mutex{}), &bytes.Buffer{}, &bytes.Buffer{}, new(bool)
	return &wire{mu: mu, in: x, out: y, live: live}, &wire{mu: mu, in: y, out: x, live: live}
}

func (w *wire) Read(b []byte) (int, error) {
	w.mu.L.Lock()
	defer w.mu.L.Unlock()
	for w.in.Len() == 0 {
		if *w.live {
			return 0, os.ErrDeadlineExceeded
		}
		w.mu.Wait()
	}
	return w.in.Read(b)
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.L.Lock()
	defer w.mu.L.Unlock()
	defer w.mu.Broadcast()
	w.sent.Write(b)
	return w.out.Write(b)
}

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var (
	ecdsaCertificate = sync.OnceValue(func() tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return certificate(&key.PublicKey, key, err)
	})
	rsaCertificate = sync.OnceValue(func() tls.Certificate {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		return certificate(&key.PublicKey, key, err)
	})
)

func certificate(public, key any, err error) tls.Certificate {
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// established is a connection whose ends are our record layer and crypto/tls. twin is the end of crypto/tls that ours
// replaces, with the same keys.
type established struct {
	ours       *Conn
	peer, twin *tls.Conn
	wire       *wire // our end, which the twin uses, too
	peerWire   *wire
}

func establish(t testing.TB, v variant) *established {
	t.Helper()
	var log bytes.Buffer
	config := &tls.Config{
		Certificates: []tls.Certificate{ecdsaCertificate(), rsaCertificate()}, InsecureSkipVerify: true, SessionTicketsDisabled: true,
		MinVersion: v.version, MaxVersion: v.version, CipherSuites: []uint16{v.suite}, KeyLogWriter: &log,
	}
	if v.version == tls.VersionTLS13 {
		config.CipherSuites = nil
	}
	near, far := newWires()
	client, server := tls.Client(near, config), tls.Server(far, &tls.Config{
		Certificates: config.Certificates, SessionTicketsDisabled: true, MinVersion: v.version, MaxVersion: v.version, CipherSuites: config.CipherSuites,
	})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	*near.live = true
	s := Secrets{Client: v.client, Version: v.version, Suite: client.ConnectionState().CipherSuite}
	if s.Suite != v.suite {
		t.Skipf("crypto/tls chooses %s on this machine", tls.CipherSuiteName(s.Suite))
	}
	readSecrets(t, &s, log.String(), far.sent.Bytes())
	ours, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	if v.client {
		return &established{ours: ours, peer: server, twin: client, wire: near, peerWire: far}
	}
	return &established{ours: ours, peer: client, twin: server, wire: far, peerWire: near}
}

func readSecrets(t testing.TB, s *Secrets, log string, flight []byte) {
	t.Helper()
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		random, err1 := hex.DecodeString(fields[1])
		secret, err2 := hex.DecodeString(fields[2])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		switch fields[0] {
		case "CLIENT_RANDOM":
			s.Master, s.ClientRandom, s.ServerRandom, s.InSeq, s.OutSeq = secret, random, flight[11:43], 1, 1
		case "CLIENT_TRAFFIC_SECRET_0":
			s.ClientTraffic = secret
		case "SERVER_TRAFFIC_SECRET_0":
			s.ServerTraffic = secret
		}
	}
}

// read returns all that crypto/tls makes of what has come to it.
func read(c *tls.Conn) (data []byte, err error) {
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		data = append(data, b[:n]...)
		if err != nil {
			return data, err
		}
	}
}

// arrived takes what has come for our end.
func (e *established) arrived() []byte {
	b, err := io.ReadAll(io.LimitReader(e.wire.in, int64(e.wire.in.Len())))
	if err != nil {
		panic(err)
	}
	return b
}
