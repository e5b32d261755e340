// Files: what is taken from them, and what is said of those that are of no use.

package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// trouble returns what is wrong with files that a pool names as certificate and key.
func trouble(certificate, key string) error {
	c, err := Read(certificate)
	if err == nil {
		err = c.Certificate()
	}
	if err != nil {
		return err
	}
	k, err := Read(key)
	if err == nil {
		err = k.PrivateKey()
	}
	if err != nil {
		return err
	}
	return Match(c, k)
}

func TestPairs(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, "an authority")
	one, other := ca.Issue(certtest.Subject{Name: "one"}), ca.Issue(certtest.Subject{Name: "other", RSA: 2048})
	write := func(name string, parts ...[]byte) string {
		return certtest.Write(t, filepath.Join(dir, name), bytes.Join(parts, nil))
	}
	block, _ := pem.Decode(one.Key)
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes})
	crt, key := write("one.crt", one.Certificate), write("one.key", one.Key)
	for _, test := range []struct{ certificate, key, want string }{
		{crt, key, ""},
		{write("chain.crt", one.Certificate, ca.PEM), key, ""},
		{write("both.pem", []byte("# a comment\n"), one.Key, one.Certificate), filepath.Join(dir, "both.pem"), ""},
		{crt, write("curve.key", []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), one.Key), ""},
		{write("other.crt", other.Certificate), write("other.key", other.Key), ""},
		{crt, filepath.Join(dir, "other.key"), "is not the key of the certificate (CN=one)"},
		{write("backward.crt", ca.PEM, one.Certificate), key, "the certificate that comes as number 2"},
		{key, crt, "has a private key, and no certificate"},
		{crt, crt, "has a certificate, and no private key"},
		{crt, write("locked.key", locked), "locked with a passphrase"},
		{crt, write("broken.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("nonsense")})), "a private key that cannot be used"},
		{write("broken.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("nonsense")})), key, "a certificate that cannot be read"},
		{write("request.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST"})), key, `has "certificate request", and not a certificate`},
		{write("der.crt", []byte{0x30, 0x82}), key, "is not PEM"},
		{write("empty.crt"), key, "is empty"},
		{write("long.crt", make([]byte, mostBytes+1)), key, "is longer than 4 MiB"},
		{filepath.Join(dir, "absent.crt"), key, "is not there"},
		{dir, key, "is no file"},
	} {
		err := trouble(test.certificate, test.key)
		if said := ""; err != nil {
			said = err.Error()
			if !strings.Contains(said, test.want) || test.want == "" || !strings.Contains(said, "; ") {
				t.Errorf("%s, %s: %q, want %q", test.certificate, test.key, said, test.want)
			}
		} else if test.want != "" {
			t.Errorf("%s, %s: no error, want %q", test.certificate, test.key, test.want)
		}
	}
}

// What a workload shows must not have the key of the file in which its certificate stood.
func TestCertificateHasNoKey(t *testing.T) {
	pair := certtest.New(t, "an authority").Issue(certtest.Subject{})
	f, err := Read(certtest.Write(t, filepath.Join(t.TempDir(), "both.pem"), append(pair.Key, pair.Certificate...)))
	if err != nil || !bytes.Equal(f.PEM, pair.Certificate) || !bytes.Equal(f.Key, pair.Key) {
		t.Errorf("got %s and %s, %v", f.PEM, f.Key, err)
	}
}

func TestUnreadableNamesUser(t *testing.T) {
	err := unreadable(&os.PathError{Op: "open", Path: "/x", Err: os.ErrPermission})
	if !strings.Contains(err.Error(), me()) {
		t.Errorf("got %v", err)
	}
}

func TestOpenToAll(t *testing.T) {
	path := certtest.Write(t, filepath.Join(t.TempDir(), "key"), certtest.New(t, "an authority").Issue(certtest.Subject{}).Key)
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if f, err := Read(path); err != nil || f.Open != want {
			t.Errorf("%o: open %v, %v", mode, f.Open, err)
		}
	}
}

// A chain ends with its first certificate that does, authorities with their last.
func TestEnds(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	early, late := &x509.Certificate{NotAfter: now}, &x509.Certificate{NotAfter: now.Add(time.Hour)}
	f := File{All: []*x509.Certificate{late, early, late}}
	if f.Ends() != early.NotAfter || f.EndsLast() != late.NotAfter {
		t.Errorf("%v, %v", f.Ends(), f.EndsLast())
	}
}

func TestComfort(t *testing.T) {
	ca := certtest.New(t, "an authority")
	for bits, slow := range map[int]bool{0: false, 2048: false, 3072: true} {
		f, err := Read(certtest.Write(t, filepath.Join(t.TempDir(), "crt"), ca.Issue(certtest.Subject{RSA: bits, Begins: time.Now().Add(time.Hour)}).Certificate))
		if err != nil || (f.Slow() != nil) != slow {
			t.Errorf("RSA with %d bits: %v, %v", bits, f.Slow(), err)
		}
		if f.Begun(time.Now()) == nil || f.Begun(time.Now().Add(2*time.Hour)) != nil {
			t.Error("it is not said that the certificate is not good yet, or will be")
		}
	}
}
