// TLS with clients: that it works, also while they move, and what becomes of those that fail.

package core

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// frontTLS is how a pool speaks to clients that believe theAuthority.
func frontTLS() *link.ClientTLS {
	return &link.ClientTLS{
		Pairs: []link.KeyPair{*pairOf(theAuthority().issue("front", time.Hour))}, CA: theAuthority().pem,
		AuthClients: link.AuthClientsNo, AuthClientsUser: link.CertificateUserCN, HandshakeTimeout: 10 * time.Second,
	}
}

// encrypt has the listeners of a worker speak TLS.
func encrypt(l *loop) {
	for _, ln := range l.listeners {
		ln.spec.TLS = true
	}
}

// tlsFront makes a rig whose clients speak TLS.
func tlsFront(t *testing.T, change func(p *link.Pool)) *rig {
	r := newRig(t)
	p := r.redisPool("s1")
	p.TLS = frontTLS()
	if change != nil {
		change(p)
	}
	r.start()
	encrypt(r.workers[0])
	return r
}

func believing() *tls.Config { return &tls.Config{RootCAs: theAuthority().pool, ServerName: "front"} }

// dialTLS connects a client that begins the handshake.
func (r *rig) dialTLS(name string, config *tls.Config) *peer {
	r.t.Helper()
	fd, _, err := sock.ConnectUnix(r.front(0, 0))
	r.must(err)
	c := &peer{name: name, fd: fd}
	c.tls, c.rest = newTLSClient(config)
	r.clients = append(r.clients, c)
	return c
}

// connectTLS is connect for a client that speaks TLS.
func (r *rig) connectTLS(name string, config *tls.Config) *peer {
	r.t.Helper()
	c := r.dialTLS(name, config)
	r.turn()
	if c.tls.records == nil {
		r.t.Fatalf("the handshake of %s is not over: %v", name, c.tls.failure)
	}
	return c
}

func TestClientTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		r := tlsFront(t, nil)
		config := believing()
		config.MaxVersion = version
		c := r.connectTLS("c", config)
		large := strings.Repeat("x", 300_000)
		c.send(append(redisRequestOf("SET", "a", large), redisRequestOf("GET", "a")...))
		r.turn()
		server := r.servers[0].conns[0]
		if got, want := string(server.take()), string(redisRequestOf("SET", "a", large))+string(redisRequestOf("GET", "a")); got != want {
			t.Fatalf("the server gets %d bytes, want %d", len(got), len(want))
		}
		server.send([]byte("+OK\r\n$300000\r\n" + large + "\r\n"))
		r.gets(c, "+OK\r\n$300000\r\n"+large+"\r\n")
		for told := range r.workers[0].everyClient {
			if got := told.stateTLS(); "TLS "+got != tls.VersionName(version) {
				t.Errorf("it is told of as TLS %s, want %s", got, tls.VersionName(version))
			}
		}
		if n := *r.workers[0].pools[0].counters[link.ClientHandshakes]; n != 1 {
			t.Errorf("%d handshakes are counted", n)
		}
		if n := *r.workers[0].pools[0].counters[link.ClientsTLS]; n != 1 {
			t.Errorf("%d clients with TLS are counted", n)
		}
		c.send([]byte("QUIT\r\n"))
		r.gets(c, "+OK\r\n")
		if c.tls.failure == nil || c.tls.failure.Error() != "the peer has closed TLS" || !c.ended {
			t.Errorf("it ends with %v", c.tls.failure)
		}
		r.tearDown()
		r.clients = nil
	}
}

// A handshake that comes byte by byte costs no coroutine before its first record is whole.
func TestClientTLSByteByByte(t *testing.T) {
	r := tlsFront(t, nil)
	l := r.workers[0]
	c := r.dialTLS("c", believing())
	hello := c.rest
	c.rest = nil
	for i := range hello {
		if c.rest = hello[i : i+1 : i+1]; i%20 == 0 || i > len(hello)-3 {
			r.turn()
		} else {
			c.push()
		}
		if i < len(hello)-1 && l.handshakes.begun != 0 {
			t.Fatalf("after %d of %d bytes a handshake has begun", i+1, len(hello))
		}
	}
	r.turn()
	r.pings(c, l)
}

func TestClientTLSFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		auth    link.AuthClients
		config  func(c *tls.Config)
		says    string // in plaintext, in place of TLS
		want    string // in plaintext
		counter int
	}{
		{"plaintext", "", nil, "*1\r\n$4\r\nPING\r\n", "-ERR this port speaks TLS: use rediss:// or redis-cli --tls\r\n", link.ClientPlaintext},
		{"plaintext behind a hello", "", nil, "behind", "-ERR this port speaks TLS: use rediss:// or redis-cli --tls\r\n", link.ClientPlaintext},
		{"another authority", "", func(c *tls.Config) { c.RootCAs = newAuthority().pool }, "", "", link.ClientRefusesTLS},
		{"too old", "", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, "", "", -1},
		{"no certificate", link.AuthClientsYes, nil, "", "", link.ClientCertificate},
		{"a strange certificate", link.AuthClientsOptional, func(c *tls.Config) {
			c.Certificates = []tls.Certificate{newAuthority().issue("alice", time.Hour)}
		}, "", "", -1},
		{"silence", "", nil, "\x16\x03\x01", "", link.ClientHandshakeLate},
		{"abandoned", "", func(c *tls.Config) {}, "abandon", "", link.ClientHandshakeLate},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := tlsFront(t, func(p *link.Pool) { p.TLS.AuthClients = test.auth })
			l := r.workers[0]
			config := believing()
			if test.config != nil {
				test.config(config)
			}
			c := r.dialTLS("c", config)
			switch test.says {
			case "":
				r.turn()
			case "abandon":
				c.push()
				r.step(l)
				r.step(l)
				if l.handshakes.begun != 1 {
					t.Fatalf("%d handshakes are under way", l.handshakes.begun)
				}
				if coroutines() < 2 {
					t.Fatal("a coroutine is not told from others")
				}
				c.deaf = true
			case "behind":
				c.push()
				r.step(l)
				r.step(l)
				c.take()
				c.tls.shake.Abort()
				c.tls, c.rest = nil, []byte("*1\r\n$4\r\nPING\r\n")
				r.turn()
			default:
				c.tls.shake.Abort()
				c.tls, c.rest = nil, []byte(test.says)
				r.turn()
			}
			if test.counter >= 0 {
				r.advance(11 * time.Second)
			}
			if c.tls == nil {
				if got := string(c.take()); got != test.want && !(test.says == "behind" && strings.HasSuffix(got, test.want)) {
					t.Errorf("it gets %q, want %q", got, test.want)
				}
			}
			if test.counter >= 0 && *l.pools[0].counters[test.counter] != 1 {
				t.Errorf("%s is not counted", link.PoolCounters[test.counter].Name)
			}
			if l.handshakes.begun != 0 {
				t.Errorf("%d handshakes are under way", l.handshakes.begun)
			}
			if c.tls != nil && c.tls.records == nil {
				c.tls.shake.Abort()
			}
		})
	}
	if left := coroutines(); left > 0 {
		t.Errorf("%d coroutines are left", left)
	}
}

// Clients that do not believe the certificate, and say so in plaintext as OpenSSL does, are logged at once, and not each of them.
func TestClientTLSRefused(t *testing.T) {
	r := tlsFront(t, nil)
	l := r.workers[0]
	refuse := func() {
		c := r.dialTLS("c", believing())
		c.push()
		r.step(l)
		r.step(l)
		c.tls.shake.Abort()
		c.tls, c.rest = nil, []byte("\x15\x03\x03\x00\x02\x02\x30")
		r.turn()
	}
	for range 5 {
		refuse()
	}
	if n := *l.pools[0].counters[link.ClientRefusesTLS]; n != 5 {
		t.Errorf("%d are counted", n)
	}
	const want = "TLS handshake: the peer ends TLS: unknown certificate authority; it may not believe tls_cert"
	if lines := r.logged(l); len(lines) != 1 || !strings.HasSuffix(lines[0], want) {
		t.Errorf("the log has %q", lines)
	}
	r.advance(11 * time.Second)
	refuse()
	if lines := r.logged(l); len(lines) != 1 || !strings.HasSuffix(lines[0], want+" (4 more such lines suppressed)") {
		t.Errorf("later the log has %q", lines)
	}
}

