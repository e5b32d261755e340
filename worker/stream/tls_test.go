// Streams with TLS against crypto/tls, over sockets that take and give little at a time.

package stream

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// certificate is one that signs itself, for the name "here".
var certificate = sync.OnceValue(func() (c tls.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(crand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	c = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if c.Leaf, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return c
})

func clientConfig(version uint16) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: roots, ServerName: "here", MaxVersion: version}
}

// peerOf is the far end of a wire, as crypto/tls needs it. It takes the descriptor over.
func peerOf(t testing.TB, w *wire) net.Conn {
	f := os.NewFile(uintptr(w.far), "far")
	conn, err := net.FileConn(f)
	must(t, err)
	far, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	f.Close()
	w.far = far
	t.Cleanup(func() { conn.Close() })
	return conn
}

// await waits until the descriptor can be read, or written if there is something to be.
func await(t testing.TB, s *Stream) {
	t.Helper()
	events := int16(unix.POLLIN)
	if s.Unwritten() > 0 {
		events |= unix.POLLOUT
	}
	if s.Unread {
		return
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: s.fd, Events: events}}, 10_000); n != 1 {
		t.Fatalf("nothing happens any more (%v)", err)
	}
	s.Unread = true
}

// shakeHands ends when the stream's handshake does.
func shakeHands(t testing.TB, s *Stream) error {
	t.Helper()
	for {
		done, err := s.Shake()
		if err == nil {
			err = s.SendSealed()
		}
		if done || err != nil {
			return err
		}
		await(t, s)
	}
}

