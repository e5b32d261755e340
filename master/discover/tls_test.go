// Sentinels, servers and nodes that speak TLS.

package discover

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

// encrypted returns how servers encrypt, and how a pool finds that they are who they should be.
func encrypted(t *testing.T) (*tls.Config, *link.ServerTLS) {
	t.Helper()
	ca := certtest.New(t, "an authority")
	p := ca.Issue(certtest.Subject{Name: "here", Hosts: []string{"127.0.0.1"}, Server: true})
	pair, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, &link.ServerTLS{Verify: link.VerifyFull, CA: ca.PEM}
}

func followAs(t *testing.T, p *link.Pool) (Following, *heard) {
	t.Helper()
	h := &heard{t, make(chan News, 1000)}
	f := Follow(p, nil, func(n News) { h.news <- n })
	t.Cleanup(f.Stop)
	return f, h
}

// Sentinels are asked as servers are, unless they speak plaintext; what they say of a master is believed when that says so by TLS.
func TestFollowTLS(t *testing.T) {
	own, as := encrypted(t)
	for _, plaintext := range []bool{false, true} {
		s := newFake(t)
		if !plaintext {
			s = newFake(t, own)
		}
		before, after := newFakeServer(t, "master", own), newFakeServer(t, "master", own)
		s.says(before, 3)
		p := &link.Pool{Name: "p", Password: "password", Sentinels: []string{s.address}, ServerTLS: as, SentinelPlaintext: plaintext,
			Servers: []link.Server{{Name: "s", Network: link.Sentinel, Address: "m"}}}
		f, h := followAs(t, p)
		h.untilAt(before, 3)
		s.says(after, 4)
		f.Doubt(p.Servers[0])
		h.untilAt(after, 4)
		after.mu.Lock()
		asked := after.asked["ROLE"]
		after.mu.Unlock()
		if asked == 0 {
			t.Errorf("sentinel in plaintext %v: the new master was not asked what it is", plaintext)
		}
	}
}

func TestFollowClusterTLS(t *testing.T) {
	own, as := encrypted(t)
	one, two := newFake(t, own), newFake(t, own)
	one.isNode(one, two, 2, "0-99", "100-16383")
	two.isNode(two, one, 1, "100-16383", "0-99")
	_, h := followAs(t, &link.Pool{Name: "p", Password: "password", Seeds: []string{one.address}, Servers: link.Places(), ServerTLS: as})
	h.untilSlots(two, 16284)
}

// Who cannot be trusted is not asked, and it is said why.
func TestDistrust(t *testing.T) {
	own, _ := encrypted(t)
	_, other := encrypted(t)
	for want, s := range map[string]*fake{"shows a certificate (CN=here) of an authority that is unknown here": newFake(t, own), "speaks no TLS": newFake(t)} {
		_, err := dialer(certs.NewClient(other))(context.Background(), "tcp", s.address)
		if err == nil || plain(err).Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
