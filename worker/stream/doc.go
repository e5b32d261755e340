// Package stream is bytes in and out of one descriptor, a client's or a server's. It is the only one that receives and sends.
//
//	kernel ─► Recv ─► bytes, to be consumed at once ─► Claim: with the buffer that they fill
//	           ▲                 │
//	           └── kept ◄── Keep ┘ what is incomplete
//
//	Out.Append (a copy), Out.Adopt (a buffer) ─► Out: a list of buffers ─► Send, once per turn ─► kernel
//
// What Recv and Reread return is valid until the next Recv of any stream of the loop. Whatever a stream keeps, and what is in
// its Out, it owns; a stream that keeps nothing and has nothing to write owns no memory. Only the goroutine of the loop
// may call.
//
// transport.go is where bytes cross the descriptor. A stream with TLS seals and opens records there (tls.go), and nobody else knows:
//
//	kernel ─► Recv ─┬─ raw: of an incomplete record        Out ─► records, many requests in one ─┬─► Send ─► kernel
//	                └─► opened: bytes, to be consumed                  sealed: what it did not take ◄─┘ goes out first
package stream