// secureWire is a stream with TLS and its peer, a goroutine that runs do after the handshake.
func secureWire(t testing.TB, l *Loop, version uint16, do func(c *tls.Conn) error) (s *Stream, end chan error) {
	t.Helper()
	w := newWire(t)
	conn := peerOf(t, &w)
	end = make(chan error, 1)
	go func() {
		c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate()}})
		err := c.Handshake()
		if err == nil {
			err = do(c)
		}
		end <- err
	}()
	unix.SetsockoptInt(w.near, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	stream := New(w.near)
	stream.BeginTLS(l, clientConfig(version))
	must(t, shakeHands(t, &stream))
	return &stream, end
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// The peer sends back what it gets. What is kept, what is frozen and moves, and when it is sent, is as the dice say.
func TestTLSAgainstPlain(t *testing.T) {
	for name, version := range versions {
		for seed := range uint64(8) {
			t.Run(fmt.Sprint(name, "/", seed), func(t *testing.T) { compareTLS(t, version, seed) })
		}
	}
}

func compareTLS(t *testing.T, version uint16, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	l, m := newLoop()
	s, end := secureWire(t, l, version, func(c *tls.Conn) error {
		if _, err := io.Copy(c, c); err != nil {
			return err
		}
		return c.CloseWrite()
	})
	var want bytes.Buffer // queued and not consumed
	for range 60 {
		b := randomBytes(random)
		want.Write(b)
		s.Out.Append(m, b)
		if random.IntN(4) > 0 {
			if _, err := s.Send(l, 1+random.IntN(100_000), nil); err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(8) == 0 {
			s = move(t, s, l, m)
		}
		l.Spent = 0
		if random.IntN(8) == 0 {
			l.Spent = l.enough
		}
		consume(t, s, l, m, &want, random)
		s.Sleep()
	}
	for want.Len() > 0 {
		if _, err := s.Send(l, MaxSendBytes, nil); err != nil {
			t.Fatal(err)
		}
		if s.Unwritten() > 0 || len(s.Kept()) < want.Len() {
			await(t, s)
		}
		consume(t, s, l, m, &want, random)
	}
	s.CloseWrite()
	for {
		await(t, s)
		b, err := s.Recv(l)
		if err == io.EOF {
			break
		}
		if err != nil || len(b) > 0 {
			t.Fatalf("before the end: %q, %v", b, err)
		}
	}
	must(t, <-end)
	s.Drop(m)
	if m.Held() != 0 {
		t.Errorf("%d bytes are held at the end", m.Held())
	}
}

// consume receives once, if there is something, and consumes a part of it.
func consume(t *testing.T, s *Stream, l *Loop, m *memory.Allocator, want *bytes.Buffer, random *rand.Rand) {
	t.Helper()
	s.Unread = true
	got, err := s.Recv(l)
	must(t, err)
	if got == nil {
		return
	}
	if !bytes.HasPrefix(want.Bytes(), got) {
		t.Fatal("received something else than was sent")
	}
	used := len(got)
	if random.IntN(2) == 0 && want.Len() > len(got) {
		used = random.IntN(len(got)+1) / (1 + 9*random.IntN(2))
	}
	want.Next(used)
	must(t, s.Keep(m, got[used:]))
	clear(l.records.plain)
}

// move has another stream go on, as another worker would.
func move(t *testing.T, s *Stream, l *Loop, m *memory.Allocator) *Stream {
	t.Helper()
	s.Freeze()
	other := New(s.FD())
	must(t, other.AdoptTLS(l, s.TLSState(), nil))
	must(t, other.Keep(m, s.Kept()))
	for _, b := range s.Out.Pieces(nil) {
		other.Out.Append(m, b)
	}
	s.Drop(m)
	other.Thaw()
	return &other
}

// Requests that wait go out in few records: what is gathered costs as little as if it were plain.
func TestTLSGathers(t *testing.T) {
	l, m := newLoop()
	got := make(chan int, 1)
	s, end := secureWire(t, l, tls.VersionTLS13, func(c *tls.Conn) error {
		n, err := c.Read(make([]byte, 20_000)) // of one record
		got <- n
		return err
	})
	for range 100 {
		s.Out.Append(m, []byte("PING\r\n"))
	}
	_, err := s.Send(l, MaxSendBytes, nil)
	must(t, err)
	must(t, <-end)
	if n := <-got; n != 600 {
		t.Errorf("the first record has %d bytes, want 600", n)
	}
}

// Who is idle has no ciphers, but who needs them every few seconds keeps them.
func TestIdleTLSSleeps(t *testing.T) {
	l, m := newLoop()
	s, _ := secureWire(t, l, tls.VersionTLS13, func(c *tls.Conn) error { return nil })
	for _, patience := range []int{1, 2, 4, 8, 16, 16} {
		s.Out.Append(m, []byte("PING\r\n"))
		_, err := s.Send(l, MaxSendBytes, nil)
		must(t, err)
		for looks := range patience {
			if garbage, left := l.sleepIdle(); garbage != 0 || !left {
				t.Fatalf("it sleeps after %d looks instead of %d", looks+1, patience+1)
			}
		}
		if garbage, left := l.sleepIdle(); garbage != cipherObjects || left {
			t.Fatalf("it does not sleep after %d looks", patience+1)
		}
	}
}

// Each look is at a part of many streams, and some looks are at all of them.
func TestLooksAtManyStreams(t *testing.T) {
	l, _ := newLoop()
	const many = 5 * lookedAt
	for range many {
		(&secured{loop: l, records: &tlsrec.Conn{}}).wake()
	}
	for looks, asleep := 0, 0; asleep < many*cipherObjects; looks++ {
		garbage, left := l.sleepIdle()
		if asleep += garbage; garbage > many/partsOfAll*cipherObjects || left != (asleep < many*cipherObjects) || looks > 5 {
			t.Fatalf("look %d frees %d bytes, of %d; others are left: %v", looks, garbage, many*cipherObjects, left)
		}
	}
}

// A hundred thousand idle clients are ten megabytes for each hundred bytes.
func TestIdleTLSIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(secured{}) + unsafe.Sizeof(tlsrec.Conn{}); got > 192 {
		t.Errorf("TLS takes %d bytes of an idle stream", got)
	}
}

func TestFrozenTLS(t *testing.T) {
	l, m := newLoop()
	s, _ := secureWire(t, l, tls.VersionTLS13, func(c *tls.Conn) error { return nil })
	s.Freeze()
	s.Out.Append(m, []byte("x"))
	s.Farewell() // says nothing
	for what, do := range map[string]func(){
		"Send":      func() { s.Send(l, 100, nil) },
		"Recv":      func() { s.Recv(l) },
		"SendFirst": func() { s.SendFirst([]byte("x")) },
	} {
		if !panics(do) {
			t.Errorf("%s of a frozen stream goes on", what)
		}
	}
	s.Thaw()
	if _, err := s.Send(l, 100, nil); err != nil {
		t.Error(err)
	}
}

func panics(do func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	do()
	return false
}

func TestTLSFailures(t *testing.T) {
	plain := func(text string) func(net.Conn) {
		return func(c net.Conn) { c.Write([]byte(text)) }
	}
	asks := &tls.Config{Certificates: []tls.Certificate{certificate()}, ClientAuth: tls.RequireAnyClientCert}
	for _, test := range []struct {
		name, want string
		version    uint16
		server     string // name that is asked for
		peer       func(c net.Conn)
	}{
		{"plaintext", "it speaks no TLS", 0, "here", plain("-ERR unknown command\r\n")},
		{"HTTP", "it speaks no TLS", 0, "here", plain("HTTP/1.1 400 Bad Request\r\n\r\n")},
		{"end", "EOF", 0, "here", func(c net.Conn) {
			c.Read(make([]byte, 10_000))
			c.Close()
		}},
		{"another name", "certificate is valid for here, not there", 0, "there", func(c net.Conn) { tls.Server(c, asks).Handshake() }},
		{"1.2 without certificate", "the peer ends TLS", tls.VersionTLS12, "here", func(c net.Conn) { tls.Server(c, asks).Handshake() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, m := newLoop()
			w := newWire(t)
			conn := peerOf(t, &w)
			go test.peer(conn)
			config := clientConfig(test.version)
			config.ServerName = test.server
			s := New(w.near)
			s.BeginTLS(l, config)
			err := shakeHands(t, &s)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it fails with %v, want %q", err, test.want)
			}
			s.Drop(m)
			if m.Held() != 0 {
				t.Errorf("%d bytes are held at the end", m.Held())
			}
		})
	}
}

