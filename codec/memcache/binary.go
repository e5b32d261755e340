// The binary protocol as clients speak it: a request is a packet, a header of 24 bytes with extras, key and value behind it, and
// becomes a text request that says the same. Its source is doc/protocol-binary.txt of memcached; what that leaves open is as
// memcached 1.6.18 has it (proto_bin.c).

package memcache

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode"
)

// BinaryMagic is the first byte of every request of the binary protocol, and of none of the text protocol.
const BinaryMagic = 0x80

const (
	binaryHeaderBytes = 24
	replyMagic        = 0x81

	// maxHeadBytes is more than a packet has before its value.
	maxHeadBytes = binaryHeaderBytes + 4 + MaxKeyBytes
)

// BinaryStatus is the result of a binary request.
type BinaryStatus uint16

const (
	statusOK             BinaryStatus = 0x00
	statusNotFound       BinaryStatus = 0x01
	statusExists         BinaryStatus = 0x02
	StatusTooLarge       BinaryStatus = 0x03
	StatusInvalid        BinaryStatus = 0x04
	statusNotStored      BinaryStatus = 0x05
	statusNotNumeric     BinaryStatus = 0x06
	StatusDenied         BinaryStatus = 0x20
	statusContinue       BinaryStatus = 0x21
	StatusUnknown        BinaryStatus = 0x81
	statusNoMemory       BinaryStatus = 0x82
	statusNotSupported   BinaryStatus = 0x83
	statusTemporaryFault BinaryStatus = 0x86
)

// text words a status as memcached does.
func (s BinaryStatus) text() string {
	switch s {
	case statusOK:
		return ""
	case statusNotFound:
		return "Not found"
	case statusExists:
		return "Data exists for key."
	case StatusTooLarge:
		return "Too large."
	case StatusInvalid:
		return "Invalid arguments"
	case statusNotStored:
		return "Not stored."
	case statusNotNumeric:
		return "Non-numeric server-side value for incr or decr"
	case StatusDenied:
		return "Auth failure."
	case StatusUnknown:
		return "Unknown command"
	case statusNoMemory:
		return "Out of memory"
	}
	return "Temporary failure"
}

// binaryKind is what a binary request asks for.
type binaryKind uint8

const (
	binaryUnknown binaryKind = iota
	binaryGet
	binaryTouch
	binaryStore
	binaryAppend
	binaryDelete
	binaryArith
	binaryFlush
	binaryStat
	binaryVersion
	binaryNoOp
	binaryQuit
	binaryMechanisms // of SASL
	binaryAuth       // the same
)

// opcode is one row of the table of the binary protocol's commands.
type opcode struct {
	kind  binaryKind
	mode  string // of a meta command: its flag M
	quiet bool   // what is usual is not told
	key   bool   // a reply with a value has the key, too
	value bool   // of a touch: the reply has the value
}

// opcodes are those that memcached knows.
var opcodes = [256]opcode{
	0x00: {kind: binaryGet, value: true},
	0x01: {kind: binaryStore},
	0x02: {kind: binaryStore, mode: "ME"},
	0x03: {kind: binaryStore, mode: "MR"},
	0x04: {kind: binaryDelete},
	0x05: {kind: binaryArith},
	0x06: {kind: binaryArith, mode: "MD"},
	0x07: {kind: binaryQuit},
	0x08: {kind: binaryFlush},
	0x09: {kind: binaryGet, value: true, quiet: true},
	0x0a: {kind: binaryNoOp},
	0x0b: {kind: binaryVersion},
	0x0c: {kind: binaryGet, value: true, key: true},
	0x0d: {kind: binaryGet, value: true, key: true, quiet: true},
	0x0e: {kind: binaryAppend, mode: "MA"},
	0x0f: {kind: binaryAppend, mode: "MP"},
	0x10: {kind: binaryStat},
	0x11: {kind: binaryStore, quiet: true},
	0x12: {kind: binaryStore, mode: "ME", quiet: true},
	0x13: {kind: binaryStore, mode: "MR", quiet: true},
	0x14: {kind: binaryDelete, quiet: true},
	0x15: {kind: binaryArith, quiet: true},
	0x16: {kind: binaryArith, mode: "MD", quiet: true},
	0x17: {kind: binaryQuit, quiet: true},
	0x18: {kind: binaryFlush, quiet: true},
	0x19: {kind: binaryAppend, mode: "MA", quiet: true},
	0x1a: {kind: binaryAppend, mode: "MP", quiet: true},
	0x1c: {kind: binaryTouch},
	0x1d: {kind: binaryTouch, value: true},
	0x1e: {kind: binaryTouch, value: true, quiet: true},
	0x20: {kind: binaryMechanisms},
	0x21: {kind: binaryAuth},
	0x22: {kind: binaryAuth},
	0x23: {kind: binaryTouch, value: true, key: true},
	0x24: {kind: binaryTouch, value: true, key: true, quiet: true},
}

