// TLS to servers: that it works, what it says where it does not, and that nothing is left of what has failed.

package core

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// asked has the server's last connection answer the ping that precedes requests.
func (r *rig) agree(s *fakeServer) *peer {
	r.t.Helper()
	c := s.conns[len(s.conns)-1]
	if got := string(c.take()); got != "*1\r\n$4\r\nPING\r\n" {
		r.t.Fatalf("before it is ready the server gets %q (%v)", got, c.tls.failure)
	}
	c.send([]byte("+PONG\r\n"))
	r.turn()
	return c
}

func TestServerTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newRig(t)
			r.tlsPool("s1")
			config := goodServer().Clone()
			config.MaxVersion = version
			r.servers[0].tls = config
			r.start()
			client := r.connect("a", 0, 0)
			client.send([]byte("GET a\r\nGET b\r\n"))
			r.turn()
			server := r.agree(r.servers[0])
			if got := string(server.take()); got != "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n" {
				t.Fatalf("the server gets %q", got)
			}
			large := strings.Repeat("x", 300_000)
			server.send([]byte("$1\r\n1\r\n$300000\r\n" + large + "\r\n"))
			r.turn()
			if got := string(client.take()); got != "$1\r\n1\r\n$300000\r\n"+large+"\r\n" {
				t.Errorf("the client gets %d bytes: %.40q", len(got), got)
			}
			if server.tls.state.Version != version || server.tls.state.ServerName != "here" {
				t.Errorf("the server was asked for %q in %s", server.tls.state.ServerName, tls.VersionName(server.tls.state.Version))
			}
			if n := r.workers[0].shared.SumServer(0, 0, link.TLSHandshakes); n != 1 {
				t.Errorf("%d handshakes are counted", n)
			}
			client.send([]byte("SET a 400000\r\n"))
			r.turn()
			server.take()
			server.hangUp()
			r.turn()
			if got := string(client.take()); got != "-ERR Connection reset by peer\r\n" && !strings.HasPrefix(got, "-") {
				t.Errorf("the client of a server that has gone gets %q", got)
			}
		})
	}
}

// A large request goes to a server that takes little at a time.
func TestServerTLSBackpressure(t *testing.T) {
	r := newRig(t)
	r.tlsPool("s1")
	r.start()
	client := r.connect("a", 0, 0)
	client.send([]byte("GET a\r\n"))
	r.turn()
	server := r.agree(r.servers[0])
	server.take()
	server.send([]byte("$1\r\n1\r\n"))
	r.turn()
	server.deaf = true
	value := strings.Repeat("v", 2<<20)
	client.send(redisRequestOf("SET", "a", value))
	client.send([]byte("GET b\r\n"))
	r.turn()
	server.deaf = false
	r.turn()
	if got, want := string(server.take()), string(redisRequestOf("SET", "a", value))+"*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"; got != want {
		t.Errorf("the server gets %d bytes, want %d", len(got), len(want))
	}
	server.send([]byte("+OK\r\n$-1\r\n"))
	r.turn()
	if got := string(client.take()); got != "$1\r\n1\r\n+OK\r\n$-1\r\n" {
		t.Errorf("the client gets %q", got)
	}
}

