// Package totals adds up what workers count: over all slots (worker/link does that, in sums.go), over all generations that
// still have workers, and over those that are gone.
//
//	workers ──► counters of a generation ──┐
//	workers ──► counters of another one ───┼─► what the others have counted ──► slot of its own in the memory of each
//	            sums of those gone ────────┘                                     generation that accepts clients
//	            counters of the one that serves ──► JSON of the statistics port, summary line, status
//
// A generation is read along with everything before it: whoever serves shows all, and its workers know how many clients the
// others have. Everything goes by name: pools and servers come and go, and another version may count other things. What is
// where in the memory is said by package link.
//
// The goroutine of the master's loop is the only caller, except for Accept and Answer.
package totals
