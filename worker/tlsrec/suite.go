// Suites, and how keys follow from secrets: HKDF for TLS 1.3 (RFC 9846, 7), the PRF of TLS 1.2 (RFC 5246, 5).

package tlsrec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	nonceSize  = 12
	maxKeySize = 32
	maxSecret  = 48 // a traffic secret of TLS 1.3, or key and IV of TLS 1.2
)

// suite is what the record layer must know of a cipher suite.
type suite struct {
	id       uint16
	version  uint16
	hash     func() hash.Hash
	keySize  int
	ivSize   int  // what the key schedule yields: all of a nonce, or what precedes its explicit part
	explicit bool // each record contains the other 8 bytes of its nonce
	aead     func(key []byte) (cipher.AEAD, error)
}

var suites = []suite{
	{tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, sha256.New, 16, nonceSize, false, newGCM},
	{tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, sha512.New384, 32, nonceSize, false, newGCM},
	{tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, sha256.New, 32, nonceSize, false, chacha20poly1305.New},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, sha256.New, 16, 4, true, newGCM},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, sha256.New, 16, 4, true, newGCM},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, sha512.New384, 32, 4, true, newGCM},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, sha512.New384, 32, 4, true, newGCM},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, sha256.New, 32, nonceSize, false, chacha20poly1305.New},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, sha256.New, 32, nonceSize, false, chacha20poly1305.New},
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Suites12 are the suites of TLS 1.2 that a handshake may choose, as tls.Config wants them. Those of TLS 1.3 are all known.
func Suites12() (ids []uint16) {
	for _, s := range suites {
		if s.version == tls.VersionTLS12 {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// suiteIndex says where in suites one is.
type suiteIndex uint8

func suiteOf(version, id uint16) (suiteIndex, error) {
	for i := range suites {
		if s := &suites[i]; s.id == id && s.version == version {
			return suiteIndex(i), nil
		}
	}
	return 0, fmt.Errorf("the record layer does not know %s of %s", tls.CipherSuiteName(id), tls.VersionName(version))
}

// secretSize is the length of the secret of one direction.
func (s *suite) secretSize() int {
	if s.version == tls.VersionTLS13 {
		return s.hash().Size()
	}
	return s.keySize + s.ivSize
}

// keys derives key and IV of one direction from its secret.
func (s *suite) keys(secret []byte) (key, iv []byte, err error) {
	if s.version != tls.VersionTLS13 {
		return secret[:s.keySize], secret[s.keySize : s.keySize+s.ivSize], nil
	}
	if key, err = s.expandLabel(secret, "key", s.keySize); err == nil {
		iv, err = s.expandLabel(secret, "iv", s.ivSize)
	}
	return key, iv, err
}

// expandLabel is HKDF-Expand-Label of RFC 9846, 7.1, without a context.
func (s *suite) expandLabel(secret []byte, label string, size int) ([]byte, error) {
	const prefix = "tls13 "
	info := []byte{byte(size >> 8), byte(size), byte(len(prefix) + len(label))}
	info = append(append(append(info, prefix...), label...), 0)
	return hkdf.Expand(s.hash, secret, string(info), size)
}

// keyBlock returns the secrets of both writers for a connection of TLS 1.2 (RFC 5246, 6.3): key ‖ IV of each.
func (s *suite) keyBlock(master, clientRandom, serverRandom []byte) (client, server []byte) {
	block := make([]byte, 2*s.secretSize())
	seed := append(append([]byte("key expansion"), serverRandom...), clientRandom...)
	mac := hmac.New(s.hash, master)
	a := seed
	for done := 0; done < len(block); {
		a = macOf(mac, a, nil)
		done += copy(block[done:], macOf(mac, a, seed))
	}
	k, i := s.keySize, s.ivSize
	client = append(append(client, block[:k]...), block[2*k:2*k+i]...)
	server = append(append(server, block[k:2*k]...), block[2*k+i:]...)
	clear(block)
	return client, server
}

func macOf(mac hash.Hash, a, b []byte) []byte {
	mac.Reset()
	mac.Write(a)
	mac.Write(b)
	return mac.Sum(nil)
}
