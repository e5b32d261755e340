// The records of clients that move: the old worker writes them into a memory file and the new one reads them. A record
// consists of protocol bytes and of what the client has told about itself; nothing in it depends on how a worker is built.

package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Record is one client. It is owed no reply: all requests before Input are answered by Output.
type Record struct {
	Protocol string // that the client speaks
	Pool     string // the old worker's name for its pool, for log lines
	Network  string // of the listener that accepted it, as link.Listener has it
	Address  string

	Authenticated bool     // has given the password, or needed none
	Input         []byte   // received and not parsed; the kernel has what follows
	Output        [][]byte // not written yet: the concatenation; the kernel has what is before it
	Skip          uint64   // bytes of a refused request that are still to come, before the next request

	Name       string // set by CLIENT SETNAME
	LibName    string
	LibVersion string

	RESP    uint32 // version of the Redis protocol that it is answered in, if not 2
	HasDB   bool   // has selected DB, another database than the one that its pool had
	DB      uint32
	Reply   Reply  // which replies it wants
	Dialect uint32 // of the protocol: 0, or DialectBinary

	ID         uint64
	IdleMillis uint64 // since the client last sent or received something
	FrozenAt   int64  // ns, CLOCK_MONOTONIC: since when no worker serves it
}

// Reply is which replies a client wants, by CLIENT REPLY.
type Reply uint32

const (
	ReplyOn   Reply = 0 // all
	ReplyOff  Reply = 1 // none
	ReplySkip Reply = 2 // none to its next request
)

// MaxNameBytes bounds each of Name, LibName and LibVersion. A longer one, from a build that did not bound them, is left out.
const MaxNameBytes = 1 << 10

// DialectBinary is the binary protocol of memcached.
const DialectBinary = 1

// Tags of the fields of a record.
const (
	tagProtocol      = 1 | critical
	tagPool          = 2
	tagNetwork       = 3 | critical
	tagAddress       = 4 | critical
	tagFlags         = 5 | critical // 4 bytes
	tagInput         = 6 | critical
	tagOutput        = 7 | critical
	tagSkip          = 8 | critical // 8 bytes
	tagName          = 9
	tagLibName       = 10
	tagLibVersion    = 11
	tagID            = 12            // 8 bytes
	tagIdle          = 13            // 8 bytes, ms
	tagFrozen        = 14            // 8 bytes, ns
	tagDedicatedConn = 15 | critical // 4 bytes: which descriptor of the batch is a server connection of this client alone
	tagRESP          = 16 | critical // 4 bytes
	tagDB            = 19 | critical // 4 bytes
	tagReply         = 22 | critical // 4 bytes
	tagDialect       = 21 | critical // 4 bytes
)

// flagAuthenticated is the one flag there is. Each is critical: a reader that does not know one must not serve the client.
const flagAuthenticated = 1

// State is the encoded form of several records, without a copy of their Input and Output.
type State struct {
	parts [][]byte // complete ones
	own   []byte   // the part being written: all but Input and Output of the records
	bytes int      // of parts
}

// ownBytes is the size of the chunks that everything but Input and Output is written to.
const ownBytes = 8 << 10

// Add appends a record: its length (4 bytes) and its fields. Input and Output are not copied.
func (s *State) Add(r *Record) {
	s.cut()
	head, before := len(s.parts), s.bytes
	s.own = append(s.own, 0, 0, 0, 0) // the length, below
	s.text(tagProtocol, r.Protocol)
	s.text(tagPool, r.Pool)
	s.text(tagNetwork, r.Network)
	s.text(tagAddress, r.Address)
	flags := uint32(0)
	if r.Authenticated {
		flags |= flagAuthenticated
	}
	s.own = binary.LittleEndian.AppendUint32(appendField(s.own, tagFlags, 4), flags)
	s.text(tagName, r.Name)
	s.text(tagLibName, r.LibName)
	s.text(tagLibVersion, r.LibVersion)
	s.number32(tagRESP, r.RESP)
	if r.HasDB {
		s.own = binary.LittleEndian.AppendUint32(appendField(s.own, tagDB, 4), r.DB)
	}
	s.number32(tagReply, uint32(r.Reply))
	s.number32(tagDialect, r.Dialect)
	s.number(tagSkip, r.Skip)
	s.number(tagID, r.ID)
	s.number(tagIdle, r.IdleMillis)
	s.number(tagFrozen, uint64(r.FrozenAt))
	s.foreign(tagInput, r.Input)
	s.foreign(tagOutput, r.Output...)
	s.cut()
	binary.LittleEndian.PutUint32(s.parts[head], uint32(s.bytes-before-4))
}

// text, number and number32 append a field, if there is something to say.
func (s *State) text(t tag, text string) {
	if text != "" {
		s.own = append(appendField(s.own, t, len(text)), text...)
	}
}

func (s *State) number(t tag, n uint64) {
	if n != 0 {
		s.own = binary.LittleEndian.AppendUint64(appendField(s.own, t, 8), n)
	}
}

