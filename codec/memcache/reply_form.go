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

// MaxBytes returns the most that Append appends.
func (f ReplyForm) MaxBytes(reply []byte) int {
	if opcodes[f.Opcode].kind == binaryStat { // a line "STAT a b" is a packet
		return (len("STAT a b\r\n")+binaryHeaderBytes)*(len(reply)/len("STAT a b\r\n")+1) + len(reply)
	}
	return maxHeadBytes + len(reply)
}

// Append appends what the client gets of a complete reply to a request without "noreply": nothing of one that it is not to hear of.
func (f ReplyForm) Append(dst, reply []byte) []byte {
	switch {
	case f.IsPacket():
		return appendBinaryReply(dst, f, reply)
	case f.Hides(reply):
		return dst
	}
	return append(dst, reply...)
}
