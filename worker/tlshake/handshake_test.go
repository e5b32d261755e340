package tlshake

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// What is agreed on is what both record layers speak.
func TestHandshakes(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		for kind, certificate := range map[string]tls.Certificate{"ECDSA": ofECDSA(), "RSA": ofRSA()} {
			for _, mutual := range []bool{false, true} {
				for _, retried := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %s mutual=%v retried=%v", tls.VersionName(version), kind, mutual, retried), func(t *testing.T) {
						serverConfig := &tls.Config{Certificates: []tls.Certificate{certificate}}
						clientConfig := &tls.Config{ServerName: "here", RootCAs: authority().pool}
						if mutual {
							serverConfig.ClientAuth, serverConfig.ClientCAs = tls.RequireAndVerifyClientCert, authority().pool
							clientConfig.Certificates = []tls.Certificate{ofRSA()}
						}
						if retried { // the server wants a group of which the client has sent no share
							serverConfig.CurvePreferences = []tls.CurveID{tls.CurveP384}
						}
						client := Client(limited(clientConfig, version))
						server := Server(serverConfig)
						shake(t, client, server)
						if client.Err != nil || server.Err != nil {
							t.Fatalf("client: %v; server: %v", client.Err, server.Err)
						}
						talk(t, client.Records(), server.Records())
						if got := server.Records().Version(); got != version {
							t.Errorf("the version is %x", got)
						}
						if got := server.State().VerifiedChains; (len(got) > 0) != mutual || mutual && got[0][0].Subject.CommonName != "alice" {
							t.Errorf("the client is %v", got)
						}
					})
				}
			}
		}
	}
}

// limited is a configuration of a client that knows no later version.
func limited(c *tls.Config, version uint16) *tls.Config {
	c.MaxVersion = version
	return c
}

func talk(t testing.TB, a, b *tlsrec.Conn) {
	t.Helper()
	for range 3 {
		record, _, err := a.Seal(nil, []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		if got, used, err := b.Open(nil, record); string(got) != "data" || used != len(record) || err != nil {
			t.Fatalf("%q, %d of %d, %v", got, used, len(record), err)
		}
		a, b = b, a
	}
}

func TestHandshakesFail(t *testing.T) {
	good := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{ofECDSA()}} }
	trusting := func() *tls.Config { return &tls.Config{ServerName: "here", RootCAs: authority().pool} }
	for name, c := range map[string]struct {
		client, server *tls.Config
		want           string // of the client's or the server's error
	}{
		"wrong name":            {&tls.Config{ServerName: "there", RootCAs: authority().pool}, good(), "not there"},
		"unknown authority":     {&tls.Config{ServerName: "here"}, good(), "unknown authority"},
		"no name":               {&tls.Config{RootCAs: authority().pool}, good(), "ServerName"},
		"no client certificate": {limited(trusting(), tls.VersionTLS12), &tls.Config{Certificates: good().Certificates, ClientAuth: tls.RequireAnyClientCert}, "didn't provide a certificate"},
		"no certificate":        {trusting(), &tls.Config{}, "no certificates"},
		"no TLS 1.3 and no more": {limited(trusting(), tls.VersionTLS12), func() *tls.Config {
			c := good()
			c.MinVersion = tls.VersionTLS13
			return c
		}(), "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := Client(c.client), Server(c.server)
			defer client.Abort()
			defer server.Abort()
			var toClient, toServer []byte
			for turn := range 4 {
				_, toClient = step(client, toClient, turn > 0)
				toServer, client.Out = append(toServer, client.Out...), nil
				_, toServer = step(server, toServer, turn > 0)
				toClient, server.Out = append(toClient, server.Out...), nil
			}
			if err := fmt.Sprint(client.Err, server.Err); !strings.Contains(err, c.want) {
				t.Errorf("%s; want %q", err, c.want)
			}
			if client.Records() != nil && server.Records() != nil {
				t.Error("both have a record layer")
			}
		})
	}
}

