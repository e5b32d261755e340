// The records of clients that move: the old worker writes them into a memory file and the new one reads them. A record
// consists of protocol bytes and of what the client has told about itself; nothing in it depends on how a worker is built.

package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Record is one client, or a connection to a server that belongs to the client of a record before it. A client is owed no reply: all
// requests before Input are answered by Output, but for one that waits in a server, on such a connection.
type Record struct {
	Protocol string // that the client speaks
	Pool     string // the old worker's name for its pool, for log lines
	Network  string // of the listener that accepted it, as link.Listener has it
	Address  string

	Authenticated bool     // has given the password, or needed none
	Input         []byte   // received and not parsed; the kernel has what follows
	Output        [][]byte // not written yet: the concatenation; the kernel has what is before it
	Skip          uint64   // bytes of a refused request that are still to come, before the next request

	Transaction *Transaction // between MULTI and EXEC; nil: not there
	Watch       *Watch       // keys that it watches; nil: none

	Name       string // set by CLIENT SETNAME
	LibName    string
	LibVersion string

	RESP    uint32 // version of the Redis protocol that it is answered in, if not 2
	HasDB   bool   // has selected DB, another database than the one that its pool had
	DB      uint32
	Reply   Reply  // which replies it wants
	Dialect uint32 // of the protocol: 0, or DialectBinary

	Connections uint32 // of a client: so many of the records behind this one are connections of its own; their descriptors follow its

	// Of a connection: Network and Address are where the server is, and Input is the part of a reply that has come.
	Purposes uint32 // what the client needs it for; 0: this is a client
	Server   string // its name in the pool
	Waiting  string // the command that waits in the server, whose reply is still to come; empty: none does
	Key      string // the first key of that

	// What the client has subscribed to: of a connection, what that holds; of the client, what no connection of its holds.
	Subscriptions []Subscription

	Tracking []byte // the CLIENT TRACKING ON that it has said, one after the other
	Caching  bool   // CLIENT CACHING was the last thing that it said

	ID         uint64
	IdleMillis uint64 // since the client last sent or received something
	AgeMillis  uint64 // since it has connected; 0: unknown
	FrozenAt   int64  // ns, CLOCK_MONOTONIC: since when no worker serves it
}

// Reply is which replies a client wants, by CLIENT REPLY.
type Reply uint32

const (
	ReplyOn   Reply = 0 // all
	ReplyOff  Reply = 1 // none
	ReplySkip Reply = 2 // none to its next request
)

// Subscription is a channel (Kind 0), a pattern (1) or a shard channel (2).
type Subscription struct {
	Kind uint8
	Name string
}

// Transaction is what a client has sent since MULTI.
type Transaction struct {
	Aborted bool     // a request was refused: EXEC is refused, too
	Count   uint32   // of the requests
	Queued  [][]byte // the requests, each an array of bulk strings: the concatenation
}

// Bytes returns how many bytes the requests have.
func (t *Transaction) Bytes() int { return total(t.Queued) }

// Watch is what a client watches, over a connection that moves with it.
type Watch struct {
	Lost      bool   // whether a key has changed is not known any more
	Refused   bool   // a WATCH was refused: EXEC is refused, too
	Keys      uint32 // of them
	Placement uint64 // tells by what placement they live on the connection's server
}

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
	tagTransaction   = 17 | critical // flags (4 bytes), count (4 bytes), requests
	tagWatch         = 28 | critical // flags (4 bytes), keys (4 bytes), placement (8 bytes)
	tagRESP          = 16 | critical // 4 bytes
	tagDB            = 19 | critical // 4 bytes
	tagTracking      = 20 | critical // 1 byte, then of each request: 4 bytes of length, its bytes
	tagReply         = 22 | critical // 4 bytes
	tagDialect       = 21 | critical // 4 bytes
	tagConnections   = 15 | critical // 4 bytes
	tagSubscriptions = 18 | critical // of each: 1 byte, 4 bytes of length, name
	tagPurposes      = 27 | critical // 4 bytes
	tagServer        = 24 | critical
	tagWaiting       = 25 | critical
	tagKey           = 26 | critical
	tagAge           = 23 // 8 bytes, ms
)

// flagAuthenticated is the one flag there is. Each is critical: a reader that does not know one must not serve the client.
const flagAuthenticated = 1

// transactionAborted is the one flag of a transaction. Each is critical.
const transactionAborted = 1

