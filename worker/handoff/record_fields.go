// The fields of a record: the number of each, how it is written and how it is read.

package handoff

import (
	"encoding/binary"
	"fmt"
	"math"
)

// recordField is a row of the table below.
type recordField struct {
	tag  tag
	name string // of what it says, for errors
	form
}

// form is how the value of a field is written, and read. write appends the field with its tag, or nothing where there is nothing
// to say. What read leaves in r may be part of value.
type form struct {
	write func(s *State, t tag, r *Record)
	read  func(r *Record, value []byte) error
}

// recordFields has every field, in the order in which they are written. Who adds one takes the next number that is free, says
// whether a reader must know it, and puts an example into testdata: TestFieldsHaveExamples.
var recordFields = [...]recordField{
	{1 | critical, "protocol", text(func(r *Record) *string { return &r.Protocol })},
	{2, "pool", text(func(r *Record) *string { return &r.Pool })},
	{3 | critical, "network", text(func(r *Record) *string { return &r.Network })},
	{4 | critical, "address", text(func(r *Record) *string { return &r.Address })},
	{5 | critical, "flags", form{writeFlags, readFlags}},
	{36 | critical, "user", text(func(r *Record) *string { return &r.User })},
	{39 | critical, "rules", text(func(r *Record) *string { return &r.Rules })},
	{9, "name", boundedText(func(r *Record) *string { return &r.Name })},
	{10, "library", boundedText(func(r *Record) *string { return &r.LibName })},
	{11, "version of the library", boundedText(func(r *Record) *string { return &r.LibVersion })},
	{16 | critical, "version of RESP", number32(3, 3, func(r *Record) *uint32 { return &r.RESP })},
	{19 | critical, "database", form{writeDB, readDB}},
	{22 | critical, "CLIENT REPLY", number32(ReplyOn, ReplySkip, func(r *Record) *Reply { return &r.Reply })},
	{21 | critical, "dialect", number32(0, DialectBinary, func(r *Record) *uint32 { return &r.Dialect })},
	{20 | critical, "tracking", form{writeTracking, readTracking}},
	{8 | critical, "bytes to skip", number64(func(r *Record) *uint64 { return &r.Skip })},
	{12, "id", number64(func(r *Record) *uint64 { return &r.ID })},
	{13, "idle time", number64(func(r *Record) *uint64 { return &r.IdleMillis })},
	{23, "age", number64(func(r *Record) *uint64 { return &r.AgeMillis })},
	{14, "time of freezing", number64(func(r *Record) *int64 { return &r.FrozenAt })},
	{15 | critical, "connections", number32(0, math.MaxUint32, func(r *Record) *uint32 { return &r.Connections })},
	{27 | critical, "purposes", number32(0, math.MaxUint32, func(r *Record) *uint32 { return &r.Purposes })},
	{24 | critical, "server", text(func(r *Record) *string { return &r.Server })},
	{25 | critical, "command that waits", text(func(r *Record) *string { return &r.Waiting })},
	{26 | critical, "key", text(func(r *Record) *string { return &r.Key })},
	{38, "request that waits", bytesOf(func(r *Record) *[]byte { return &r.Request })},
	{29, "patience", number64(func(r *Record) *uint64 { return &r.Patience })},
	{31, "number", number64(func(r *Record) *uint64 { return &r.Number })},
	{30 | critical, "MONITOR", number32(Monitors, Monitors, func(r *Record) *uint32 { return &r.Monitoring })},
	{18 | critical, "subscriptions", form{writeSubscriptions, readSubscriptions}},
	{17 | critical, "transaction", form{writeTransaction, readTransaction}},
	{28 | critical, "watch", form{writeWatch, readWatch}},
	{32 | critical, "TLS", bytesOf(func(r *Record) *[]byte { return &r.TLS })},
	{33 | critical, "input of TLS", bytesOf(func(r *Record) *[]byte { return &r.TLSInput })},
	{34 | critical, "output of TLS", form{writeTLSOutput, readTLSOutput}},
	{35 | critical, "certificate", number32(VerifiedCertificate, VerifiedCertificate, func(r *Record) *uint32 { return &r.Verified })},
	{37 | critical, "name in the certificate", text(func(r *Record) *string { return &r.TLSUser })},
	{6 | critical, "input", bytesOf(func(r *Record) *[]byte { return &r.Input })},
	{7 | critical, "output", form{writeOutput, readOutput}},
}

// fieldsByNumber has the rows at their numbers, which are tags without the mark of what is critical.
var fieldsByNumber = indexFields()

func indexFields() (rows [tagSetBits]*recordField) {
	for i := range recordFields {
		row := &recordFields[i]
		rows[row.tag&^critical] = row
	}
	return rows
}

// requiredFields are those without which no record is of use.
const requiredFields = tagSet(1<<1 | 1<<3 | 1<<4) // protocol, network, address

