// What a record says of a transaction that is queued, and of keys that are watched for one.

package handoff

import (
	"errors"
	"fmt"
)

// transaction reads a transaction.
func (r *Record) transaction(value []byte) error {
	var flags, count uint32
	if len(value) < 8 {
		return errLength
	}
	if err := errors.Join(readUint32(&flags, value[:4]), readUint32(&count, value[4:8])); err != nil {
		return err
	}
	if flags&^transactionAborted != 0 {
		return fmt.Errorf("%w: flags %#x of a transaction", ErrUnknown, flags)
	}
	r.Transaction = &Transaction{Aborted: flags&transactionAborted != 0, Count: count}
	if requests := value[8:]; len(requests) > 0 {
		r.Transaction.Queued = [][]byte{requests}
	}
	return nil
}

// watch reads a watch.
func (r *Record) watch(value []byte) error {
	var flags, keys uint32
	var placement uint64
	if len(value) != 16 {
		return errLength
	}
	if err := errors.Join(readUint32(&flags, value[:4]), readUint32(&keys, value[4:8]), readUint64(&placement, value[8:])); err != nil {
		return err
	}
	if flags&^(watchLost|watchRefused) != 0 {
		return fmt.Errorf("%w: flags %#x of a watch", ErrUnknown, flags)
	}
	r.Watch = &Watch{Lost: flags&watchLost != 0, Refused: flags&watchRefused != 0, Keys: keys, Placement: placement}
	return nil
}
