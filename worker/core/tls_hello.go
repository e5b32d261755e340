// Clients that begin with TLS where nobody speaks it. Neither side would ever see the end of what the other one says: such a
// client is told at once.

package core

import "github.com/pinion-proxy/pinion/worker/link"

// isTLSHello tells whether the first bytes of a client are the beginning of TLS, which no request of either protocol is.
func isTLSHello(b []byte) bool {
	const handshake, major = 0x16, 3
	return b[0] == handshake && (len(b) == 1 || b[1] == major)
}

// tlsFailure is the alert "handshake failure" (RFC 8446, 6.2), in plain text, as every TLS client expects it before there are keys.
var tlsFailure = []byte{21, 3, 3, 0, 2, 2, 40}

// refuseTLS ends the connection of such a client.
func (c *client) refuseTLS() {
	c.noteRefusal("TLS", speaksTLS)
	c.stream.DropInput(c.pool.l.memory)
	c.respond(tlsFailure)
	c.leave(link.NoRequest)
}
