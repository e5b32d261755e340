// Who asks the master over TLS: what is shown, and that nothing is where there is nothing to show.

package certs

import (
	"io"
	"net"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

func TestServerNeedsWhatItShows(t *testing.T) {
	ca := certtest.New(t, "an authority")
	one, other := ca.Issue(certtest.Subject{Server: true}), ca.Issue(certtest.Subject{Server: true})
	for _, test := range []struct {
		what             string
		key, authorities []byte
		good             bool
	}{
		{"a pair", one.Key, nil, true},
		{"a pair, and authorities", one.Key, ca.PEM, true},
		{"the key of another one", other.Key, nil, false},
		{"authorities that are none", one.Key, []byte("nonsense"), false},
	} {
		if _, err := NewServer(&link.KeyPair{Certificate: one.Certificate, Key: test.key}, test.authorities); (err == nil) != test.good {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// Without certificates nobody is answered in plaintext.
func TestServerWithoutCertificates(t *testing.T) {
	there, here := net.Pipe()
	defer there.Close()
	new(Server).Secure(here)
	if n, err := there.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("the connection is not closed: %d bytes, %v", n, err)
	}
}