// A record that is wrong is answered by an alert, which no reset overtakes.
func TestClientTLSWrongRecord(t *testing.T) {
	r := tlsFront(t, nil)
	c := r.connectTLS("c", believing())
	c.rest = []byte("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32))
	r.turn()
	if c.tls.failure == nil || c.tls.failure.Error() != "the peer ends TLS: bad record MAC" || !c.ended {
		t.Errorf("it ends with %v", c.tls.failure)
	}
}

// saysGoodbye sends the end of TLS, and leaves the connection open until that is answered.
func (p *peer) saysGoodbye() {
	p.tls.seal(p)
	p.rest, _ = p.tls.records.SealAlert(p.rest, tlsrec.CloseNotify)
}

// Who ends TLS behind a request that waits in a server is gone, as if the connection had ended: the request is called off.
func TestClientTLSEndsBlocked(t *testing.T) {
	for _, test := range []struct {
		name  string
		with  string // what the end comes together with
		moves bool
	}{
		{name: "by itself"},
		{name: "with the request", with: "BLPOP k 0\r\n"},
		{name: "with the request and others", with: "PING\r\nBLPOP k 0\r\nPING\r\nPING\r\n"},
		{name: "behind a request", with: "PING\r\n"},
		{name: "after a move", moves: true},
		{name: "in a move, behind a request", with: "PING\r\n", moves: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := tlsFront(t, nil)
			before := r.workers[0]
			c := r.connectTLS("c", believing())
			blocks := strings.Contains(test.with, "BLPOP")
			if !blocks {
				c.send(redisRequestOf("BLPOP", "k", "0"))
				r.turn()
			}
			if test.moves {
				next := r.joined(nil)
				encrypt(next)
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				if test.with == "" {
					r.turn()
				}
			}
			c.send([]byte(test.with))
			c.saysGoodbye()
			r.turn()
			conns := r.servers[0].conns
			server := conns[len(conns)-1]
			if !strings.Contains(string(server.take()), "BLPOP") && !blocks {
				t.Error("the server is not asked")
			}
			if !server.ended {
				t.Fatal("the server does not see that the client is gone")
			}
			server.hangUp()
			r.turn()
			if !c.ended || c.tls.failure == nil || c.tls.failure.Error() != "the peer has closed TLS" {
				t.Errorf("its connection ends with %v", c.tls.failure)
			}
		})
	}
}

// Who is one too many is told so in a way that it understands.
func TestClientTLSTurnedAway(t *testing.T) {
	r := tlsFront(t, func(p *link.Pool) { p.ClientConnections = 1 })
	r.connectTLS("c", believing())
	other := r.dialTLS("other", believing())
	r.turn()
	if other.tls.failure == nil || !strings.Contains(other.tls.failure.Error(), "internal error") {
		t.Errorf("it ends with %v", other.tls.failure)
	}
}

// A handshake that hangs until all is settled is not finished where a certificate would be looked at by the rules of before.
func TestHandshakeIsLeftUnfinished(t *testing.T) {
	for auth, want := range map[link.AuthClients]int{link.AuthClientsNo: 1, link.AuthClientsOptional: 0, link.AuthClientsYes: 0} {
		r := tlsFront(t, func(p *link.Pool) { p.TLS.AuthClients = auth })
		before, next := r.workers[0], r.joined(nil)
		encrypt(next)
		c := r.dialTLS("c", believing())
		c.push()
		r.step(before)
		r.step(before)
		c.deaf = true
		if before.handshakes.begun != 1 {
			t.Fatalf("%d handshakes are under way", before.handshakes.begun)
		}
		r.handOver(before, next)
		r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
		r.advance(2 * time.Second)
		if before.handshakes.begun != want {
			t.Errorf("tls_auth_clients: %s: %d handshakes are under way, want %d", auth, before.handshakes.begun, want)
		}
		r.tearDown()
		c.tls.shake.Abort()
		r.clients = nil
	}
}

