// Package master is the process that owns what has to outlive a worker: the listening sockets, the counters, the log
// and the decision who runs. It never touches a client byte.
//
//	signals ──intent──────────┐                 ┌──► spawn, send, kill ──► workers of each generation
//	admin socket ──ask────────┤                 │
//	statistics port ──scrape──┤                 ├──► bind, listen, close
//	deadlines ──tick──────────┼──► one select ──┤
//	workers: said, wrote,     │   one goroutine ├──► log queue ──► log file
//	  hung up, exited ────────┤                 ├──► service manager
//	other master ──message────┘                 └──► other master
//
// The goroutine of Run owns all state; master, generation, slot, oldSide, newSide and the log have no other
// caller. Goroutines around it only wait: for asks and scrapes, for the log file, for the configuration to be read, for
// the other master, and three per worker, which read its link, read its stderr and wait for its end. They own
// nothing but their descriptor and hand over what they got.
//
// This package is policy: what happens when. How it is done is in the packages below it, one for each thing that the master
// has or talks to, and the file that is named like one of them says when it is used: admin.go (admin socket), totals.go and
// statistics.go (totals), service.go and store.go (systemd), spawn.go, reap.go and worker_message.go (process), listen.go, cover.go
// and path.go (listen), log.go (logfile), limits.go and watch.go. The policy itself stays flat, since every part of it can follow
// from every other: one select, one state.
//
// A reload and an upgrade are one thing, the handoff: the old side, which owns the generation that serves, hands over to the new
// side, which makes the next; at a reload one master is both. handoff_old*.go and handoff_new*.go are the two sides,
// handoff_message.go is what they tell each other, and handoff_link*.go the way between two masters. borrow.go, recover.go and
// orphans.go are for workers whose master was killed.
//
// What the master does to the outside goes through world, a struct of functions. A test puts its own there and drives
// the same methods on a stepped clock; the transcripts in testdata are the policy in readable form.
//
// A slot is a place for a worker: it has an index, a CPU, and one listener of every TCP address. The listener belongs
// to the slot, not to the worker, so connections that wait in its queue while a worker is replaced are served by the
// successor.
package master
