// What master and worker say to each other while they run: datagrams of a 16-byte header and a body.

package link

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind is the type of a message. A kind that the receiver does not know is ignored.
type Kind uint16

const (
	// From the worker.
	Ready   Kind = iota + 1 // accepting or, before a takeover, able to; body: ReadyBody
	Log                     // body: level byte, text
	Drained                 // no client is left, the worker ends; no body

	// From the master.
	Drain     // stop accepting, answer what is owed, close; body: deadline in ms from now, 8 bytes (0 = none)
	Verbosity // body: one byte, 0 to 11

	// From the master, about a handoff.
	Serve  // accept from now on; no body
	Peer   // a worker of the other generation; body: PeerBody; one descriptor
	Give   // stop accepting, move the clients to the peers; body: GiveBody
	Resume // give no more, accept again, and take what peers give back; no body
	Settle // what was taken stays; no body
	Finish // the peers serve now: move or drain what is left, then end; body: FinishBody
	Listen // accept from this socket, too; body: ListenBody; one descriptor

	// From the worker, about a handoff.
	Given      // all that can be moved is; body: GivenBody
	PeerFailed // body: PeerFailedBody
)

const (
	messageMagic   = 0x4b50 // "PK" little-endian
	messageVersion = 1
	headerBytes    = 16

	// MaxMessageBytes bounds header and body together.
	MaxMessageBytes = 8192
)

// Message is one datagram on the control socket.
type Message struct {
	Kind Kind
	Body []byte
}

var errShortMessage = errors.New("reading control message: shorter than its header says")

// AppendMessage appends the wire form of m to dst: magic, kind, flags, version (2 bytes each), batch and body length (4
// bytes each), all little-endian, then the body. Bodies that do not fit are cut.
func AppendMessage(dst []byte, m Message) []byte {
	body := m.Body[:min(len(m.Body), MaxMessageBytes-headerBytes)]
	le := binary.LittleEndian
	dst = le.AppendUint16(dst, messageMagic)
	dst = le.AppendUint16(dst, uint16(m.Kind))
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint16(dst, messageVersion)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}

// ParseMessage reads one datagram. The body is a part of b.
func ParseMessage(b []byte) (Message, error) {
	if len(b) < headerBytes {
		return Message{}, errShortMessage
	}
	le := binary.LittleEndian
	if magic := le.Uint16(b); magic != messageMagic {
		return Message{}, fmt.Errorf("reading control message: unknown magic %#x", magic)
	}
	if n := le.Uint32(b[12:]); uint32(len(b)-headerBytes) != n {
		return Message{}, errShortMessage
	}
	return Message{Kind: Kind(le.Uint16(b[2:])), Body: b[headerBytes:]}, nil
}

// DrainBody is the body of a Drain message.
func DrainBody(deadlineMillis uint64) []byte {
	return binary.LittleEndian.AppendUint64(nil, deadlineMillis)
}

// ParseDrain reads the body of a Drain message: milliseconds from now, 0 = no deadline.
func ParseDrain(body []byte) (deadlineMillis uint64, err error) {
	if len(body) != wordBytes {
		return 0, errShortMessage
	}
	return binary.LittleEndian.Uint64(body), nil
}
