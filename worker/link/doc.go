// Package link is the contract between the master and its workers: what a worker is told when it starts (Spec), what
// the two say to each other afterwards (Message), and the memory in which they both see counters and liveness words
// (Shared). Both sides import it; it makes no system call.
//
//	master ──exec──► worker        fd 3  control, SOCK_SEQPACKET: Message both ways
//	                               fd 4  memfd: Spec as JSON, sealed
//	                               fd 5  memfd: Shared, mapped by master and all workers
//	                               fd 6… listeners, in the order of Spec.Listeners
//
// Master and worker of one generation are always the same binary, so Spec needs no versioning of its own.
package link
