// Package tlsrec is the record layer of TLS 1.3 (RFC 9846) and of TLS 1.2 with AEAD suites (RFC 5246, 5288, 7905), for
// connections whose handshake is over. It is pure bytes, like a codec: no descriptor, no clock, no goroutine.
//
//	           ┌──────────────── Conn ────────────────┐
//	records ─► Open ─► plaintext        plaintext ─► Seal ─► records
//	           │  KeyUpdate ─► the next key    ▲       │
//	           └── the peer wants ours, too ───┘  AppendState ─► bytes ─► Restore, in another process
//
// A Conn holds the secrets of both directions and their sequence numbers, and makes the ciphers when they are needed: Sleep
// drops them. The caller owns all buffers; Open and Seal append to what they are given and allocate nothing else, except
// for a cipher after Sleep or a change of keys.
//
// The same key and sequence number must never seal two texts. So a Conn whose state has been written for another process is
// frozen until it is known who goes on: Seal and Open of a frozen Conn panic.
//
// One goroutine at a time may use a Conn.
package tlsrec
