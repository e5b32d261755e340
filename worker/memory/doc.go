// Package memory is for bytes that must outlive a turn of an event loop. Nobody keeps a buffer longer than it has bytes in it,
// so an idle connection owns none, and what a burst needed is given back to the system.
//
//	Get, GetChunk, GetRemainder, CopyOf ──► Buffer ──► Put ──► spares, of which each second drops half of those not needed
//	                                      │    ▲      └────► Reclaim, where it was mapped: back to the system
//	                                Split ▼    │ with the last view
//	                                       view
//
// There are three kinds. Chunks, of a few sizes, carry what is written every turn; the loop keeps them for reuse and lets
// go of those that a second did not need. Remainders, incomplete requests of any length, come from bytebufferpool, which
// learns what lengths are usual. Large buffers are mapped: they grow without being copied, and the system has their pages
// back as soon as what these hold is written or copied. A large value within one is not copied at all: a view of it goes
// on, and the buffer stays until the last of its views is done with.
//
// Whoever took a Buffer owns it until he gives it back, or hands it over. Only the goroutine of the loop may call, but for
// Collect. How much may be held, and who is closed when it is more, is the loop's business: this package only counts.
package memory
