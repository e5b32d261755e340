// What a record says of a transaction that is queued, and of keys that are watched for one.

package handoff

import (
	"encoding/binary"
	"fmt"
)

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

// transactionAborted is the one flag of a transaction. Each is critical.
const transactionAborted = 1

// transactionHead is what comes before the requests: flags (4 bytes), their count (4 bytes).
const transactionHead = 8

// writeTransaction appends a transaction, without copying its requests.
func writeTransaction(s *State, t tag, r *Record) {
	tx := r.Transaction
	if tx == nil {
		return
	}
	flags := uint32(0)
	if tx.Aborted {
		flags |= transactionAborted
	}
	s.own = appendField(s.own, t, transactionHead+total(tx.Queued))
	s.own = binary.LittleEndian.AppendUint32(s.own, flags)
	s.own = binary.LittleEndian.AppendUint32(s.own, tx.Count)
	s.append(tx.Queued)
}

func readTransaction(r *Record, value []byte) error {
	if len(value) < transactionHead {
		return errLength
	}
	flags, count := binary.LittleEndian.Uint32(value), binary.LittleEndian.Uint32(value[4:])
	if flags&^transactionAborted != 0 {
		return fmt.Errorf("%w: flags %#x", ErrUnknown, flags)
	}
	r.Transaction = &Transaction{Aborted: flags&transactionAborted != 0, Count: count}
	if requests := value[transactionHead:]; len(requests) > 0 {
		r.Transaction.Queued = [][]byte{requests}
	}
	return nil
}

// Flags of a watch. Each is critical.
const (
	watchLost    = 1
	watchRefused = 2
)

// watchBytes is what a watch takes: flags (4 bytes), keys (4 bytes), placement (8 bytes).
const watchBytes = 16

func writeWatch(s *State, t tag, r *Record) {
	w := r.Watch
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
	s.own = binary.LittleEndian.AppendUint32(appendField(s.own, t, watchBytes), flags)
	s.own = binary.LittleEndian.AppendUint32(s.own, w.Keys)
	s.own = binary.LittleEndian.AppendUint64(s.own, w.Placement)
}

func readWatch(r *Record, value []byte) error {
	if len(value) != watchBytes {
		return errLength
	}
	flags, keys := binary.LittleEndian.Uint32(value), binary.LittleEndian.Uint32(value[4:])
	if flags&^(watchLost|watchRefused) != 0 {
		return fmt.Errorf("%w: flags %#x", ErrUnknown, flags)
	}
	r.Watch = &Watch{
		Lost: flags&watchLost != 0, Refused: flags&watchRefused != 0, Keys: keys, Placement: binary.LittleEndian.Uint64(value[8:]),
	}
	return nil
}