// An encrypted client moves at every step, with what has come of a request, and with what its certificate says.
func TestMoveClientTLS(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		for steps := range 12 {
			t.Run(fmt.Sprintf("%d steps, resumes %v", steps, resumes), func(t *testing.T) {
				r := tlsFront(t, func(p *link.Pool) { p.TLS.AuthClients = link.AuthClientsYes })
				before, next := r.workers[0], r.joined(nil)
				encrypt(next)
				sealed := map[string]uint64{}
				r.after = func(*loop) { checkKeys(t, r.workers, sealed) }
				config := believing()
				config.Certificates = []tls.Certificate{theAuthority().issue("alice", time.Hour)}
				c := r.connectTLS("c", config)
				c.send([]byte("*1\r\n$4\r\nPI"))
				c.tls.seal(c)
				cut := c.rest[len(c.rest)-3:]
				c.rest = c.rest[: len(c.rest)-3 : len(c.rest)-3]
				r.turn()
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				for i := range steps {
					r.step(r.workers[i%2])
				}
				if resumes {
					r.instruct(before, link.Resume, nil)
					r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				}
				c.rest = append(c.rest, cut...)
				c.tls.say = []byte("NG\r\n")
				r.gets(c, "+PONG\r\n")
				at := map[bool]*loop{true: before, false: next}[resumes]
				r.pings(c, at)
				for moved := range at.everyClient {
					if s := moved.session.certificate; s == nil || s.user != "alice" {
						t.Error("its certificate is forgotten")
					}
				}
				c.send(redisRequestOf("RESET"))
				r.gets(c, "+RESET\r\n")
				for moved := range at.everyClient {
					if moved.session.certificate == nil {
						t.Error("RESET forgets its certificate")
					}
				}
			})
		}
	}
}

// A client that has not begun its handshake moves as it is, and one that has begun it moves when it is over.
func TestMoveHandshake(t *testing.T) {
	for name, part := range map[string]float64{"not begun": 0.5, "begun": 1} {
		t.Run(name, func(t *testing.T) {
			r := tlsFront(t, nil)
			before, next := r.workers[0], r.joined(nil)
			encrypt(next)
			c := r.dialTLS("c", believing())
			at := int(part * float64(len(c.rest)))
			rest := c.rest[at:]
			c.rest = c.rest[:at:at]
			c.push()
			for range 4 {
				r.step(before)
			}
			if begun := before.handshakes.begun; (begun == 1) != (part == 1) {
				t.Fatalf("%d handshakes are under way", begun)
			}
			r.instruct(next, link.Serve, nil)
			r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
			for range 4 {
				r.step(before)
				r.step(next)
			}
			c.rest = append(c.rest, rest...)
			r.turn()
			r.advance(200 * time.Millisecond)
			if before.clients != 0 || next.clients != 1 {
				t.Errorf("%d clients are here and %d there", before.clients, next.clients)
			}
			if here, there := *before.pools[0].counters[link.ClientsTLS], *next.pools[0].counters[link.ClientsTLS]; here != 0 || there != 1 {
				t.Errorf("%d clients with TLS are counted here, %d there", here, there)
			}
			r.pings(c, next)
			if before.handshakes.begun+next.handshakes.begun != 0 {
				t.Error("a handshake is under way")
			}
		})
	}
}

// A client that was to move before its handshake, and does not move in the end, shakes hands here.
func TestHandshakeAfterMove(t *testing.T) {
	r := tlsFront(t, nil)
	before, _ := r.workers[0], r.joined(nil)
	g := &before.mover.outgoing
	g.on, g.reported, g.scanning = true, true, false // and it is not the client's turn yet
	c := r.dialTLS("c", believing())
	r.turn()
	if before.handshakes.begun != 0 || len(before.handshakes.waiting.clients) != 1 {
		t.Fatalf("%d handshakes are under way, %d wait", before.handshakes.begun, len(before.handshakes.waiting.clients))
	}
	before.stopMoving("roll-back")
	r.turn()
	r.pings(c, before)
}

