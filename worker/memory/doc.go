// Package memory is for bytes that must outlive a turn of an event loop. A buffer is kept only as long as there are bytes in
// it, so an idle connection owns none, and the memory of a burst is given back to the system.
//
//	Get, GetChunk, GetRemainder, CopyOf ──► Buffer ──► Put ──► spares, of which each second drops half of those not
//
// needed
//
//	      │    ▲      └────► Reclaim, where it was mapped: back to the system
//	Split ▼    │ with the last view
//	       view
//
// There are three kinds. Chunks, of a few sizes, carry what is written every turn; the loop keeps them for reuse and frees
// those that a second did not need. Remainders, incomplete requests of any length, come from bytebufferpool, which learns
// what lengths are usual. Large buffers are mapped: they grow without being copied, and the system gets their pages back as
// soon as the bytes in them are written or copied. A large value within one is not copied at all: it becomes a view, and the
// buffer stays until its last view is put back.
//
// Get and its like pass ownership of a Buffer to the caller, Put passes it back. Only the goroutine of the loop may call,
// except for Collect. How much may be held, and which client is closed beyond that, the loop decides: this package only
// counts.
package memory
