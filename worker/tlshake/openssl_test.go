// OpenSSL as the peer: suites that crypto/tls does not choose by itself, tickets, and changes of keys that another program
// begins.

package tlshake

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// opensslSuites are OpenSSL's names.
var opensslSuites = []struct {
	version, suite uint16
	option, name   string
}{
	{tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256, "-ciphersuites", "TLS_AES_128_GCM_SHA256"},
	{tls.VersionTLS13, tls.TLS_AES_256_GCM_SHA384, "-ciphersuites", "TLS_AES_256_GCM_SHA384"},
	{tls.VersionTLS13, tls.TLS_CHACHA20_POLY1305_SHA256, "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"},
}

// encrypted is a connection of the record layer over a socket.
type encrypted struct {
	t       *testing.T
	conn    net.Conn
	records *tlsrec.Conn
	pending []byte
}

// over shakes hands with whoever is at the other end of a socket.
func over(t *testing.T, conn net.Conn, h *Handshake) *encrypted {
	t.Helper()
	e := &encrypted{t: t, conn: conn}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for begun := false; ; begun = true {
		var need Need
		need, e.pending = step(h, e.pending, begun)
		if _, err := conn.Write(h.Out); err != nil {
			t.Fatal(err)
		}
		h.Out = nil
		if need == Over {
			break
		}
		e.receive()
	}
	if h.Err != nil {
		t.Fatal(h.Err)
	}
	e.records = h.Records()
	return e
}

func (e *encrypted) receive() {
	e.t.Helper()
	b := make([]byte, 4096)
	n, err := e.conn.Read(b)
	if err != nil {
		e.t.Fatal(err)
	}
	e.pending = append(e.pending, b[:n]...)
}

func (e *encrypted) send(text string) {
	e.t.Helper()
	out, _, err := e.records.Seal(nil, []byte(text))
	if err == nil {
		_, err = e.conn.Write(out)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// expect waits for a text.
func (e *encrypted) expect(text string) {
	e.t.Helper()
	var got []byte
	for !strings.Contains(string(got), text) {
		got = append(got, e.open()...)
	}
}

// expectKeyUpdate waits until the peer has changed its key: it counts its records anew then.
func (e *encrypted) expectKeyUpdate() {
	e.t.Helper()
	const inSeq = 6 // in the state
	for first := true; first || binary.BigEndian.Uint64(e.records.AppendState(nil)[inSeq:]) > 0; first = false {
		if got := e.open(); len(got) > 0 {
			e.t.Fatalf("got %q", got)
		}
	}
}

// open returns what the next records contain, and answers what the peer asks of the record layer.
func (e *encrypted) open() []byte {
	e.t.Helper()
	out, used, err := e.records.Open(nil, e.pending)
	if err != nil {
		e.t.Fatalf("%v after %q", err, out)
	}
	e.pending = e.pending[used:]
	if e.records.OwesKeyUpdate() {
		e.send("")
	}
	if used == 0 {
		e.receive()
	}
	return out
}

// openssl starts the program, which ends with the test. It reads commands and data from the writer.
func openssl(t *testing.T, arguments ...string) (stdin io.Writer, stdout *bufio.Reader) {
	t.Helper()
	c := exec.Command("openssl", arguments...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatalf("openssl, Debian's package of the same name: %v", err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	return in, bufio.NewReader(out)
}

// waitFor reads up to a line that contains text, in either case, and returns it.
func waitFor(t *testing.T, r *bufio.Reader, text string) string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := r.ReadString('\n')
		seen.WriteString(line)
		if strings.Contains(strings.ToLower(line), strings.ToLower(text)) {
			return strings.TrimSpace(line)
		}
		if err != nil {
			t.Fatalf("no %q in %q: %v", text, seen.String(), err)
		}
	}
}

func TestOpenSSLServer(t *testing.T) {
	file := pemFile(t, ofRSA())
	for _, s := range opensslSuites {
		t.Run(s.name, func(t *testing.T) {
			stdin, stdout := openssl(t, "s_server", "-accept", "127.0.0.1:0", "-cert", file, "-key", file, s.option, s.name)
			address := strings.TrimPrefix(waitFor(t, stdout, "ACCEPT "), "ACCEPT ")
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			e := over(t, conn, Client(limited(&tls.Config{ServerName: "here", RootCAs: authority().pool}, s.version)))
			converse(t, e, s.version, s.suite, stdin, stdout)
		})
	}
}

func TestOpenSSLClient(t *testing.T) {
	for _, s := range opensslSuites {
		t.Run(s.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			stdin, stdout := openssl(t, "s_client", "-connect", l.Addr().String(), "-servername", "here", s.option, s.name, "-"+openSSLVersion(s.version))
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			e := over(t, conn, Server(&tls.Config{Certificates: []tls.Certificate{ofRSA()}}))
			converse(t, e, s.version, s.suite, stdin, stdout)
		})
	}
}

func openSSLVersion(version uint16) string {
	if version == tls.VersionTLS12 {
		return "tls1_2"
	}
	return "tls1_3"
}

// converse sends data both ways, and with TLS 1.3 has OpenSSL change its key and ask for another one of ours.
func converse(t *testing.T, e *encrypted, version, suite uint16, stdin io.Writer, stdout *bufio.Reader) {
	t.Helper()
	if e.records.Version() != version || e.records.Suite() != suite {
		t.Fatalf("%s, %s", tls.VersionName(e.records.Version()), tls.CipherSuiteName(e.records.Suite()))
	}
	waitFor(t, stdout, "cipher is ") // what it is told earlier it may forget
	commands := []string{""}
	if version == tls.VersionTLS13 {
		commands = []string{"", "k\n", "", "K\n", "K\n", ""}
	}
	for i, command := range commands {
		if command != "" {
			fmt.Fprint(stdin, command)
			e.expectKeyUpdate()
		}
		fmt.Fprintf(stdin, "there %d\n", i)
		e.expect(fmt.Sprintf("there %d\n", i))
		e.send(fmt.Sprintf("back %d\n", i))
		waitFor(t, stdout, fmt.Sprintf("back %d", i))
	}
	e.close()
}

// close says that nothing follows, upon which OpenSSL closes, too.
func (e *encrypted) close() {
	e.t.Helper()
	out, err := e.records.SealAlert(nil, tlsrec.CloseNotify)
	if err == nil {
		_, err = e.conn.Write(out)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	rest, err := io.ReadAll(e.conn)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, _, err := e.records.Open(nil, append(e.pending, rest...)); err != nil && !errors.Is(err, tlsrec.ErrClosed) {
		e.t.Fatal(err)
	}
}

// pemFile writes a certificate, its authority and the key to a file.
func pemFile(t *testing.T, c tls.Certificate) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
	file := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
