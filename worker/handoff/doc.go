// Package handoff is the protocol between two workers of different generations while live connections of clients move from
// one to the other: the messages, the records of clients in them, and the rules. It knows no sockets, no clock and no event
// loop; its user implements Handler.
//
//	old worker                                 new worker
//	HELLO{min, max, build}  ◄───────────────►  HELLO{min, max, build}         version = the lesser max
//	OFFER{count} + memfd + descriptors  ────►  reads the records, does not read from the clients yet
//	              ◄────  PREPARED{verdict of each}
//	COMMIT  ────────────────────────────────►  serves them from now on
//	closes its copies  ◄────  TAKEN{longest pause}
//
// Until COMMIT is written the old worker owns the batch: whatever happens, it serves the clients again. If it takes a batch
// back that the new worker has heard of, it writes ABORT first, unless the new worker is dead. So if the new worker reads the
// end of the stream, and no ABORT for a batch that it has prepared, the old worker has not served the clients since the OFFER:
// it is dead, or its COMMIT was lost, and the new worker serves the clients. At no time do two workers serve one client, nothing
// is done or encrypted twice, and a client is lost only together with the worker that owns it.
//
// Both directions are open at once, each with batch numbers of its own: that is how a roll-back goes.
//
// Messages and records are made of fields with a tag and a length. A field that the reader does not know is skipped, unless
// its tag is marked as critical. What one released version writes every later one reads: testdata has examples of each.
package handoff
