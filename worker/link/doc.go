// Package link is the contract between the master and its workers: what a worker is told when it starts (Spec), what
// the two say to each other afterwards (Message), and the memory in which they both see counters and liveness words
// (Shared). Both sides import it; it makes no system call.
//
//	master ──exec──► worker        fd 3  worker link, SOCK_SEQPACKET: Message both ways
//	                               fd 4  memfd: Spec as JSON, sealed
//	                               fd 5  memfd: Shared, mapped by master and all workers
//	                               fd 6… listeners, in the order of Spec.Listeners
//
// Each of these meets other builds: after an upgrade, a downgrade, or when a master takes over what another one has left. So
// numbers and names stay what they are, what a reader does not know is skipped or, where its writer says that it is critical,
// refused, and testdata has what released builds have written.
package link
