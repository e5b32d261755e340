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

// IsPacket reports whether the client gets packets. If not it gets every reply as it came, but for those that Hides names.
func (f ReplyForm) IsPacket() bool { return f.Kind == formBinary }

// Hides reports whether a client of the text protocol gets nothing of a reply.
func (f ReplyForm) Hides(reply []byte) bool {
	code := metaCode(reply)
	return f.Kind == formNoMiss && code == "EN" || f.Kind == formNoSuccess && (code == "HD" || code == "VA")
}

// ValueBytes returns the size of the value that a packet is made of; 0: there is none.
func (f ReplyForm) ValueBytes(reply []byte) (size int) {
	if f.Kind == formBinary && metaCode(reply) == "VA" {
		return len(reply) // its line is about as long as the head of the packet
	}
	return 0
}

// Append appends what the client gets of a reply, complete and without "noreply": nothing, if it is not told.
func (f ReplyForm) Append(dst, reply []byte) []byte {
	switch {
	case f.IsPacket():
		return appendBinaryReply(dst, f, reply)
	case f.Hides(reply):
		return dst
	}
	return append(dst, reply...)
}
