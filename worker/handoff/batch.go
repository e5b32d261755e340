// A batch on its way, and who owns it.

package handoff

// outgoingBatch is a batch on its way to the other side.
type outgoingBatch struct {
	batch uint32
	count int
	stage stage
	since int64 // when it came to this stage
}

// stage is how far an outgoing batch is.
type stage uint8

const (
	offered    stage = iota // belongs to this side
	committing              // still does: COMMIT is not written
	committed               // belongs to the other side
	aborting                // belongs to this side, but is not to be served before ABORT is written
)
