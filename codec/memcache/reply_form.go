// In what form a client gets the reply to its request, where that is not what the server has sent.

package memcache

// ReplyForm is how a client gets the reply to one request. The zero value stands for a reply as the server has sent it.
type ReplyForm struct {
	Opaque uint32 // of a binary request: comes back with its reply
	Opcode uint8  // of a binary request
	Kind   formKind
}

// formKind is what is done to a reply.
type formKind uint8

const (
	formAsSent    formKind = iota
	formNoMiss             // quiet mg: that there is no item is not told
	formNoSuccess          // quiet ms, md and ma: success is not told
	formBinary             // a packet of the binary protocol
)

// IsAsSent reports whether Append would but copy every reply.
func (f ReplyForm) IsAsSent() bool { return f.Kind == formAsSent }

// Form returns the form of the replies to r, a request of the text protocol.
func (r *Request) Form() ReplyForm {
	if !r.Quiet {
		return ReplyForm{}
	}
	return ReplyForm{Kind: r.Cmd.quiet}
}

// Append appends what the client gets of a reply, complete and without "noreply": nothing, if it is not told.
func (f ReplyForm) Append(dst, reply []byte) []byte {
	code := metaCode(reply)
	switch {
	case f.Kind == formBinary:
		return appendBinaryReply(dst, f, reply)
	case f.Kind == formNoMiss && code == "EN", f.Kind == formNoSuccess && (code == "HD" || code == "VA"):
		return dst
	}
	return append(dst, reply...)
}
