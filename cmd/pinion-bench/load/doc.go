// Package load is a closed loop of clients: each connection sends a batch of requests, waits for all replies, compares
// every byte of them, and sends the next batch.
//
//	Spec ──► workload ──┬── request n of connection c ──► bytes ──send──►
//	                    │                                                   proxy or server
//	                    └── reply   n of connection c ──► bytes ══?══ recv ◄──
//	                                                        │
//	 thread 0: poller, connections 0, 2, 4 …                └─► Histogram, first error ──► Result
//	 thread 1: poller, connections 1, 3, 5 …
//
// What request n of connection c asks, and what must come back, is a function of the two numbers. So nothing is
// remembered per request, a reply of any length is compared piece by piece as it arrives, and neither direction
// allocates. A value depends on its key alone: Fill writes what every later read must find, through whichever proxy.
//
// An Audience is the other kind of load: one client publishes a message, and the next when all subscribers have heard it.
//
// The generator must cost less than what it measures, therefore it works as the proxy's workers do, on raw descriptors
// through worker/poll and worker/sock. Each thread owns its connections; a Load belongs to one goroutine at a time.
package load
