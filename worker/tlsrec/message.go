// Messages after the handshake (RFC 9846, 4.7): a peer's KeyUpdate, and tickets, which this side has no use for.

package tlsrec

import "crypto/tls"

const (
	messageNewSessionTicket = 4
	messageKeyUpdate        = 24

	maxTicket = 65536 // bytes of a message
)

// handshake takes a part of the stream of handshake messages. It tells whether the peer's key has changed.
func (c *Conn) handshake(content []byte) (rekeyed bool, err error) {
	if len(content) == 0 || c.Version() != tls.VersionTLS13 {
		return false, UnexpectedMessage // in TLS 1.2 this is a renegotiation
	}
	for len(content) > 0 {
		switch {
		case c.skip > 0:
			n := min(len(content), int(c.skip))
			content, c.skip = content[n:], c.skip-uint32(n)
		case int(c.headLen) < len(c.header):
			n := copy(c.header[c.headLen:], content)
			content, c.headLen = content[n:], c.headLen+uint8(n)
			if err := c.checkMessage(); err != nil {
				return false, err
			}
		case len(content) > 1:
			return false, UnexpectedMessage // what follows would need the next key
		default:
			c.headLen = 0
			return true, c.keyUpdate(content[0])
		}
	}
	return false, nil
}

// checkMessage looks at the header of a message, as much as has come.
func (c *Conn) checkMessage() error {
	kind := c.header[0]
	if kind != messageKeyUpdate && (kind != messageNewSessionTicket || !c.client) {
		return UnexpectedMessage
	}
	if int(c.headLen) < len(c.header) {
		return nil
	}
	size := uint32(c.header[1])<<16 | uint32(c.header[2])<<8 | uint32(c.header[3])
	switch {
	case kind == messageKeyUpdate && size != 1, kind == messageNewSessionTicket && (size == 0 || size > maxTicket):
		return DecodeError
	case kind == messageNewSessionTicket:
		c.headLen, c.skip = 0, size
		return c.idleRecord()
	}
	return nil
}

// keyUpdate goes on with the peer's next key.
func (c *Conn) keyUpdate(request byte) error {
	if request > 1 {
		return IllegalParameter
	}
	c.keyUpdateOwed = c.keyUpdateOwed || request == 1
	if c.advanceIn() != nil {
		return InternalError
	}
	return nil
}
