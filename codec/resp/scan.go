// SCAN over several servers: one after the other, and the cursor says which and where in it.
//
// A cursor of a pool is a number of 53 bits, which every client can take for an integer, and which no Redis gives itself:
//
//	bit 52      51 … 16                                 15 … 0
//	  1         cursor of the server × servers + server  mark of the pool's list of servers
//
// It holds no state, so it goes on in any worker of any generation. A pool with other servers sees by the mark that the cursor is
// not its own: what it says of a server would be wrong, and keys would be left out without a word.

package resp

import "strconv"

const (
	cursorBit  = 1 << 52
	markBits   = 16
	maxCursor  = 1 << (52 - markBits) // of what is between the bit and the mark
	firstPlace = "0"                  // the cursor with which a client begins, and which ends what it has begun
)

// Texts for AppendError.
const (
	InvalidCursor = "ERR invalid cursor"
	ForeignCursor = "ERR cursor is not of this pool's servers, which may have changed since; begin again with 0"
)

// ScanStep is one request of a SCAN over several servers.
type ScanStep struct {
	Server  int    // that it is for: 0 ≤ Server < Servers
	Servers int    // how many the pool has
	Mark    uint16 // of the list of them, see ServersMark
}

// ServersMark tells lists of servers apart: a cursor goes on only where the servers have the same names, in the same order.
func ServersMark(names []string) uint16 {
	h := uint64(14695981039346656037) // FNV-1a
	add := func(c byte) { h = (h ^ uint64(c)) * 1099511628211 }
	for _, name := range names {
		for i := range len(name) {
			add(name[i])
		}
		add(0)
	}
	return uint16(h ^ h>>16 ^ h>>32 ^ h>>48)
}

// ReadCursor takes apart the cursor that a client sends: step.Server is set, and the cursor for that server returned. failure is
// the text of the error, if it is none.
func (step *ScanStep) ReadCursor(cursor []byte) (own uint64, failure string) {
	v, err := strconv.ParseUint(string(cursor), 10, 64)
	if err != nil {
		return 0, InvalidCursor
	}
	if v == 0 {
		step.Server = 0
		return 0, ""
	}
	if v&^(cursorBit-1) != cursorBit || uint16(v) != step.Mark {
		return 0, ForeignCursor
	}
	place := v &^ cursorBit >> markBits
	step.Server = int(place % uint64(step.Servers))
	return place / uint64(step.Servers), ""
}

// IsPoolCursor reports whether a cursor may be one of a pool of several servers, which none of them has given itself.
func IsPoolCursor(cursor []byte) bool {
	v, err := strconv.ParseUint(string(cursor), 10, 64)
	return err == nil && v&^(cursorBit-1) == cursorBit
}

// appendCursor appends the cursor behind step, whose server gave own: "0" behind the last server. If !ok, own is too large.
func (step *ScanStep) appendCursor(dst []byte, own uint64) (out []byte, ok bool) {
	server := step.Server
	if own == 0 {
		if server++; server == step.Servers {
			return append(dst, firstPlace...), true
		}
	}
	if own >= maxCursor/uint64(step.Servers)-1 {
		return dst, false
	}
	place := own*uint64(step.Servers) + uint64(server)
	return strconv.AppendUint(dst, cursorBit|place<<markBits|uint64(step.Mark), 10), true
}

// AppendScan appends the request args of b, a SCAN, with the cursor for one server in the place of the pool's.
func AppendScan(dst, b []byte, args []Span, own uint64) []byte {
	dst = append(dst, b[:args[0].End()]...)
	dst = AppendBulkString(dst, strconv.FormatUint(own, 10))
	return append(dst, b[args[1].End():]...)
}

// joinScan replaces the cursor at the beginning of the one reply.
func joinScan(dst []byte, a *Answers) (head []byte, ok bool) {
	count, off, ok := ArrayLen(a.Replies[0])
	if !ok || count != 2 {
		return dst, false
	}
	n, _, err := ConsumeReply(a.Replies[0][off:], Progress{})
	if err != nil || n == 0 {
		return dst, false
	}
	text, _ := Bulk(a.Replies[0][off : off+n])
	own, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return dst, false
	}
	var buffer [20]byte
	cursor, ok := a.Scan.appendCursor(buffer[:0], own)
	a.Replies[0] = a.Replies[0][off+n:]
	return AppendBulk(AppendArray(dst, 2), cursor), ok
}