// However a handshake ends, no goroutine stays.
func TestAbortedAtEachRecord(t *testing.T) {
	before := runtime.NumGoroutine()
	for records := range 4 {
		client, server := Client(&tls.Config{ServerName: "here", RootCAs: authority().pool}), Server(&tls.Config{Certificates: []tls.Certificate{ofRSA()}})
		client.Step(nil)
		if records > 0 {
			_, _ = step(server, client.Out, false)
		}
		for range records - 1 {
			size := tlsrec.RecordSize(server.Out)
			client.Step(server.Out[:size])
			server.Out = server.Out[size:]
		}
		client.Abort()
		server.Abort()
		client.Abort()
		if !errors.Is(client.Err, errAborted) || !errors.Is(server.Err, errAborted) || client.Step(nil) != Over {
			t.Errorf("after %d records: %v, %v", records, client.Err, server.Err)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestGarbageIsRefused(t *testing.T) {
	for _, garbage := range []string{"\x16\x03\x01\x00\x05hello", "\x17\x03\x03\x00\x01x", "\x15\x03\x03\x00\x02\x02\x28", "PING\r\n", "\x80\x03\x01\x00\x00"} {
		server := Server(&tls.Config{Certificates: []tls.Certificate{ofECDSA()}})
		server.Step(nil)
		if need := server.Step([]byte(garbage)); need != Over || server.Err == nil {
			t.Errorf("%q: needs %v, %v", garbage, need, server.Err)
		}
		server.Abort()
	}
}

// A peer that holds back one byte of a handshake holds back no other connection; each record counts once it is whole. A
// message may come in many records.
func TestMessagesInPieces(t *testing.T) {
	client, server := Client(&tls.Config{ServerName: "here", RootCAs: authority().pool}), Server(&tls.Config{Certificates: []tls.Certificate{ofECDSA()}})
	client.Step(nil)
	hello := client.Out[tlsrec.HeaderSize:]
	need := server.Step(nil)
	for i := range hello {
		if need != NeedsRecord {
			t.Fatalf("after %d of %d bytes: %v, %v", i, len(hello), need, server.Err)
		}
		need = server.Step([]byte{recordHandshake, 3, 1, 0, 1, hello[i]})
	}
	client.Out = nil
	_, _ = step(client, server.Out, true)
	if need, _ := step(server, client.Out, true); need != Over || server.Err != nil {
		t.Fatal(need, server.Err)
	}
	talk(t, client.Records(), server.Records())
}

// A log without secrets, or with wrong ones, is the end of a handshake.
func TestSecretsMustBeLogged(t *testing.T) {
	for name, change := range map[string]func(s *secrets){
		"none":             func(s *secrets) { s.lines = nil },
		"other labels":     func(s *secrets) { s.lines = bytes.ReplaceAll(s.lines, []byte("_SECRET_0"), []byte("_SECRET_1")) },
		"no hexadecimals":  func(s *secrets) { s.lines = bytes.ReplaceAll(s.lines, []byte("a"), []byte("x")) },
		"shorter":          func(s *secrets) { s.lines = bytes.ReplaceAll(s.lines, []byte("\n"), []byte("")) },
		"no server random": func(s *secrets) { s.hello = nil; s.lines = nil },
	} {
		server := Server(&tls.Config{Certificates: []tls.Certificate{ofECDSA()}})
		client := Client(&tls.Config{ServerName: "here", RootCAs: authority().pool})
		client.Step(nil)
		_, _ = step(server, client.Out, false)
		change(&server.secrets)
		client.Out = nil
		_, _ = step(client, server.Out, true)
		if need, _ := step(server, client.Out, true); need != Over || !errors.Is(server.Err, errNoSecrets) || server.Records() != nil {
			t.Errorf("%s: %v, %v", name, need, server.Err)
		}
	}
}

func TestPanicIsAnError(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{ofECDSA()}}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("odd") }
	client, server := Client(&tls.Config{ServerName: "here"}), Server(config)
	client.Step(nil)
	defer client.Abort()
	if need, _ := step(server, client.Out, false); need != Over || server.Err == nil || !strings.Contains(server.Err.Error(), "odd") {
		t.Errorf("%v, %v", need, server.Err)
	}
}

// A peer that ends the handshake in plaintext is understood whenever it does: OpenSSL tells so that it does not believe a certificate.
func TestPlaintextAlert(t *testing.T) {
	unknownAuthority := []byte{21, 3, 3, 0, 2, 2, 48}
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		for name, c := range map[string]struct {
			record []byte
			want   error
		}{
			"unknown authority": {unknownAuthority, tlsrec.RemoteAlert(48)},
			"close notify":      {[]byte{21, 3, 3, 0, 2, 1, 0}, io.EOF},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				before := runtime.NumGoroutine()
				client := Client(limited(&tls.Config{ServerName: "here", RootCAs: authority().pool}, version))
				server := Server(&tls.Config{Certificates: []tls.Certificate{ofECDSA()}})
				first := Server(&tls.Config{Certificates: []tls.Certificate{ofECDSA()}})
				client.Step(nil)
				if need, rest := step(server, client.Out, true); need != NeedsRecord || len(rest) > 0 {
					t.Fatalf("after the hello: %v, %d bytes left", need, len(rest))
				}
				for who, h := range map[string]*Handshake{"server": server, "client": client, "server before the hello": first} {
					if need := h.Step(c.record); need != Over || h.Err != c.want || h.Records() != nil {
						t.Errorf("%s: %v, %v; want %v", who, need, h.Err, c.want)
					}
				}
				if after := runtime.NumGoroutine(); after > before {
					t.Errorf("%d goroutines, %d before", after, before)
				}
			})
		}
	}
}
