// Package resp is the Redis protocol as bytes: where a request or a reply ends, which of its arguments are keys, what
// is answered without asking a server, and how the parts of a divided request come together again.
//
//	client bytes                                                            server bytes
//	     │                                                                        │
//	     ▼                                                                        ▼
//	ConsumeRequest ─► []Span ─► Lookup ─► Resolve ─► CheckArity ─► Keys     ConsumeReply ─► n
//	ConsumeInline ──► array ──┘   │                                 │             │
//	MeasureRequest (large ones)   ▼                                 ▼             ▼
//	                           Local, Refuse:              Forward: as it is   one reply: copied
//	                           Append…                     AppendFragment ───► MergeReplies
//	                                     All: as it is; Scan: AppendScan ────► MergeAnswers
//
// Everything is a function of the bytes it is given. "Incomplete" is a result, n == 0 without an error, never a state
// kept here: the caller keeps the bytes and calls again with more of them, and with a Progress where a second look from
// the start would cost too much.
//
// Memory belongs to the caller. A Span is an offset into the buffer that was parsed and survives neither its reuse nor
// a move of the request within it. Append functions append to dst; with enough capacity they allocate nothing, nor does
// anything else that a well-formed request meets. The command table is built when the program starts and read-only from
// then on, so every function here may be called from any goroutine.
//
// The protocol is described at https://redis.io/docs/latest/develop/reference/protocol-spec/. Where that text is
// silent, src/networking.c of Redis decides, except that line ends are checked: a request that Redis reads one way and
// another server may read differently must not reach a connection that clients share.
package resp