// field reads one field.
func (r *Record) field(t tag, value []byte) error {
	number := t &^ critical
	if int(number) < len(fieldsByNumber) {
		if row := fieldsByNumber[number]; row != nil && row.tag == t {
			if err := row.read(r, value); err != nil {
				return fmt.Errorf("%s: %w", row.name, err)
			}
			return nil
		}
	}
	if t&critical != 0 {
		return fmt.Errorf("%w: tag %d", ErrUnknown, number)
	}
	return nil
}

// text is the form of a text that is empty if there is nothing to say.
func text(at func(r *Record) *string) form {
	return form{
		write: func(s *State, t tag, r *Record) {
			if text := *at(r); text != "" {
				s.own = append(appendField(s.own, t, len(text)), text...)
			}
		},
		read: func(r *Record, value []byte) error {
			*at(r) = string(value)
			return nil
		},
	}
}

// boundedText is the form of a text that is not read if it is longer than MaxNameBytes.
func boundedText(at func(r *Record) *string) form {
	f := text(at)
	read := f.read
	f.read = func(r *Record, value []byte) error {
		if len(value) > MaxNameBytes {
			return nil
		}
		return read(r, value)
	}
	return f
}

// number32 is the form of a number of 4 bytes that is 0 if there is nothing to say. A reader knows those from least to most.
func number32[T ~uint32](least, most T, at func(r *Record) *T) form {
	return form{
		write: func(s *State, t tag, r *Record) {
			if n := *at(r); n != 0 {
				s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, 4), uint32(n))
			}
		},
		read: func(r *Record, value []byte) error {
			if len(value) != 4 {
				return errLength
			}
			n := T(binary.LittleEndian.Uint32(value))
			if n < least || n > most {
				return fmt.Errorf("%w: %d", ErrUnknown, n)
			}
			*at(r) = n
			return nil
		},
	}
}

// number64 is the form of a number of 8 bytes that is 0 if there is nothing to say.
func number64[T uint64 | int64](at func(r *Record) *T) form {
	return form{
		write: func(s *State, t tag, r *Record) {
			if n := *at(r); n != 0 {
				s.own = binary.LittleEndian.AppendUint64(appendField(s.own, t, 8), uint64(n))
			}
		},
		read: func(r *Record, value []byte) error {
			if len(value) != 8 {
				return errLength
			}
			*at(r) = T(binary.LittleEndian.Uint64(value))
			return nil
		},
	}
}

// flagAuthenticated is the one flag there is. Each is critical: a reader that does not know one must not serve the client.
const flagAuthenticated = 1

// writeFlags appends the flags (4 bytes), even if none is set.
func writeFlags(s *State, t tag, r *Record) {
	flags := uint32(0)
	if r.Authenticated {
		flags |= flagAuthenticated
	}
	s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, 4), flags)
}

func readFlags(r *Record, value []byte) error {
	var flags uint32
	if err := readUint32(&flags, value); err != nil {
		return err
	}
	if flags&^flagAuthenticated != 0 {
		return fmt.Errorf("%w: %#x", ErrUnknown, flags)
	}
	r.Authenticated = flags&flagAuthenticated != 0
	return nil
}

// writeDB appends the number of the database (4 bytes), even if that is 0.
func writeDB(s *State, t tag, r *Record) {
	if r.HasDB {
		s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, 4), r.DB)
	}
}

func readDB(r *Record, value []byte) error {
	r.HasDB = true
	return readUint32(&r.DB, value)
}

// writeTracking appends whether CLIENT CACHING was said last (1 byte), and the CLIENT TRACKING ON.
func writeTracking(s *State, t tag, r *Record) {
	if len(r.Tracking) == 0 {
		return
	}
	caching := byte(0)
	if r.Caching {
		caching = 1
	}
	s.own = append(append(appendField(s.own, t, 1+len(r.Tracking)), caching), r.Tracking...)
}

func readTracking(r *Record, value []byte) error {
	if len(value) < 2 || value[0] > 1 {
		return ErrUnknown
	}
	r.Caching, r.Tracking = value[0] == 1, value[1:]
	return nil
}

// bytesOf is the form of bytes that are not copied. There are none if there is nothing to say.
func bytesOf(at func(r *Record) *[]byte) form {
	return form{
		write: func(s *State, t tag, r *Record) { s.foreign(t, *at(r)) },
		read: func(r *Record, value []byte) error {
			*at(r) = value
			return nil
		},
	}
}

func writeTLSOutput(s *State, t tag, r *Record) { s.foreign(t, r.TLSOutput...) }

func readTLSOutput(r *Record, value []byte) error {
	r.TLSOutput = [][]byte{value}
	return nil
}

func writeOutput(s *State, t tag, r *Record) { s.foreign(t, r.Output...) }

func readOutput(r *Record, value []byte) error {
	r.Output = [][]byte{value}
	return nil
}
