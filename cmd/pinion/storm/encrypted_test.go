// Encryption in a storm: clients that speak TLS at addresses of their own, servers that speak it, and certificates that are renewed.

package storm_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// encryption is what a storm has of TLS: where clients meet it, where servers speak it, and the files that all of them believe.
type encryption struct {
	t       testing.TB
	ca      *certtest.Authority
	dir     string
	in      map[string]string       // address of TLS, by pool
	servers map[*rig.Backend]string // the same
	shown   []certtest.Pair         // that the proxy shows in turn
	renewed int
	manners []*manner
}

// manner is a way in which clients connect.
type manner struct {
	name   string
	share  int         // of 100 who come over TCP
	config *tls.Config // nil: in plaintext
	met    atomic.Int64
}

func newEncryption(t testing.TB) *encryption {
	ca := certtest.New(t, "storm")
	here := certtest.Subject{Name: "proxy", Hosts: []string{"127.0.0.1"}, Server: true}
	strong := here
	strong.RSA = 2048
	e := &encryption{t: t, ca: ca, dir: rig.ShortDir(t), in: map[string]string{}, servers: map[*rig.Backend]string{},
		shown: []certtest.Pair{ca.Issue(strong), ca.Issue(here), ca.Issue(here)}}
	for _, pool := range []string{"redis", "private", "cache"} {
		e.in[pool] = rig.FreeAddress(t)
	}
	certtest.Write(t, filepath.Join(e.dir, "ca.crt"), ca.PEM)
	ca.Issue(certtest.Subject{Name: "proxy"}).Write(t, e.dir, "own")
	e.renew()
	e.manners = mannersOf(t, ca)
	return e
}

// mannersOf returns how clients connect who believe an authority.
func mannersOf(t testing.TB, ca *certtest.Authority) []*manner {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	own := ca.Issue(certtest.Subject{Name: "client"})
	pair, err := tls.X509KeyPair(own.Certificate, own.Key)
	if err != nil {
		t.Fatal(err)
	}
	config := func(version uint16, certificates ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: version, MaxVersion: version, Certificates: certificates}
	}
	return []*manner{
		{name: "TLS 1.3", share: 30, config: config(tls.VersionTLS13)},
		{name: "TLS 1.2", share: 10, config: config(tls.VersionTLS12)},
		{name: "a certificate", share: 10, config: config(tls.VersionTLS13, pair)},
		{name: "plaintext", share: 50, config: nil},
	}
}

// mannerOf mixes the manners with the kinds.
func (e *encryption) mannerOf(number int) *manner {
	n := number * 61 % 100 // 61 and 100 have no common divisor
	for _, m := range e.manners {
		if n -= m.share; n < 0 {
			return m
		}
	}
	panic("the shares of all manners are not 100")
}

// redis starts a server that speaks TLS to whom it knows, and plaintext at a unix socket, where the Backend is.
func (e *encryption) redis(options ...string) *rig.Backend {
	address, path := rig.FreeAddress(e.t), filepath.Join(rig.ShortDir(e.t), "redis.sock")
	b := rig.RedisTLS(e.t, address, e.ca, certtest.Subject{Hosts: []string{"127.0.0.1"}}, "yes", append(options, "--unixsocket", path)...)
	b.Network, b.Address = "unix", path
	e.servers[b] = address
	return b
}

// memcached starts one that speaks TLS to whom it knows, and plaintext at another port, where the Backend is.
func (e *encryption) memcached(options ...string) *rig.Backend {
	address, plain := rig.FreeAddress(e.t), rig.FreeAddress(e.t)
	b := rig.MemcachedTLS(e.t, address, e.ca, certtest.Subject{Hosts: []string{"127.0.0.1"}}, "2", append(options, "-l", "notls:"+plain)...)
	b.Address = plain
	e.servers[b] = address
	return b
}

