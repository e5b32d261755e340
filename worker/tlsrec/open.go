// Opening: records to plaintext.

package tlsrec

import (
	"crypto/tls"
	"encoding/binary"
	"math"
)

// maxIdle is how many records in a row may bring nothing: empty ones and warnings. KeyUpdates are no such records: some
// clients send thousands in a row (JDK-8329548), and the caller charges for each.
const maxIdle = 32

// Open appends the plaintext of the complete records at the beginning of src to dst, and returns how many bytes of src it has
// used. What remains is an incomplete record, unless it has stopped after one that changed the key: then it is to be called
// again, after that has been charged for. dst and src must not overlap. Where dst has room for src nothing is allocated.
//
// The error is ErrClosed, an Alert that is to be sent, or a RemoteAlert; out is good in any case. All later calls return the
// same error.
func (c *Conn) Open(dst, src []byte) (out []byte, used int, err error) {
	c.assertThawed()
	out = dst
	for c.broken == sound && !c.closeReceived {
		size := RecordSize(src[used:])
		if size > 0 {
			if a, bad := c.checkHeader(src[used:]); bad {
				c.broken = failureOf(a)
				break
			}
		}
		if size == 0 || len(src)-used < size {
			return out, used, nil
		}
		var rekeyed bool
		out, rekeyed, err = c.openRecord(out, src[used:used+size])
		c.broken = failureOf(err)
		used += size
		if rekeyed {
			return out, used, nil
		}
	}
	if c.broken != sound {
		return out, used, c.broken.err()
	}
	return out, used, ErrClosed
}

// checkHeader finds what is wrong with the header of a record before all of it has come.
func (c *Conn) checkHeader(b []byte) (a Alert, bad bool) {
	most := maxCiphertext12
	if c.Version() == tls.VersionTLS13 {
		most = maxCiphertext13
	}
	switch size := int(binary.BigEndian.Uint16(b[3:])); {
	case binary.BigEndian.Uint16(b[1:]) != recordVersion:
		return ProtocolVersion, true
	case size > most:
		return RecordOverflow, true
	}
	return 0, false
}

// openRecord takes one record. What it has appended to dst is data.
func (c *Conn) openRecord(dst, record []byte) (out []byte, rekeyed bool, err error) {
	if c.Version() == tls.VersionTLS13 && recordKind(record[0]) == recordChangeCipherSpec {
		return dst, false, UnexpectedMessage // it is never protected, and has its place in a handshake only
	}
	plain, kind, err := c.decrypt(dst, record)
	if err != nil {
		return dst, false, err
	}
	content := plain[len(dst):]
	if kind != recordHandshake && (c.headLen > 0 || c.skip > 0) {
		return dst, false, UnexpectedMessage // messages must not be interleaved with other records (RFC 9846, 5.1)
	}
	switch kind {
	case recordData:
		if len(content) == 0 {
			return dst, false, c.idleRecord()
		}
		c.idle = 0
		return plain, false, nil
	case recordAlert:
		return dst, false, c.alert(content)
	case recordHandshake:
		rekeyed, err = c.handshake(content)
		return dst, rekeyed, err
	}
	return dst, false, UnexpectedMessage
}

// decrypt appends what a record contains to dst.
func (c *Conn) decrypt(dst, record []byte) (plain []byte, kind recordKind, err error) {
	s, err := c.opener()
	if err != nil || c.in.seq == math.MaxUint64 {
		return dst, 0, InternalError
	}
	kind = recordKind(record[0])
	sealed := record[HeaderSize:]
	nonce := s.implicit(c.in.seq)
	if suites[c.suite].explicit && len(sealed) >= explicitSize {
		nonce = s.explicit(sealed[:explicitSize])
		sealed = sealed[explicitSize:]
	}
	size := len(sealed) - tagSize
	if size < 0 {
		return dst, 0, BadRecordMAC
	}
	additional := record[:HeaderSize]
	if c.Version() == tls.VersionTLS12 {
		additional = s.additional(c.in.seq, kind, size)
	}
	if plain, err = s.aead.Open(dst, nonce, sealed, additional); err != nil {
		return dst, 0, BadRecordMAC
	}
	c.in.seq++
	switch {
	case c.Version() == tls.VersionTLS12 && size > MaxPlaintext:
		return dst, 0, RecordOverflow
	case c.Version() == tls.VersionTLS12:
		return plain, kind, nil
	case kind != recordData:
		return dst, 0, UnexpectedMessage
	}
	return unpad(dst, plain)
}

// unpad removes the padding of TLS 1.3, and the kind of the record in front of it.
func unpad(dst, plain []byte) ([]byte, recordKind, error) {
	if len(plain)-len(dst) > MaxPlaintext+1 {
		return dst, 0, RecordOverflow
	}
	for i := len(plain) - 1; i >= len(dst); i-- {
		if plain[i] != 0 {
			return plain[:i], recordKind(plain[i]), nil
		}
	}
	return dst, 0, UnexpectedMessage
}

func (c *Conn) idleRecord() error {
	if c.idle++; c.idle > maxIdle {
		return UnexpectedMessage
	}
	return nil
}

const (
	alertWarning = 1
	alertFatal   = 2
)

// alert takes an alert of the peer.
func (c *Conn) alert(content []byte) error {
	if len(content) != 2 {
		return UnexpectedMessage
	}
	level, a := content[0], Alert(content[1])
	old := c.Version() == tls.VersionTLS12 // in TLS 1.3 the level means nothing
	switch {
	case a == CloseNotify:
		c.closeReceived = true
		return nil
	case old && level == alertWarning, !old && a == UserCanceled:
		return c.idleRecord()
	case old && level != alertFatal:
		return UnexpectedMessage
	}
	return RemoteAlert(a)
}