// In TLS 1.3 a server looks at the client's certificate when the client is done.
func TestTLSRefusedAfterwards(t *testing.T) {
	l, _ := newLoop()
	w := newWire(t)
	conn := peerOf(t, &w)
	go tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate()}, ClientAuth: tls.RequireAnyClientCert}).Handshake()
	s := New(w.near)
	s.BeginTLS(l, clientConfig(0))
	must(t, shakeHands(t, &s))
	var err error
	for err == nil {
		await(t, &s)
		_, err = s.Recv(l)
	}
	var told RemoteAlert
	if !errors.As(err, &told) || told != 116 {
		t.Errorf("it ends with %v, want that a certificate is required", err)
	}
}

// A peer cannot make a handshake keep more than a bound, and what is kept is counted while it is.
func TestTLSHandshakeIsBounded(t *testing.T) {
	l, m := newLoop()
	w := newWire(t)
	conn := peerOf(t, &w)
	s := New(w.near)
	s.AwaitTLS(l, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	hello := make([]byte, 5, 5+16<<10)
	hello[0], hello[1], hello[2], hello[3] = 22, 3, 3, 64 // a record of 16 KiB
	hello = append(hello, 1, 1, 0, 0)                     // of a message of 64 KiB
	hello = hello[:cap(hello)]
	go func() {
		for range 5 {
			conn.Write(hello)
			clear(hello[5:9])
		}
	}()
	if err := shakeHands(t, &s); err != errLongHandshake {
		t.Errorf("a handshake ends with %v", err)
	}
	if held := int(m.Held()); held < handshakeBytes {
		t.Errorf("%d bytes are held for it", held)
	}
	s.Drop(m)
	if m.Held() != 0 {
		t.Errorf("%d bytes are held at the end", m.Held())
	}
}
