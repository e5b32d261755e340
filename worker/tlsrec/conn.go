// Conn: both directions of one connection.

package tlsrec

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
)

// Conn is the record layer of one connection. There may be a hundred thousand that are idle, so its fields are small.
type Conn struct {
	in, out direction
	ciphers *ciphers // nil: asleep

	header [4]byte // of an incomplete handshake message; header[:headLen] has come
	skip   uint32  // bytes of a handshake message that are still to come and to be ignored

	broken  failure // nothing can be read any more
	suite   suiteIndex
	headLen uint8
	idle    uint8 // records in a row that brought nothing; ≤ maxIdle

	client        bool // this side is the client
	frozen        bool // another process may go on with the state: neither direction may be used
	keyUpdateOwed bool // the peer has asked for another key of ours
	closeSent     bool // nothing may follow
	closeReceived bool // the peer sends no more
}

// direction is one writer's secret, and how many records it has sealed with it.
type direction struct {
	secret [maxSecret]byte // [:suite.secretSize()]
	seq    uint64
}

// ciphers are those of both directions, each made when it is needed.
type ciphers struct{ in, out sealer }

// sealer is a cipher with its nonce, which it keeps in the heap so that none is allocated for a record.
type sealer struct {
	aead  cipher.AEAD // nil: to be made
	iv    [nonceSize]byte
	nonce [nonceSize]byte
	data  [13]byte // additional data of TLS 1.2
}

// Secrets are what a handshake leaves to its record layer.
type Secrets struct {
	Client         bool // this side is the client
	Version, Suite uint16

	ClientTraffic, ServerTraffic       []byte // TLS 1.3: the first application traffic secrets, as long as the suite's hash
	Master, ClientRandom, ServerRandom []byte // TLS 1.2: 48, 32 and 32 bytes

	InSeq, OutSeq uint64 // records that have been opened and sealed with these secrets
}

// New returns the record layer after a handshake. Unknown suites and secrets of a wrong length are errors.
func New(s Secrets) (*Conn, error) {
	index, err := suiteOf(s.Version, s.Suite)
	if err != nil {
		return nil, err
	}
	suite := &suites[index]
	client, server := s.ClientTraffic, s.ServerTraffic
	if s.Version == tls.VersionTLS12 {
		if len(s.Master) != 48 || len(s.ClientRandom) != 32 || len(s.ServerRandom) != 32 {
			return nil, fmt.Errorf("the handshake left secrets of %d, %d and %d bytes instead of 48, 32 and 32", len(s.Master), len(s.ClientRandom), len(s.ServerRandom))
		}
		client, server = suite.keyBlock(s.Master, s.ClientRandom, s.ServerRandom)
		defer clear(client)
		defer clear(server)
	}
	if want := suite.secretSize(); len(client) != want || len(server) != want {
		return nil, fmt.Errorf("the handshake left secrets of %d and %d bytes instead of %d", len(client), len(server), want)
	}
	c := &Conn{suite: index, client: s.Client}
	c.in.seq, c.out.seq = s.InSeq, s.OutSeq
	if s.Client {
		client, server = server, client
	}
	copy(c.in.secret[:], client)
	copy(c.out.secret[:], server)
	return c, nil
}

// Version is tls.VersionTLS13 or tls.VersionTLS12.
func (c *Conn) Version() uint16 { return suites[c.suite].version }

// Suite is the number of the cipher suite.
func (c *Conn) Suite() uint16 { return suites[c.suite].id }

// Sleep drops the ciphers, about a kilobyte, of a connection that is idle. The next record remakes them in microseconds.
func (c *Conn) Sleep() { c.ciphers = nil }

// Freeze forbids the use of the connection, of whose state there is a copy, until Thaw.
func (c *Conn) Freeze() { c.frozen = true }

// Thaw allows it again: the copy is not going to be used.
func (c *Conn) Thaw() { c.frozen = false }

// Wipe overwrites the secrets. The connection can't be used any more.
func (c *Conn) Wipe() {
	clear(c.in.secret[:])
	clear(c.out.secret[:])
	c.Sleep()
	c.frozen = true
}

func (c *Conn) assertThawed() {
	if c.frozen {
		panic("a frozen TLS connection is used")
	}
}

// opener returns the cipher of what is received.
func (c *Conn) opener() (*sealer, error) {
	both := c.wake()
	return &both.in, both.in.prepare(&suites[c.suite], &c.in)
}

// sealer returns the cipher of what is sent.
func (c *Conn) sealer() (*sealer, error) {
	both := c.wake()
	return &both.out, both.out.prepare(&suites[c.suite], &c.out)
}

func (c *Conn) wake() *ciphers {
	if c.ciphers == nil {
		c.ciphers = new(ciphers)
	}
	return c.ciphers
}

// prepare makes the cipher of a direction, unless there is one.
func (c *sealer) prepare(s *suite, d *direction) error {
	if c.aead != nil {
		return nil
	}
	key, iv, err := s.keys(d.secret[:s.secretSize()])
	if err != nil {
		return err
	}
	copy(c.iv[:], iv)
	c.aead, err = s.aead(key)
	return err
}

// advanceIn goes on with the peer's next secret, and advanceOut with ours.
func (c *Conn) advanceIn() error  { return c.in.advance(&suites[c.suite], &c.wake().in) }
func (c *Conn) advanceOut() error { return c.out.advance(&suites[c.suite], &c.wake().out) }

// advance replaces the secret by the next one (RFC 9846, 7.2).
func (d *direction) advance(s *suite, used *sealer) error {
	next, err := s.expandLabel(d.secret[:s.secretSize()], "traffic upd", s.secretSize())
	if err != nil {
		return err
	}
	copy(d.secret[:], next)
	clear(next)
	d.seq, *used = 0, sealer{}
	return nil
}

// implicit is the nonce that the sequence number gives (RFC 9846, 5.3; RFC 7905, 2).
func (c *sealer) implicit(seq uint64) []byte {
	c.nonce = c.iv
	for i := range 8 {
		c.nonce[nonceSize-1-i] ^= byte(seq >> (8 * i))
	}
	return c.nonce[:]
}

// explicit is the nonce with the part that is in the record (RFC 5288, 3).
func (c *sealer) explicit(part []byte) []byte {
	c.nonce = c.iv
	copy(c.nonce[4:], part)
	return c.nonce[:]
}

// additional is the additional data of TLS 1.2 (RFC 5246, 6.2.3.3) for a plaintext of a size.
func (c *sealer) additional(seq uint64, kind recordKind, size int) []byte {
	binary.BigEndian.PutUint64(c.data[:], seq)
	c.data[8] = byte(kind)
	binary.BigEndian.PutUint16(c.data[9:], tls.VersionTLS12)
	binary.BigEndian.PutUint16(c.data[11:], uint16(size))
	return c.data[:]
}

// errWorn is the error of a connection whose sequence number is at its end. No connection lives that long.
var errWorn = errors.New("a TLS connection has used all its sequence numbers")