// BinaryRequest is a binary request as far as its header tells, and where the rest of it is. It refers to the bytes that it
// was parsed from.
type BinaryRequest struct {
	Form   ReplyForm
	Size   int          // bytes of the whole request; 0: its header is not complete
	Status BinaryStatus // other than 0: it is answered by this error, and nothing is forwarded
	Close  bool         // once it is answered the connection is closed
	NoOp   bool         // it is answered in its place among the replies
	Quit   bool         // the connection is to be closed, after AppendQuitReply

	Key   []byte // this, Value and extras are set if all Size bytes are there
	Value []byte

	extras []byte
	cas    uint64
}

// ConsumeBinary parses the request at the front of b, which begins with BinaryMagic. It is complete if 0 < Size ≤ len(b); what
// Status, Close, NoOp and Quit say holds before.
func ConsumeBinary(b []byte) (r BinaryRequest) {
	if len(b) < binaryHeaderBytes {
		return r
	}
	r.Form = ReplyForm{Kind: formBinary, Opcode: b[1], Opaque: binary.BigEndian.Uint32(b[12:])}
	keyBytes, extraBytes := int(binary.BigEndian.Uint16(b[2:])), int(b[4])
	body := int(binary.BigEndian.Uint32(b[8:]))
	r.Size = binaryHeaderBytes + body
	r.cas = binary.BigEndian.Uint64(b[16:])
	op := &opcodes[b[1]]
	switch {
	case keyBytes+extraBytes > body:
		r.Status, r.Close = StatusUnknown, true
		return r
	case keyBytes > MaxKeyBytes, !op.admits(extraBytes, keyBytes, body-extraBytes-keyBytes):
		r.Status, r.Close = StatusInvalid, true
		return r
	case op.kind == binaryUnknown, op.kind == binaryMechanisms, op.kind == binaryAuth: // unless the caller knows SASL, see Auth
		r.Status = StatusUnknown
	}
	r.NoOp, r.Quit = op.kind == binaryNoOp, op.kind == binaryQuit
	if r.Size <= len(b) {
		rest := b[binaryHeaderBytes:r.Size]
		r.extras, r.Key, r.Value = rest[:extraBytes], rest[extraBytes:extraBytes+keyBytes], rest[extraBytes+keyBytes:]
	}
	return r
}

// admits reports whether a request may have extras, a key and a value of so many bytes.
func (op *opcode) admits(extras, key, value int) bool {
	switch op.kind {
	case binaryGet, binaryDelete:
		return extras == 0 && key > 0 && value == 0
	case binaryTouch:
		return extras == 4 && key > 0 && value == 0
	case binaryStore:
		return extras == 8 && key > 0
	case binaryAppend:
		return extras == 0 && key > 0
	case binaryArith:
		return extras == 20 && key > 0 && value == 0
	case binaryFlush:
		return (extras == 0 || extras == 4) && key == 0 && value == 0
	case binaryStat:
		return extras == 0
	case binaryAuth:
		return extras == 0 && key > 0
	case binaryVersion, binaryNoOp, binaryQuit, binaryMechanisms:
		return extras == 0 && key == 0 && value == 0
	}
	return true
}

// HasValue reports whether r stores its Value: the text request is what AppendHead appends, the Value, and "\r\n".
func (r *BinaryRequest) HasValue() bool {
	kind := opcodes[r.Form.Opcode].kind
	return kind == binaryStore || kind == binaryAppend
}

// AppendHead appends the line of the text request that AppendText appends.
func (r *BinaryRequest) AppendHead(dst []byte) (head []byte, failure BinaryStatus) {
	op := &opcodes[r.Form.Opcode]
	switch op.kind {
	case binaryFlush:
		dst = append(dst, "flush_all"...)
		if len(r.extras) > 0 {
			dst = strconv.AppendUint(append(dst, ' '), expiry(r.extras), 10)
		}
		return append(dst, crlf...), statusOK
	case binaryVersion:
		return append(dst, "version\r\n"...), statusOK
	case binaryStat:
		return r.appendStats(dst)
	}
	return r.appendMeta(dst, op)
}

