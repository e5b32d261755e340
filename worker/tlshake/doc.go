// Package tlshake drives the handshakes of crypto/tls from an event loop: a handshake is a coroutine that is resumed with each
// record of the peer, on the thread of the loop, and leaves a tlsrec.Conn.
//
//	Server, Client ─► Step(record) ─► NeedsRecord ─► Out is sent, the next record is awaited
//	                                  NeedsSignature ─► Job.Sign runs anywhere, then Step(nil)
//	                                  Over ─► Err, or Records() and State()
//
// crypto/tls tells the secrets of a connection through Config.KeyLogWriter (RFC 9850), of which each handshake has its own.
// If it tells none, the handshake fails.
//
// A handshake that is not over holds a goroutine: whoever loses interest must call Abort. All calls for one handshake must
// come from the goroutine that has begun it.
package tlshake
