// The frame of a record (RFC 9846, 5.1).

package tlsrec

import "encoding/binary"

type recordKind uint8

const (
	recordChangeCipherSpec recordKind = 20
	recordAlert            recordKind = 21
	recordHandshake        recordKind = 22
	recordData             recordKind = 23
)

const (
	// HeaderSize is the length of the header of a record: kind, version, length.
	HeaderSize = 5
	// MaxPlaintext is how much a record can contain, in bytes.
	MaxPlaintext = 16384
	// MaxRecord is how long a record can be, in bytes, with its header.
	MaxRecord = HeaderSize + maxCiphertext12
	// Overhead is how many bytes a record has at most beside its plaintext.
	Overhead = HeaderSize + explicitSize + tagSize + 1

	maxCiphertext13 = MaxPlaintext + 256
	maxCiphertext12 = MaxPlaintext + 2048
	explicitSize    = 8
	tagSize         = 16
)

// recordVersion is in the header of each record, whichever the version of the connection.
const recordVersion = 0x0303

// RecordSize returns how long the record at the beginning of b is, with its header, or 0 as long as the header is incomplete.
func RecordSize(b []byte) int {
	if len(b) < HeaderSize {
		return 0
	}
	return HeaderSize + int(binary.BigEndian.Uint16(b[3:]))
}
