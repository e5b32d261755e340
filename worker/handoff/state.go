// The states of clients that move: records, one after the other, as they are written and read.

package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	for i := range recordFields {
		field := &recordFields[i]
		field.write(s, field.tag, r)
	}
	s.cut()
	binary.LittleEndian.PutUint32(s.parts[head], uint32(s.bytes-before-4))
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
	var seen tagSet
	err = eachField(b, func(t tag, value []byte) error {
		seen |= t.bit()
		return r.field(t, value)
	})
	if err == nil && seen&requiredFields != requiredFields {
		err = errMissing
	}
	if err != nil {
		return Record{}, fmt.Errorf("reading state of a client: %w", err)
	}
	return r, nil
}
