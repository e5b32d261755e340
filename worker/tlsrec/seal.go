// Sealing: plaintext to records.

package tlsrec

import (
	"crypto/tls"
	"encoding/binary"
	"math"
)

// rekeyAfter is how many records are sealed with one key of TLS 1.3: fewer than any of its suites can bear (RFC 9846, 5.5).
// TLS 1.2 has no way to change the key.
const rekeyAfter = 1 << 24

// OwesKeyUpdate tells whether Seal has something to write although there is no data: the peer has asked for another key.
func (c *Conn) OwesKeyUpdate() bool { return c.keyUpdateOwed && !c.closeSent }

// Seal appends a record with as much of pieces as one can contain to dst, and returns how many bytes of them that is. A
// KeyUpdate that is owed or due precedes it; with no data nothing else is appended. After a close_notify there is nothing to
// be said, and all data counts as used. With room for MaxPlaintext + 2*Overhead nothing is allocated.
//
// The record must be sent whole and before any later one.
func (c *Conn) Seal(dst []byte, pieces ...[]byte) (out []byte, used int, err error) {
	c.assertThawed()
	total := 0
	for _, p := range pieces {
		total += len(p)
	}
	if c.closeSent {
		return dst, total, nil
	}
	if c.keyUpdateOwed || c.out.seq >= rekeyAfter && total > 0 && c.Version() == tls.VersionTLS13 {
		if dst, err = c.sealKeyUpdate(dst); err != nil {
			return dst, 0, err
		}
	}
	if total == 0 {
		return dst, 0, nil
	}
	size := min(total, MaxPlaintext)
	out, body := c.begin(dst, recordData, size)
	for _, p := range pieces {
		used += copy(body[used:], p)
	}
	return c.finish(dst, out, recordData, size, used)
}

// SealAlert appends an alert to dst. After one nothing else can be sealed.
func (c *Conn) SealAlert(dst []byte, a Alert) (out []byte, err error) {
	c.assertThawed()
	if c.closeSent {
		return dst, nil
	}
	level := byte(alertFatal)
	if a == CloseNotify {
		level = alertWarning
	}
	c.closeSent = true
	return c.sealSmall(dst, recordAlert, level, byte(a))
}

// sealKeyUpdate appends a KeyUpdate that does not ask for the peer's, and goes on with the next key. TLS 1.3 only.
func (c *Conn) sealKeyUpdate(dst []byte) (out []byte, err error) {
	c.keyUpdateOwed = false
	if out, err = c.sealSmall(dst, recordHandshake, messageKeyUpdate, 0, 0, 1, 0); err != nil {
		return dst, err
	}
	return out, c.advanceOut()
}

func (c *Conn) sealSmall(dst []byte, kind recordKind, content ...byte) (out []byte, err error) {
	out, body := c.begin(dst, kind, len(content))
	copy(body, content)
	out, _, err = c.finish(dst, out, kind, len(content), 0)
	return out, err
}

// begin appends the header of a record to dst, and room for its content, which is to be filled and then sealed in place.
func (c *Conn) begin(dst []byte, kind recordKind, size int) (out, body []byte) {
	sealed, before := size+tagSize, 0
	switch {
	case c.Version() == tls.VersionTLS13:
		kind, sealed = recordData, sealed+1
	case suites[c.suite].explicit:
		sealed, before = sealed+explicitSize, explicitSize
	}
	out = append(dst, byte(kind), recordVersion>>8, recordVersion&0xff, byte(sealed>>8), byte(sealed))
	if before > 0 {
		out = binary.BigEndian.AppendUint64(out, c.out.seq)
	}
	start := len(out)
	out = grow(out, len(dst)+HeaderSize+sealed-start)
	return out, out[start : start+size]
}

// finish seals what begin has appended.
func (c *Conn) finish(dst, out []byte, kind recordKind, size, used int) ([]byte, int, error) {
	if c.out.seq == math.MaxUint64 {
		return dst, 0, errWorn
	}
	s, err := c.sealer()
	if err != nil {
		return dst, 0, err
	}
	header := out[len(dst) : len(dst)+HeaderSize]
	var nonce, additional []byte
	start := len(dst) + HeaderSize
	switch {
	case c.Version() == tls.VersionTLS13:
		out[start+size] = byte(kind)
		size++
		nonce, additional = s.implicit(c.out.seq), header
	case suites[c.suite].explicit:
		nonce, additional = s.explicit(out[start:start+explicitSize]), s.additional(c.out.seq, kind, size)
		start += explicitSize
	default:
		nonce, additional = s.implicit(c.out.seq), s.additional(c.out.seq, kind, size)
	}
	c.out.seq++
	return s.aead.Seal(out[:start], nonce, out[start:start+size], additional), used, nil
}

// grow makes b longer by n bytes, whatever they are.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}