// A listener that begins or ends to encrypt has no place for the clients that it had.
func TestMoveClientTLSIsChanged(t *testing.T) {
	r := tlsFront(t, nil)
	before, next := r.workers[0], r.joined(nil)
	for _, ln := range next.listeners {
		ln.spec.TLS = false
	}
	c := r.connectTLS("c", believing())
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 0 || got.Closed != 1 {
		t.Errorf("given: %+v", got)
	}
	r.pings(c, before)
}

// A certificate that names several people names nobody.
func TestUserOfCertificate(t *testing.T) {
	subject := func(names ...string) (s pkix.Name) {
		for _, n := range names {
			s.Names = append(s.Names, pkix.AttributeTypeAndValue{Type: commonName, Value: n})
			s.CommonName = n
		}
		return s
	}
	alice, bob := &url.URL{Scheme: "spiffe", Host: "alice"}, &url.URL{Scheme: "spiffe", Host: "bob"}
	for _, test := range []struct {
		part link.CertificateUser
		c    x509.Certificate
		want string
	}{
		{link.CertificateUserOff, x509.Certificate{Subject: subject("alice")}, ""},
		{link.CertificateUserCN, x509.Certificate{Subject: subject()}, ""},
		{link.CertificateUserCN, x509.Certificate{Subject: subject("alice")}, "alice"},
		{link.CertificateUserCN, x509.Certificate{Subject: subject("bob", "alice")}, ""},
		{link.CertificateUserURI, x509.Certificate{Subject: subject("alice")}, ""},
		{link.CertificateUserURI, x509.Certificate{URIs: []*url.URL{alice}}, "spiffe://alice"},
		{link.CertificateUserURI, x509.Certificate{URIs: []*url.URL{alice, bob}}, ""},
	} {
		if got := userOf(test.part, &test.c); got != test.want {
			t.Errorf("%s of %v, %v: %q, want %q", test.part, test.c.Subject, test.c.URIs, got, test.want)
		}
	}
}

// Who shows a certificate that makes it nobody goes on as it would without, and the log says so.
func TestClientCertificateOfNoUser(t *testing.T) {
	for name, test := range map[string]struct {
		part  link.CertificateUser
		users []string
		said  string // empty: nothing
	}{
		"alice": {link.CertificateUserCN, []string{"default on nopass ~* +@all", "alice on ~* +@all"}, ""},
		"bob":   {link.CertificateUserCN, []string{"default on nopass ~* +@all", "alice on ~* +@all"}, `: its certificate makes it no user of the pool: "bob" is not among its users, or is off`},
		"carol": {link.CertificateUserCN, []string{"default on nopass ~* +@all", "carol off ~* +@all"}, `: its certificate makes it no user of the pool: "carol" is not among its users, or is off`},
		"dora":  {link.CertificateUserURI, []string{"default on nopass ~* +@all", "dora on ~* +@all"}, ": its certificate makes it no user of the pool: it does not name one user in the way of tls_auth_clients_user"},
		"emma":  {link.CertificateUserOff, []string{"default on nopass ~* +@all", "alice on ~* +@all"}, ""},
		"fred":  {link.CertificateUserCN, nil, ""},
	} {
		r := tlsFront(t, func(p *link.Pool) {
			p.TLS.AuthClients, p.TLS.AuthClientsUser, p.Users = link.AuthClientsYes, test.part, test.users
		})
		config := believing()
		config.Certificates = []tls.Certificate{theAuthority().issue(name, time.Hour)}
		c := r.connectTLS(name, config)
		said := strings.Join(r.logged(r.workers[0]), "\n")
		if test.said == "" && strings.Contains(said, "certificate") || !strings.Contains(said, test.said) {
			t.Errorf("%s: the log says %q, want %q", name, said, test.said)
		}
		r.stillServed(c)
		r.tearDown()
		r.clients = nil
	}
}