func (s *State) number32(t tag, n uint32) {
	if n != 0 {
		s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, 4), n)
	}
}

// foreign appends a field without copying its bytes.
func (s *State) foreign(t tag, chunks ...[]byte) {
	length := 0
	for _, chunk := range chunks {
		length += len(chunk)
	}
	if length == 0 {
		return
	}
	s.own = appendField(s.own, t, length)
	s.cut()
	for _, chunk := range chunks {
		if len(chunk) > 0 {
			s.parts = append(s.parts, chunk)
			s.bytes += len(chunk)
		}
	}
}

// cut ends the part being written.
func (s *State) cut() {
	if len(s.own) > 0 {
		s.parts = append(s.parts, s.own)
		s.bytes += len(s.own)
	}
	s.own = s.own[len(s.own):]
	if cap(s.own) < ownBytes/2 {
		s.own = make([]byte, 0, ownBytes)
	}
}

// Parts returns what to write, one after the other.
func (s *State) Parts() [][]byte { return s.parts }

// Bytes returns how many bytes that is.
func (s *State) Bytes() int { return s.bytes }

var errState = errors.New("reading handoff state: it does not consist of as many records as were announced")

// ParseState reads count records. A state that is cut short is useless as a whole: errState. errs[i] is what is wrong with
// records[i] alone; it wraps ErrUnknown if a later build could read it. Input and Output are parts of b.
func ParseState(b []byte, count int) (records []Record, errs []error, err error) {
	const least = 4 // bytes of a record
	if count < 0 || count > len(b)/least {
		return nil, nil, errState
	}
	records, errs = make([]Record, count), make([]error, count)
	for i := range count {
		if len(b) < least {
			return nil, nil, errState
		}
		length := uint64(binary.LittleEndian.Uint32(b))
		b = b[least:]
		if length > uint64(len(b)) {
			return nil, nil, errState
		}
		records[i], errs[i] = parseRecord(b[:length])
		b = b[length:]
	}
	if len(b) > 0 {
		return nil, nil, errState
	}
	return records, errs, nil
}

func parseRecord(b []byte) (r Record, err error) {
	const required = tagSet(1<<(tagProtocol&^critical) | 1<<(tagNetwork&^critical) | 1<<(tagAddress&^critical))
	var seen tagSet
	err = eachField(b, func(t tag, value []byte) error {
		seen |= t.bit()
		return r.field(t, value)
	})
	if err == nil && seen&required != required {
		err = errMissing
	}
	if err != nil {
		return Record{}, fmt.Errorf("reading state of a client: %w", err)
	}
	return r, nil
}

// field reads one field.
func (r *Record) field(t tag, value []byte) error {
	switch t {
	case tagProtocol:
		r.Protocol = string(value)
	case tagPool:
		r.Pool = string(value)
	case tagNetwork:
		r.Network = string(value)
	case tagAddress:
		r.Address = string(value)
	case tagFlags:
		var flags uint32
		if err := readUint32(&flags, value); err != nil {
			return err
		}
		if flags&^flagAuthenticated != 0 {
			return fmt.Errorf("%w: flags %#x", ErrUnknown, flags)
		}
		r.Authenticated = flags&flagAuthenticated != 0
	case tagInput:
		r.Input = value
	case tagOutput:
		r.Output = [][]byte{value}
	case tagSkip:
		return readUint64(&r.Skip, value)
	case tagName:
		r.Name = name(value)
	case tagLibName:
		r.LibName = name(value)
	case tagLibVersion:
		r.LibVersion = name(value)
	case tagRESP:
		if err := readUint32(&r.RESP, value); err != nil || r.RESP == 3 {
			return err
		}
		return fmt.Errorf("%w: version %d of the protocol", ErrUnknown, r.RESP)
	case tagDB:
		r.HasDB = true
		return readUint32(&r.DB, value)
	case tagReply:
		if err := readUint32((*uint32)(&r.Reply), value); err != nil || r.Reply <= ReplySkip {
			return err
		}
		return fmt.Errorf("%w: CLIENT REPLY %d", ErrUnknown, r.Reply)
	case tagDialect:
		err := readUint32(&r.Dialect, value)
		if err == nil && r.Dialect > DialectBinary {
			err = fmt.Errorf("%w: dialect %d", ErrUnknown, r.Dialect)
		}
		return err
	case tagID:
		return readUint64(&r.ID, value)
	case tagIdle:
		return readUint64(&r.IdleMillis, value)
	case tagFrozen:
		var n uint64
		err := readUint64(&n, value)
		r.FrozenAt = int64(n)
		return err
	default: // tagDedicatedConn, too: this version makes no such connections
		if t&critical != 0 {
			return fmt.Errorf("%w: tag %d", ErrUnknown, t&^critical)
		}
	}
	return nil
}

func name(value []byte) string {
	if len(value) > MaxNameBytes {
		return ""
	}
	return string(value)
}
