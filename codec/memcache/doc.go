// Package memcache is the protocols of memcached as bytes: where a request or a reply ends, which words of it are
// keys, what is answered without asking a server, and how the replies of several servers become one.
//
//	client bytes                                                   server bytes
//	     │                                                               │
//	     ▼                                                               ▼
//	ConsumeRequest ─► Request{Cmd, NoReply, Data}, keys            ConsumeReply ─► n
//	MeasureRequest        │                 │                            │
//	(large ones)          ▼                 ▼                            ▼
//	              *RequestError:     AppendForward: whole          one reply: copied
//	              Reply, Close       AppendFragment: its keys ───► MergeReplies
//
// Clients may speak the binary protocol (binary.go): what they ask becomes text for the server, and its reply takes the form
// that they expect (reply_form.go).
//
// Everything is a function of the bytes it is given. "Incomplete" is a result, n == 0 without an error, never a state
// kept here: the caller keeps the bytes and calls again with more of them, and with a Progress where a second look from
// the start would cost too much.
//
// Memory belongs to the caller. A Span is an offset into the buffer that was parsed. Append and Merge functions append
// to dst; with enough capacity neither they nor anything else that a well-formed request meets allocate ("stats" is the
// exception). The command table is read-only once the program runs: every function may be called from any goroutine.
//
// The protocol is described in doc/protocol.txt of memcached; what that leaves open was asked of memcached 1.6.18.
// Where this package is stricter, a server might otherwise answer one request with none or two replies, which no
// connection that clients share survives: see ConsumeRequest.
package memcache