// What is wrong with TLS is what the log, the status and the roll call say.
func TestServerTLSTrouble(t *testing.T) {
	other := newAuthority()
	with := func(c tls.Certificate, change func(config *tls.Config)) *tls.Config {
		config := &tls.Config{Certificates: []tls.Certificate{c}}
		if change != nil {
			change(config)
		}
		return config
	}
	demands := func(version uint16) *tls.Config {
		return with(theAuthority().issue("here", time.Hour), func(config *tls.Config) {
			config.ClientAuth, config.ClientCAs, config.MaxVersion = tls.RequireAndVerifyClientCert, theAuthority().pool, version
		})
	}
	for _, test := range []struct {
		name   string
		server *tls.Config
		change func(s *link.ServerTLS)
		says   string // in place of TLS
		want   string // empty: it works
		is     link.Trouble
	}{
		{"good", goodServer(), nil, "", "", 0},
		{"unknown authority", with(other.issue("here", time.Hour), nil), nil, "",
			"its certificate cannot be verified: no authority that is known here has signed it, but \"CN=authority\"; set server_tls_ca", link.TroubleAuthority},
		{"another name", with(theAuthority().issue("there", time.Hour), nil), nil, "",
			"certificate is valid for there, not here; set server_tls_name, or server_tls_verify: ca", link.TroubleCertificateName},
		{"another name, not asked for", with(theAuthority().issue("there", time.Hour), nil), func(s *link.ServerTLS) { s.Verify = link.VerifyCA }, "", "", 0},
		{"unknown authority, name not asked for", with(other.issue("here", time.Hour), nil), func(s *link.ServerTLS) { s.Verify = link.VerifyCA }, "",
			"no authority that is known here", link.TroubleAuthority},
		{"unknown authority, nothing verified", with(other.issue("there", time.Hour), nil), func(s *link.ServerTLS) { s.Verify = link.VerifyNone }, "", "", 0},
		{"expired", with(theAuthority().issue("here", -time.Hour), nil), nil, "", "its certificate cannot be verified: it is valid from ", link.TroubleCertificateTime},
		{"demands a certificate, 1.3", demands(tls.VersionTLS13), nil, "",
			"it refuses TLS: certificate required; set server_tls_cert and server_tls_key", link.TroubleRefusesTLS},
		{"demands a certificate, 1.2", demands(tls.VersionTLS12), nil, "", "it refuses TLS: ", link.TroubleRefusesTLS},
		{"gets the certificate, 1.3", demands(tls.VersionTLS13), func(s *link.ServerTLS) { s.Pair = pairOf(theAuthority().issue("us", time.Hour)) }, "", "", 0},
		{"gets the certificate, 1.2", demands(tls.VersionTLS12), func(s *link.ServerTLS) { s.Pair = pairOf(theAuthority().issue("us", time.Hour)) }, "", "", 0},
		{"gets a strange certificate", demands(tls.VersionTLS13), func(s *link.ServerTLS) { s.Pair = pairOf(other.issue("us", time.Hour)) }, "",
			"it does not accept server_tls_cert", link.TroubleRefusesTLS},
		{"plaintext", nil, nil, "-ERR unknown command\r\n", "it speaks no TLS: it says \"-ERR unknown command", link.TroubleNoTLS},
		{"silent", nil, nil, "", "no answer within 1.5s to the TLS handshake", link.TroubleSilent},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			p := r.tlsPool("s1")
			if test.change != nil {
				test.change(p.ServerTLS)
			}
			r.servers[0].tls = test.server
			r.start()
			next := r.succeed(nil)
			next.checkServers()
			r.turn()
			server := r.servers[0].conns[0]
			if test.says != "" {
				server.send([]byte(test.says))
				r.turn()
			}
			if test.want == "" {
				r.agree(r.servers[0])
			}
			if test.name == "silent" {
				r.advance(serverCheckTime)
			}
			got := r.ready(next)
			switch {
			case got == nil:
				t.Fatal("the roll call does not end")
			case test.want == "" && len(got.Unreachable) > 0, test.want != "" && (len(got.Unreachable) != 1 || !strings.Contains(got.Unreachable[0].Error, test.want)):
				t.Errorf("the roll call says %v, want %q", got.Unreachable, test.want)
			}
			client := r.connect("a", 0, 0)
			client.send([]byte("GET a\r\n"))
			r.turn()
			if test.says != "" {
				r.servers[0].conns[len(r.servers[0].conns)-1].send([]byte(test.says))
				r.turn()
			}
			if why := r.workers[0].pools[0].servers[0].primary.troubles.Is(); test.name != "silent" && why != test.is {
				t.Errorf("the status says %q, want %q", why, test.is)
			}
			if ends, seen := r.workers[0].shared.CertificateEnds(0, 0); test.want == "" && (seen == 0 || ends != endOf(test.server)) || test.is == link.TroubleNoTLS && seen != 0 {
				t.Errorf("its certificate is said to end at %d, as seen at %d", ends, seen)
			}
			if test.want == "" {
				r.agree(r.servers[0])
			} else if got := string(client.take()); test.name != "silent" && got != "-ERR TLS with the server has failed\r\n" {
				t.Errorf("the client gets %q", got)
			}
		})
	}
}

// endOf returns when the certificate of a server ends, in s since the epoch.
func endOf(config *tls.Config) int64 {
	c, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		panic(err)
	}
	return c.NotAfter.Unix()
}

// Requests for a server that cannot be spoken to are told so without a handshake for each.
func TestServerTLSPauses(t *testing.T) {
	r := newRig(t)
	r.tlsPool("s1").ServerTLS.Name = "there"
	r.start()
	client := r.connect("a", 0, 0)
	ask := func(connections int) {
		t.Helper()
		client.send([]byte("GET a\r\n"))
		r.gets(client, "-ERR TLS with the server has failed\r\n")
		if n := len(r.servers[0].conns); n != connections {
			t.Errorf("the server has seen %d connections, want %d", n, connections)
		}
	}
	ask(1)
	ask(1)
	r.advance(time.Duration(tlsPause))
	ask(2)
	r.servers[0].tls = &tls.Config{Certificates: []tls.Certificate{theAuthority().issue("there", time.Hour)}}
	r.advance(time.Duration(tlsPause))
	client.send([]byte("GET a\r\n"))
	r.turn()
	r.agree(r.servers[0]).send([]byte("$-1\r\n"))
	r.gets(client, "$-1\r\n")
}