// Flags of a watch. Each is critical.
const (
	watchLost    = 1
	watchRefused = 2
)

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
	if len(r.Tracking) > 0 {
		caching := byte(0)
		if r.Caching {
			caching = 1
		}
		s.own = append(append(appendField(s.own, tagTracking, 1+len(r.Tracking)), caching), r.Tracking...)
	}
	s.number(tagSkip, r.Skip)
	s.number(tagID, r.ID)
	s.number(tagIdle, r.IdleMillis)
	s.number(tagAge, r.AgeMillis)
	s.number(tagFrozen, uint64(r.FrozenAt))
	s.number32(tagConnections, r.Connections)
	s.number32(tagPurposes, r.Purposes)
	s.text(tagServer, r.Server)
	s.text(tagWaiting, r.Waiting)
	s.text(tagKey, r.Key)
	s.subscriptions(r.Subscriptions)
	s.transaction(r.Transaction)
	s.watch(r.Watch)
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

func (s *State) subscriptions(all []Subscription) {
	length := 0
	for _, sub := range all {
		length += subscriptionBytes + len(sub.Name)
	}
	if length == 0 {
		return
	}
	s.own = appendField(s.own, tagSubscriptions, length)
	for _, sub := range all {
		s.own = binary.LittleEndian.AppendUint32(append(s.own, sub.Kind), uint32(len(sub.Name)))
		s.own = append(s.own, sub.Name...)
	}
}

// subscriptionBytes is what a subscription takes beside its name.
const subscriptionBytes = 5

// readSubscriptions reads a list of them.
func readSubscriptions(b []byte) (all []Subscription, err error) {
	const kinds = 3
	for len(b) > 0 {
		if len(b) < subscriptionBytes {
			return nil, errCut
		}
		kind, length := b[0], uint64(binary.LittleEndian.Uint32(b[1:]))
		b = b[subscriptionBytes:]
		if length > uint64(len(b)) {
			return nil, errCut
		}
		if kind >= kinds {
			return nil, fmt.Errorf("%w: subscription of kind %d", ErrUnknown, kind)
		}
		all = append(all, Subscription{kind, string(b[:length])})
		b = b[length:]
	}
	return all, nil
}

func (s *State) number32(t tag, n uint32) {
	if n != 0 {
		s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, 4), n)
	}
}

// transaction appends a transaction, without copying its requests.
func (s *State) transaction(t *Transaction) {
	if t == nil {
		return
	}
	flags := uint32(0)
	if t.Aborted {
		flags |= transactionAborted
	}
	s.own = appendField(s.own, tagTransaction, 8+total(t.Queued))
	s.own = binary.LittleEndian.AppendUint32(s.own, flags)
	s.own = binary.LittleEndian.AppendUint32(s.own, t.Count)
	s.append(t.Queued)
}

// watch appends a watch.
func (s *State) watch(w *Watch) {
	if w == nil {
		return
	}
	flags := uint32(0)
	if w.Lost {
		flags |= watchLost
	}
	if w.Refused {
		flags |= watchRefused
	}
	s.own = binary.LittleEndian.AppendUint32(appendField(s.own, tagWatch, 16), flags)
	s.own = binary.LittleEndian.AppendUint32(s.own, w.Keys)
	s.own = binary.LittleEndian.AppendUint64(s.own, w.Placement)
}

// foreign appends a field, if there is something to say, without copying its bytes.
func (s *State) foreign(t tag, chunks ...[]byte) {
	if length := total(chunks); length > 0 {
		s.own = appendField(s.own, t, length)
		s.append(chunks)
	}
}

func total(chunks [][]byte) (bytes int) {
	for _, chunk := range chunks {
		bytes += len(chunk)
	}
	return bytes
}

// append appends chunks without copying them.
func (s *State) append(chunks [][]byte) {
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
	case tagTransaction:
		return r.transaction(value)
	case tagWatch:
		return r.watch(value)
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
	case tagAge:
		return readUint64(&r.AgeMillis, value)
	case tagFrozen:
		var n uint64
		err := readUint64(&n, value)
		r.FrozenAt = int64(n)
		return err
	case tagConnections:
		return readUint32(&r.Connections, value)
	case tagPurposes:
		return readUint32(&r.Purposes, value)
	case tagServer:
		r.Server = string(value)
	case tagWaiting:
		r.Waiting = string(value)
	case tagKey:
		r.Key = string(value)
	case tagTracking:
		if len(value) < 2 || value[0] > 1 {
			return fmt.Errorf("%w: tracking", ErrUnknown)
		}
		r.Caching, r.Tracking = value[0] == 1, value[1:]
	case tagSubscriptions:
		var err error
		r.Subscriptions, err = readSubscriptions(value)
		return err
	default:
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
