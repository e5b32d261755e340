// Package handoff is what two workers of different generations say to each other while live connections of clients move
// from the one to the other: the messages, the state of a client in them, and the rules. It knows no sockets, no clock
// and no event loop; whoever has those is its Hands.
//
//	gives                                      takes
//	HELLO{min, max, build}  ◄───────────────►  HELLO{min, max, build}         version = the lesser max
//	OFFER{count} + memfd + descriptors  ────►  reads the state, is not heard of by the clients yet
//	              ◄────  PREPARED{verdict of each}
//	COMMIT  ────────────────────────────────►  serves them from now on
//	closes its copies  ◄────  TAKEN{longest pause}
//
// Until COMMIT is out the batch belongs to who gives: whatever happens, it serves the clients again. A giver that takes a
// batch back says ABORT, if it is alive at all. So a taker that reads the end of the stream, and no ABORT for what it
// holds ready, knows that the giver is dead, or that its COMMIT was lost, and serves the clients. At no time do two
// workers serve one client, and a client is lost only together with the worker that it belongs to.
//
// Both ways are open at once, each with batch numbers of its own: that is how a roll-back goes.
//
// Bodies and states are made of fields with a tag and a length. A field that the reader does not know is skipped, unless
// its tag is marked as critical. What one released version writes every later one reads: testdata has examples of each.
package handoff
