// Messages between two workers: datagrams of a 16-byte header and fields.

package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Kind is the type of a message.
type Kind uint16

// The numbers are the contract between builds: each stays what it is, whatever comes or goes.
const (
	Hello    Kind = 1 // the first of each side
	Offer    Kind = 2 // to the new worker: records of clients; with descriptors: of the records, then one for each client
	Prepared Kind = 3 // to the old worker: a verdict on each
	Commit   Kind = 4 // to the new worker: the accepted clients are yours
	Taken    Kind = 5 // to the old worker: they are served
	Abort    Kind = 6 // to the new worker: the batch stays with the old one
)

var kindNames = [...]string{Hello: "HELLO", Offer: "OFFER", Prepared: "PREPARED", Commit: "COMMIT", Taken: "TAKEN", Abort: "ABORT"}

func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("message %d", uint16(k))
}

// Versions of the protocol that this package speaks.
const (
	MinVersion = 1
	MaxVersion = 1
)

const (
	messageMagic = 0x4850 // "PH" little-endian
	headerBytes  = 16

	// MaxMessageBytes bounds header and body together.
	MaxMessageBytes = 2048
	// MaxBatch is how many connections one OFFER may have: with the state's they are as many descriptors as the kernel
	// lets travel with a message.
	MaxBatch = 252

	maxTextBytes = 256 // of a build or a reason; longer ones are cut
)

// Verdict is the new worker's answer for one connection. With one that the old worker does not know, the connection stays
// with that.
type Verdict uint8

// These numbers are the contract between builds, too.
const (
	Accept        Verdict = 0 // the new worker will serve it
	Configuration Verdict = 1 // the new worker has no listener of its address and protocol
	Unreadable    Verdict = 2 // its record has a critical field that the new worker does not know
	NoResources   Verdict = 3 // the new worker lacks descriptors or memory; a later or a smaller batch may succeed
	Refused       Verdict = 4 // the new worker accepts no more clients
)

var verdictNames = [...]string{"take", "configuration", "unreadable", "no-resources", "refused"}

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// Message is one datagram. Fields that its kind does not have are zero.
type Message struct {
	Kind     Kind
	Version  uint16        // of the protocol
	Batch    uint32        // counted from 1 by the sender of the OFFER; 0 for Hello
	Min, Max uint16        // Hello: the versions that the sender speaks
	Build    string        // Hello: of the sender's binary
	Refuses  bool          // Hello: the sender accepts no more clients; in the first or a later one
	Count    int           // Offer: connections
	Verdicts []Verdict     // Prepared: of each
	Pause    time.Duration // Taken: the longest for which no worker served one of the connections
	Reason   string        // Abort
}

// Tags of the fields of messages.
const (
	tagMin      = 1 | critical // Hello: 2 bytes
	tagMax      = 2 | critical // Hello: 2 bytes
	tagBuild    = 3            // Hello: text
	tagCount    = 4 | critical // Offer: 4 bytes
	tagVerdicts = 5 | critical // Prepared: 1 byte for each connection
	tagPause    = 6            // Taken: 8 bytes, ns
	tagReason   = 7            // Abort: text
	tagRefuses  = 8            // Hello: nothing
)

// AppendMessage appends the wire form of m to dst: magic, kind, flags (none yet), version (2 bytes each), batch and body
// length (4 bytes each), then the fields. All numbers are little-endian.
func AppendMessage(dst []byte, m Message) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = le.AppendUint16(dst, messageMagic)
	dst = le.AppendUint16(dst, uint16(m.Kind))
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint16(dst, m.Version)
	dst = le.AppendUint32(dst, m.Batch)
	dst = le.AppendUint32(dst, 0)
	switch m.Kind {
	case Hello:
		dst = le.AppendUint16(appendField(dst, tagMin, 2), m.Min)
		dst = le.AppendUint16(appendField(dst, tagMax, 2), m.Max)
		dst = appendText(dst, tagBuild, m.Build)
		if m.Refuses {
			dst = appendField(dst, tagRefuses, 0)
		}
	case Offer:
		dst = le.AppendUint32(appendField(dst, tagCount, 4), uint32(m.Count))
	case Prepared:
		dst = appendField(dst, tagVerdicts, len(m.Verdicts))
		for _, v := range m.Verdicts {
			dst = append(dst, byte(v))
		}
	case Taken:
		dst = le.AppendUint64(appendField(dst, tagPause, 8), uint64(m.Pause))
	case Abort:
		dst = appendText(dst, tagReason, m.Reason)
	}
	le.PutUint32(dst[start+headerBytes-4:], uint32(len(dst)-start-headerBytes))
	return dst
}

func appendText(dst []byte, tag tag, text string) []byte {
	text = text[:min(len(text), maxTextBytes)]
	return append(appendField(dst, tag, len(text)), text...)
}

var errShortMessage = errors.New("reading handoff message: its length is not what its header says")

// ParseMessage reads one datagram. It keeps nothing of b.
func ParseMessage(b []byte) (Message, error) {
	if len(b) < headerBytes {
		return Message{}, errShortMessage
	}
	le := binary.LittleEndian
	if magic := le.Uint16(b); magic != messageMagic {
		return Message{}, fmt.Errorf("reading handoff message: unknown magic %#x", magic)
	}
	if n := le.Uint32(b[12:]); uint64(len(b)-headerBytes) != uint64(n) {
		return Message{}, errShortMessage
	}
	m := Message{Kind: Kind(le.Uint16(b[2:])), Version: le.Uint16(b[6:]), Batch: le.Uint32(b[8:])}
	var seen tagSet
	err := eachField(b[headerBytes:], func(t tag, value []byte) error {
		seen |= t.bit()
		return m.field(t, value)
	})
	if err == nil && seen&requiredIn[m.kind()] != requiredIn[m.kind()] {
		err = errMissing
	}
	if err != nil {
		return Message{}, fmt.Errorf("reading handoff message %v: %w", m.Kind, err)
	}
	return m, nil
}

// requiredIn are the fields that a message of a kind cannot be without.
var requiredIn = [len(kindNames)]tagSet{
	Hello: tag(tagMin).bit() | tag(tagMax).bit(), Offer: tag(tagCount).bit(), Prepared: tag(tagVerdicts).bit(),
}

// kind is m.Kind, 0 for those not known.
func (m *Message) kind() Kind {
	if int(m.Kind) < len(kindNames) {
		return m.Kind
	}
	return 0
}

// field reads one field of the body.
func (m *Message) field(t tag, value []byte) error {
	switch {
	case m.Kind == Hello && t == tagMin:
		return readUint16(&m.Min, value)
	case m.Kind == Hello && t == tagMax:
		return readUint16(&m.Max, value)
	case m.Kind == Hello && t == tagBuild:
		m.Build = string(value)
	case m.Kind == Hello && t == tagRefuses:
		m.Refuses = true
	case m.Kind == Offer && t == tagCount:
		var n uint32
		if err := readUint32(&n, value); err != nil {
			return err
		}
		m.Count = int(n)
	case m.Kind == Prepared && t == tagVerdicts:
		m.Verdicts = make([]Verdict, len(value))
		for i, v := range value {
			m.Verdicts[i] = Verdict(v)
		}
	case m.Kind == Taken && t == tagPause:
		var n uint64
		if err := readUint64(&n, value); err != nil {
			return err
		}
		m.Pause = time.Duration(n)
	case m.Kind == Abort && t == tagReason:
		m.Reason = string(value)
	case t&critical != 0:
		return fmt.Errorf("%w: tag %d", ErrUnknown, t&^critical)
	}
	return nil
}
