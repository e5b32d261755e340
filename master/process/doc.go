// Package process is the kernel's side of worker processes: it starts them, adopts those that another master has started,
// talks to them over the worker link, hears their link, their stderr and their end, and finds and ends what other masters
// have left. When one is started, replaced or given up is decided elsewhere.
//
//	Launch ──Start──► Worker ──Send──► outbox ──► worker link ──► process
//	Orphan ──Adopt──►   │
//	                    └── three goroutines: link, stderr, end ──Event──► report
//
// Methods of a Worker are for one goroutine, the one that handles its events; those that report wait until an event is
// taken. Send never waits: what the link has no room for stays in the outbox, with copies of its descriptors. Descriptors
// that come with an Event are the receiver's.
package process
