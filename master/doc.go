// Package master is the process that owns what has to outlive a worker: the listening sockets, the counters, the log
// and the decision who runs. It never touches a client byte.
//
//	signals ──intent──────────┐                 ┌──► spawn, send, hang up, kill ──► worker 0 … n-1
//	statistics port ──scrape──┤                 │
//	deadlines ──tick──────────┼──► one select ──┼──► listen, close
//	worker i: said, wrote,  ──┘   one goroutine └──► log queue ──► log file
//	  hung up, exited  (events)
//
// The goroutine of Run owns all state; master, generation, slot, listener and logger have no other caller. Goroutines
// around it only wait: one accepts scrapes, one writes the log, three per worker read its control socket, read its
// stderr and wait for its end. They own nothing but their descriptor and hand over what they got.
//
// What the master does to the outside goes through world, a struct of functions. A test puts its own there and drives
// the same methods on a stepped clock; the transcripts in testdata are the policy in readable form.
//
// A slot is a place for a worker: it has an index, a CPU, and one listener of every TCP address. The listener belongs
// to the slot, not to the worker, so connections that wait in its queue while a worker is replaced are served by the
// successor.
package master
