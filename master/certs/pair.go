// What is wrong with a certificate of one's own, its key, and the authorities of others.

package certs

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// comfortableRSA is the size in bits from which on a signature takes several ms.
const comfortableRSA = 2048

// Authorities finds a file that names no authority.
func (f *File) Authorities() error {
	switch {
	case len(f.All) > 0:
		return nil
	case f.Key != nil:
		return &Flaw{"has a private key, and no certificate", "name the certificate of the authority that has signed those of the others"}
	}
	return f.foreign("a certificate of an authority")
}

// Certificate finds a file that has no certificate to be shown.
func (f *File) Certificate() error {
	switch {
	case len(f.All) > 0:
		return nil
	case f.Key != nil:
		return &Flaw{"has a private key, and no certificate", "name the certificate here, and the key in the other one"}
	}
	return f.foreign("a certificate")
}

// PrivateKey finds a file that has no key.
func (f *File) PrivateKey() error {
	switch {
	case f.Key != nil:
		_, err := f.signer()
		return err
	case len(f.All) > 0:
		return &Flaw{"has a certificate, and no private key", "name the key here, and the certificate in the other one"}
	}
	return f.foreign("a private key")
}

// foreign is for a file that has neither.
func (f *File) foreign(want string) error {
	return &Flaw{fmt.Sprintf("has %q, and not %s", strings.ToLower(f.other), want), "name a file that has one"}
}

// signer reads the key in any of its forms.
func (f *File) signer() (crypto.Signer, error) {
	block, _ := pem.Decode(f.Key)
	defer clear(block.Bytes)
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if s, ok := key.(crypto.Signer); ok {
			return s, nil
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, &Flaw{"has a private key that cannot be used", "make one of ECDSA P-256, RSA or Ed25519, in the form of PKCS #8"}
}

// Match finds a key that is not that of the certificate, which comes first in its file.
func Match(certificate, key *File) error {
	s, err := key.signer()
	if err != nil {
		return err
	}
	public, ok := s.Public().(interface{ Equal(crypto.PublicKey) bool })
	for i, c := range certificate.All {
		if !ok || !public.Equal(c.PublicKey) {
			continue
		}
		if i > 0 {
			return &Flaw{fmt.Sprintf("is the key of the certificate that comes as number %d in its file", i+1), "put that first there, and behind it those that lead to its authority"}
		}
		return nil
	}
	return &Flaw{fmt.Sprintf("is not the key of the certificate (%s)", Name(certificate.All[0])), "name the two that were made together; if they are just being replaced, replace the other one, too"}
}

// Ends returns until when all certificates of a chain are good: one that has ended breaks it.
func (f *File) Ends() time.Time {
	ends := f.All[0].NotAfter
	for _, c := range f.All {
		if c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	return ends
}

// EndsLast returns until when one at least of several authorities is good: where an authority is replaced by another, both stand there
// for a time.
func (f *File) EndsLast() time.Time {
	var ends time.Time
	for _, c := range f.All {
		if c.NotAfter.After(ends) {
			ends = c.NotAfter
		}
	}
	return ends
}

// Begun finds a certificate that is not good yet.
func (f *File) Begun(now time.Time) error {
	if begins := f.All[0].NotBefore; now.Before(begins) {
		return &Flaw{fmt.Sprintf("is good from %s on, and it is %s", Day(begins), Day(now)), "wait, or set the clock"}
	}
	return nil
}

// Nameless reports whether the certificate bears no name by which a server is known.
func (f *File) Nameless() bool {
	c := f.All[0]
	return len(c.DNSNames)+len(c.IPAddresses) == 0
}

// Slow finds a key whose signatures take long.
func (f *File) Slow() error {
	if key, ok := f.All[0].PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > comfortableRSA {
		return &Flaw{fmt.Sprintf("is of RSA with %d bits, with which each new connection costs several ms of CPU", key.N.BitLen()), "use ECDSA P-256, or RSA with 2048 bits"}
	}
	return nil
}
