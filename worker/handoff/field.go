// Fields: a tag of 2 bytes, a length of 4, a value. Messages and the states of clients are made of them.

package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// tag names a field. Numbers are never used again for something else.
type tag uint16

// critical marks a field that a reader must know.
const critical = 1 << 15

const fieldBytes = 6 // of tag and length

var (
	// ErrUnknown is the error for a critical field that this version does not know.
	ErrUnknown = errors.New("unknown critical field")

	errCut     = errors.New("it ends within a field")
	errLength  = errors.New("a number has another length than numbers have")
	errMissing = errors.New("a field is missing")
	errTwice   = errors.New("a field comes twice")
)

// tagSet is a set of the tags below tagSetBits; others are in no set.
type tagSet uint64

const tagSetBits = 64

func (t tag) bit() tagSet {
	if n := t &^ critical; n < tagSetBits {
		return 1 << n
	}
	return 0
}

// appendField appends the tag and the length of a value that follows.
func appendField(dst []byte, t tag, length int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(t))
	return binary.LittleEndian.AppendUint32(dst, uint32(length))
}

// eachField calls f for each field in b, until it returns an error. No field that has a bit may come twice.
func eachField(b []byte, f func(t tag, value []byte) error) error {
	var seen tagSet
	for len(b) > 0 {
		if len(b) < fieldBytes {
			return errCut
		}
		t, length := tag(binary.LittleEndian.Uint16(b)), uint64(binary.LittleEndian.Uint32(b[2:]))
		b = b[fieldBytes:]
		if length > uint64(len(b)) {
			return errCut
		}
		if seen&t.bit() != 0 {
			return fmt.Errorf("%w: tag %d", errTwice, t&^critical)
		}
		seen |= t.bit()
		if err := f(t, b[:length:length]); err != nil {
			return err
		}
		b = b[length:]
	}
	return nil
}

func readUint16(n *uint16, value []byte) error {
	if len(value) != 2 {
		return errLength
	}
	*n = binary.LittleEndian.Uint16(value)
	return nil
}

func readUint32(n *uint32, value []byte) error {
	if len(value) != 4 {
		return errLength
	}
	*n = binary.LittleEndian.Uint32(value)
	return nil
}

func readUint64(n *uint64, value []byte) error {
	if len(value) != 8 {
		return errLength
	}
	*n = binary.LittleEndian.Uint64(value)
	return nil
}
