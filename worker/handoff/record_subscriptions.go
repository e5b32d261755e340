// What a record says of channels that a client has subscribed to.

package handoff

import (
	"encoding/binary"
	"fmt"
)

// Subscription is a channel (Kind 0), a pattern (1) or a shard channel (2).
type Subscription struct {
	Kind uint8
	Name string
}

const subscriptionKinds = 3

// subscriptionHead is what comes before a subscription's name: its kind (1 byte), the length of the name (4 bytes).
const subscriptionHead = 5

func writeSubscriptions(s *State, t tag, r *Record) {
	length := 0
	for _, sub := range r.Subscriptions {
		length += subscriptionHead + len(sub.Name)
	}
	if length == 0 {
		return
	}
	s.own = appendField(s.own, t, length)
	for _, sub := range r.Subscriptions {
		s.own = binary.LittleEndian.AppendUint32(append(s.own, sub.Kind), uint32(len(sub.Name)))
		s.own = append(s.own, sub.Name...)
	}
}

func readSubscriptions(r *Record, value []byte) error {
	for len(value) > 0 {
		if len(value) < subscriptionHead {
			return errCut
		}
		kind, length := value[0], uint64(binary.LittleEndian.Uint32(value[1:]))
		value = value[subscriptionHead:]
		if length > uint64(len(value)) {
			return errCut
		}
		if kind >= subscriptionKinds {
			return fmt.Errorf("%w: kind %d", ErrUnknown, kind)
		}
		r.Subscriptions = append(r.Subscriptions, Subscription{kind, string(value[:length])})
		value = value[length:]
	}
	return nil
}
