// What master and worker say to each other while they run: datagrams of a 16-byte header and a body.

package link

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind is the type of a message. A kind that the receiver does not know is ignored.
type Kind uint16

// The numbers are the contract between builds: each stays what it is, whatever comes or goes.
const (
	// From the worker.
	Ready   Kind = 1  // accepting or, before a takeover, able to; body: ReadyBody
	Log     Kind = 2  // body: level byte, text
	Drained Kind = 3  // no client is left, the worker ends; no body
	Leaving Kind = 19 // the worker was told by a signal to end, and drains; no body
	Orphan  Kind = 20 // the first message to a master that has connected to an orphan; body: OrphanBody, or none; FDSpec and FDShared
	Stale   Kind = 28 // what the worker knows of a pool that discovers is out of date; body: StaleBody

	Switched Kind = 29 // all that the last Relocated says is done; no body

	// From the master.
	Drain     Kind = 4  // stop accepting, answer what is owed, close; body: deadline in ms from now, 8 bytes (0 = none)
	Verbosity Kind = 5  // body: one byte, 0 to 11
	Quit      Kind = 15 // end at once; no body
	Inquire   Kind = 22 // ping each connected server, which updates Heard; may have an InquireBody
	Ping      Kind = 16 // make a turn, which increments the turn counter; no body
	Relocated Kind = 25 // servers have moved, see Topology; no body; one descriptor: the worker's Spec with the new Topology

	Announce Kind = 30 // a drain is going to come, or is not going to any more; body: AnnounceBody

	// From the master, about a handoff.
	Serve       Kind = 6  // accept from now on; no body
	Peer        Kind = 7  // a worker of the other generation; body: PeerBody; one descriptor
	MoveClients Kind = 8  // stop accepting, move the clients to the peers; body: MoveClientsBody
	Resume      Kind = 9  // move no more clients, accept again, and receive those that peers move back; no body
	Settle      Kind = 10 // the clients that were received stay; no body
	Finish      Kind = 11 // the peers serve now: move or drain what is left, then end; body: FinishBody
	Listen      Kind = 12 // accept from this socket, too; for a unix path in place of the one there was; body: ListenBody; one descriptor
	Removed     Kind = 23 // the next generation does not serve the addresses of these pools: accept on; body: RemovedBody
	Unlisten    Kind = 21 // close the listeners that Listen has brought for another slot; body: ListenBody, of which only For counts
	Lend        Kind = 17 // send copies of the listeners to a master that has none; no body

	// From the worker, about a handoff.
	ClientsMoved Kind = 13 // all that can move has moved; body: ClientsMovedBody
	PeerFailed   Kind = 14 // body: PeerFailedBody
	Lent         Kind = 18 // answers Lend; body: LentBody; as many descriptors; the next may follow
	Joined       Kind = 24 // the connection of a Peer is in use; body: PeerBody

	// From worker to worker, through the master, see QuestionBody.
	Question Kind = 26 // body: QuestionBody
	Answer   Kind = 27 // body: AnswerBody; one descriptor, or none
)

const (
	messageMagic   = 0x4b50 // "PK" little-endian
	messageVersion = 1
	headerBytes    = 16

	// MaxMessageBytes bounds header and body together.
	MaxMessageBytes = 8192
)

// Message is one datagram on the worker link.
type Message struct {
	Kind Kind
	Body []byte
}

var errShortMessage = errors.New("reading worker-link message: shorter than its header says")

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
		return Message{}, fmt.Errorf("reading worker-link message: unknown magic %#x", magic)
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
