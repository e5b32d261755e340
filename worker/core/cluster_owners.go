// Which node of a cluster has which slot. Nodes have long rows of slots, so what most requests need to know takes few bytes: a table of all slots
// is out of the caches of a CPU whenever somebody else has had it.

package core

// owners says which node has a slot, and what has no key: its place, or noNode. Loop only.
type owners struct {
	each []int16                   // of the slots, and of noKey
	rows [noKey>>rowBits + 1]int16 // of 1<<rowBits slots in a row: that of all of them, or several
}

const (
	rowBits = 6
	several = -2
)

func newOwners() owners {
	o := owners{each: make([]int16, noKey+1)}
	o.clear()
	o.noteRows()
	return o
}

// of returns the owner of a slot.
func (o *owners) of(slot int) int16 {
	if owner := o.rows[slot>>rowBits]; owner != several {
		return owner
	}
	return o.each[slot]
}

// set has a slot be at a node.
func (o *owners) set(slot, place int) {
	o.each[slot] = int16(place)
	o.noteRow(slot >> rowBits)
}

// clear has nobody have any slot, once noteRows is called.
func (o *owners) clear() {
	for slot := range o.each {
		o.each[slot] = noNode
	}
}

// noteRows is called when each has changed.
func (o *owners) noteRows() {
	for row := range o.rows {
		o.noteRow(row)
	}
}

func (o *owners) noteRow(row int) {
	slots := o.each[row<<rowBits : min((row+1)<<rowBits, len(o.each))]
	o.rows[row] = slots[0]
	for _, owner := range slots {
		if owner != slots[0] {
			o.rows[row] = several
		}
	}
}