// lines is rig.Lines of where they speak TLS, if they do.
func (e *encryption) lines(servers []*rig.Backend) []string {
	if e == nil || e.servers[servers[0]] == "" {
		return rig.Lines(servers)
	}
	var all []string
	for i, b := range servers {
		all = append(all, fmt.Sprintf("%s:1 s%d", e.servers[b], i))
	}
	return all
}

// renew puts the next certificate with its key in place of the last one.
func (e *encryption) renew() {
	e.shown[e.renewed%len(e.shown)].Write(e.t, e.dir, "shown")
	e.renewed++
}

// listen returns the addresses of a pool.
func (e *encryption) listen(in entrances, pool string) string {
	if e == nil || e.in[pool] == "" {
		return in[pool].at
	}
	return fmt.Sprintf("[%q, %q]", in[pool].at, e.in[pool]+" tls")
}

// options returns what the pool of these servers has beside its other options.
func (e *encryption) options(pool string, servers []*rig.Backend) (options []string) {
	if e == nil {
		return nil
	}
	file := func(key, name string) { options = append(options, key+": "+filepath.Join(e.dir, name)) }
	if e.in[pool] != "" {
		options = append(options, "tls_auth_clients: optional")
		file("tls_cert", "shown.crt")
		file("tls_key", "shown.key")
		file("tls_ca", "ca.crt")
	}
	if e.servers[servers[0]] != "" {
		options = append(options, "server_tls: true")
		file("server_tls_ca", "ca.crt")
		file("server_tls_cert", "own.crt")
		file("server_tls_key", "own.key")
	}
	return options
}

// dial connects a client to a pool, in the manner of its number. What it writes comes in pieces now and then.
func (k *talker) dial(pool string, number int) (net.Conn, error) {
	entrance, e := k.crowd.in[pool], k.tls
	if e == nil || e.in[pool] == "" {
		return net.DialTimeout(entrance.network, entrance.at, replyPatience)
	}
	m := e.mannerOf(number)
	m.met.Add(1)
	if m.config == nil {
		return net.DialTimeout(entrance.network, entrance.at, replyPatience)
	}
	conn, err := net.DialTimeout(entrance.network, e.in[pool], replyPatience)
	if err != nil {
		return nil, err
	}
	return tls.Client(pieces{conn, k}, m.config), nil
}

// pieces writes every fourth time in two pieces that are cut anywhere: records are whole only by chance.
type pieces struct {
	net.Conn
	of *talker
}

func (p pieces) Write(b []byte) (int, error) {
	if p.of.rand.IntN(4) > 0 || len(b) < 2 {
		return p.Conn.Write(b)
	}
	at := 1 + p.of.rand.IntN(len(b)-1)
	if n, err := p.Conn.Write(b[:at]); err != nil {
		return n, err
	}
	p.of.pause(10 * time.Millisecond)
	n, err := p.Conn.Write(b[at:])
	return at + n, err
}

// underTLS returns the connection that carries the records.
func underTLS(conn net.Conn) net.Conn {
	if encrypted, ok := conn.(*tls.Conn); ok {
		return encrypted.NetConn().(pieces).Conn
	}
	return conn
}

// part ends an encrypted connection as both sides are to do it: each says that it has nothing more to say.
func part(conn net.Conn) error {
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	encrypted.SetDeadline(time.Now().Add(replyPatience))
	if err := encrypted.CloseWrite(); err != nil {
		return fmt.Errorf("ending TLS: %w", err)
	}
	if _, err := io.Copy(io.Discard, encrypted); err != nil {
		return fmt.Errorf("the other end of TLS: %w", err)
	}
	return nil
}

// String tells how many came in each manner.
func (e *encryption) String() string {
	var b strings.Builder
	for _, m := range e.manners {
		fmt.Fprintf(&b, "%d connections with %s, ", m.met.Load(), m.name)
	}
	return fmt.Sprintf("%s%d times another certificate", &b, e.renewed-1)
}