// AppendText appends the text request that says what r says, which is complete and has no Status. If there is none the failure
// answers r: a key with bytes that no text may have must fit into the length of a key as base64.
func (r *BinaryRequest) AppendText(dst []byte) (text []byte, failure BinaryStatus) {
	dst, failure = r.AppendHead(dst)
	if failure == statusOK && r.HasValue() {
		dst = append(dst, r.Value...)
		dst = append(dst, crlf...)
	}
	return dst, failure
}

// appendMeta appends the line of a meta command, which says everything that a packet can.
func (r *BinaryRequest) appendMeta(dst []byte, op *opcode) (line []byte, failure BinaryStatus) {
	encoded := !isText(r.Key)
	if encoded && keyEncoding.EncodedLen(len(r.Key)) > MaxKeyBytes {
		return dst, StatusInvalid
	}
	switch op.kind {
	case binaryDelete:
		dst = append(dst, "md "...)
	case binaryArith:
		dst = append(dst, "ma "...)
	case binaryStore, binaryAppend:
		dst = append(dst, "ms "...)
	default:
		dst = append(dst, "mg "...)
	}
	if encoded {
		dst = keyEncoding.AppendEncode(dst, r.Key)
	} else {
		dst = append(dst, r.Key...)
	}
	if r.HasValue() {
		dst = strconv.AppendInt(append(dst, ' '), int64(len(r.Value)), 10)
	}
	if encoded {
		dst = append(dst, " b"...)
	}
	return append(r.appendFlags(dst, op), crlf...), statusOK
}

// appendFlags appends the flags of a meta command but for b.
func (r *BinaryRequest) appendFlags(dst []byte, op *opcode) []byte {
	if r.cas != 0 && op.kind != binaryGet && op.kind != binaryTouch {
		dst = appendFlag(dst, 'C', r.cas)
	}
	if op.mode != "" && (r.cas == 0 || op.kind != binaryStore) { // as memcached has it, CAS makes all of them one
		dst = append(append(dst, ' '), op.mode...)
	}
	switch op.kind {
	case binaryGet:
		dst = append(dst, " v f c"...)
	case binaryTouch:
		dst = appendFlag(append(dst, " f c"...), 'T', expiry(r.extras))
		if op.value {
			dst = append(dst, " v"...)
		}
	case binaryStore:
		dst = appendFlag(append(dst, " c"...), 'F', uint64(binary.BigEndian.Uint32(r.extras)))
		dst = appendFlag(dst, 'T', expiry(r.extras[4:]))
	case binaryAppend:
		dst = append(dst, " c"...)
	case binaryArith:
		dst = appendFlag(append(dst, " v c"...), 'D', binary.BigEndian.Uint64(r.extras))
		if binary.BigEndian.Uint32(r.extras[16:]) != math.MaxUint32 { // which stands for: it must be there
			dst = appendFlag(dst, 'J', binary.BigEndian.Uint64(r.extras[8:]))
			dst = appendFlag(dst, 'N', expiry(r.extras[16:]))
		}
	}
	if op.key {
		dst = append(dst, " k"...)
	}
	return dst
}

func appendFlag(dst []byte, letter byte, number uint64) []byte {
	return strconv.AppendUint(append(dst, ' ', letter), number, 10)
}

// expiry returns the time with which b begins. What text cannot say is as far away as it can.
func expiry(b []byte) uint64 {
	return uint64(min(binary.BigEndian.Uint32(b), math.MaxInt32))
}

// appendStats appends a request for the statistics that the key names.
func (r *BinaryRequest) appendStats(dst []byte) (text []byte, failure BinaryStatus) {
	name := bytes.TrimPrefix(r.Key, []byte(" "))
	if bytes.ContainsFunc(name, unicode.IsControl) || bytes.HasPrefix(name, []byte("cachedump")) { // which memcached has in text only
		return dst, statusNotFound
	}
	dst = append(dst, "stats"...)
	if len(name) > 0 {
		dst = append(append(dst, ' '), name...)
	}
	return append(dst, crlf...), statusOK
}

// isText reports whether a key may stand in a line.
func isText(key []byte) bool {
	for _, c := range key {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