// A handshake is a goroutine: none is left when its connection ends, for whatever reason.
func TestServerTLSLeavesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(r *rig, client *peer)
	}{
		{"timeout", func(r *rig, client *peer) { r.advance(2 * time.Second) }},
		{"the server ends", func(r *rig, client *peer) { r.servers[0].conns[0].hangUp() }},
		{"garbage", func(r *rig, client *peer) { r.servers[0].conns[0].send([]byte("\x16\x03\x03\x00\x04abcd")) }},
		{"an alert", func(r *rig, client *peer) { r.servers[0].conns[0].send([]byte("\x15\x03\x03\x00\x02\x02\x50")) }},
		{"the server moves", func(r *rig, client *peer) {
			s := r.workers[0].pools[0].servers[0]
			s.moveTo(link.Endpoint{Network: "unix", Address: r.servers[1].path})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			p := r.tlsPool("s1", "s2")
			p.Servers, p.Timeout = p.Servers[:1], time.Second
			for _, s := range r.servers {
				s.tls = nil
			}
			r.start()
			client := r.connect("a", 0, 0)
			client.send([]byte("GET a\r\n"))
			r.turn()
			if hello := r.servers[0].conns[0].take(); len(hello) < 100 || hello[0] != 22 {
				t.Fatalf("the server gets %q", hello)
			}
			test.end(r, client)
			r.turn()
			r.advance(3 * time.Second)
			if got := string(client.take()); !strings.HasPrefix(got, "-ERR ") {
				t.Errorf("the client gets %q", got)
			}
		})
	}
	if left := coroutines(); left > 0 {
		t.Errorf("%d coroutines are left", left)
	}
}

// A server of plaintext may wait for more of what TLS begins with: who has never said anything is told of otherwise than who is silent now.
func TestServerTLSUnanswered(t *testing.T) {
	r := newRig(t)
	r.tlsPool("s1").Timeout = time.Second
	r.servers[0].tls = nil
	r.start()
	client := r.connect("a", 0, 0)
	ask := func() link.Trouble {
		client.send([]byte("GET a\r\n"))
		r.turn()
		r.advance(1100 * time.Millisecond)
		client.take()
		return r.workers[0].pools[0].servers[0].primary.troubles.Is()
	}
	if got := ask(); got != link.TroubleUngreeted {
		t.Errorf("the status says %q", got)
	}
	r.servers[0].tls = goodServer()
	client.send([]byte("GET a\r\n"))
	r.turn()
	server := r.agree(r.servers[0])
	server.take()
	server.send([]byte("$-1\r\n"))
	r.gets(client, "$-1\r\n")
	server.hangUp()
	r.servers[0].tls = nil
	r.turn()
	if got := ask(); got != link.TroubleSilent {
		t.Errorf("of one that has answered before the status says %q", got)
	}
}

// By TLS 1.3 a server looks at our certificate after the handshake, and what it says of it may be lost with its connection.
func TestServerTLSEndsAfterHandshake(t *testing.T) {
	for advice, pair := range map[string]*link.KeyPair{
		"set server_tls_cert and server_tls_key, if it demands a certificate": nil,
		"see in its log whether it accepts server_tls_cert":                   pairOf(theAuthority().issue("us", time.Hour)),
	} {
		r := newRig(t)
		r.tlsPool("s1").ServerTLS.Pair = pair
		r.start()
		client := r.connect("a", 0, 0)
		client.send([]byte("GET a\r\n"))
		r.turn()
		server := r.servers[0].conns[0]
		r.logged(r.workers[0])
		server.hangUp()
		r.turn()
		if got := r.workers[0].pools[0].servers[0].primary.troubles.Is(); got != link.TroubleUnwelcome {
			t.Errorf("the status says %q", got)
		}
		if lines := strings.Join(r.logged(r.workers[0]), "\n"); !strings.Contains(lines, "it ends the connection after the TLS handshake: ") || !strings.Contains(lines, advice) {
			t.Errorf("the log says %q, want %q", lines, advice)
		}
		r.tearDown()
		r.clients, r.servers = nil, nil
	}
}
