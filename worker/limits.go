// The bounds of what one connection may have under way. Reaching one of the first three mutes a client: it is not read,
// so TCP holds the rest at its end, until it is below again.
package worker

import "time"

const (
	maxOutstanding      = 4096    // requests of a client without a reply
	maxOutstandingBytes = 8 << 20 // of those requests
	maxUnsentBytes      = 1 << 20 // of replies that the client does not take

	// maxKeptScratchBytes bounds what the loop keeps of a buffer that one large request or reply needed.
	maxKeptScratchBytes = 1 << 20
	maxKeptArgs         = 4096 // the same for lists of arguments and keys

	// acceptBatch is how many connections a listener may accept in a turn.
	acceptBatch = 64
	// acceptPause is for how long a listener is left alone when no descriptor is free.
	acceptPause = 100 * time.Millisecond
	// silenceFactor times the pool's timeout without a byte from a server that owes replies ends the connection.
	silenceFactor = 2
	// logPause bounds how often the same trouble is logged.
	logPause = 10 * time.Second
)
