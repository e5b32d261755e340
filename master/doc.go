// Package master is the process that owns what has to outlive a worker: the listening sockets, the counters, the log
// and the decision who runs. It never touches a client byte.
//
//	signals ──intent──────────┐                 ┌──► spawn, send, kill ──► workers of each generation
//	admin socket ──ask────────┤                 │
//	statistics, HTTP ──scrape─┤                 ├──► bind, listen, close
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
// owns or talks to. A file says by the beginning of its name what it is about:
//
//	master, event, deadlines, world      the state, what the loop hears, what is due, and every effect on the outside
//	signal, intent, admin, reload        what the operator asks for, and configuration, the file that it means
//	generation, generations, slot        the workers, and worker_*: one is spawned, reports, is told, hangs, ends, is reaped
//	listen, listener_*, socket_paths     the listening sockets, whichever worker accepts from them
//	handoff_*, other_masters             from one generation to the next, see below
//	eject_latency                        servers that are much slower than others: package outlier finds them
//	discovery, topology                  where servers are that fail over: found out by package discover, told to workers
//	http, page, totals, statistics, status what is told to those who watch
//	worker_question, survey              what workers ask each other, and operators ask of workers
//	keeper, orphan*, fd_store*           what outlives a master: a process that stays, workers, what the service manager keeps
//	limits, lost_clients, log_file, watch, service_manager, stop, upgrade
//
// A reload and an upgrade are one thing, the handoff: the old side, which owns the generation that serves, hands over to the
// new side, which makes the next; at a reload one master is both. handoff_old*.go and handoff_new*.go are the two sides,
// handoff_message.go has what they tell each other, handoff_dispatch.go brings it to them, and handoff_link*.go carries it
// between two masters.
//
// The files stay in one package, and many call each other in both directions. A worker that dies is filled in again while
// the master serves, fails the attempt while it hands over, and is nothing to regret while it stops; each of the three then
// ends in the same place, where the slot is vacant. Packages between them would need an interface for each of these ways
// back, and a reader would follow one event through all of them. What depends on nothing of this has been moved below.
//
// What the master does to the outside goes through world, a struct of functions. A test puts its own there and drives
// the same methods on a stepped clock; the transcripts in testdata are the policy in readable form.
//
// A slot is a place for a worker: it has an index, a CPU, and one listener of every TCP address. The listener belongs
// to the slot, not to the worker, so connections that wait in its queue while a worker is replaced are served by the
// successor.
package master
