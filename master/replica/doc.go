// Package replica judges which replicas of a pool may be read from, and for how long, and tells all workers of a generation in
// shared memory.
//
//	primary ◄─asked ten times a second──┐
//	                                    ├──► judge: how old is the data of each? ──► lease ──► workers
//	replica ◄─asked right after it──────┘     one for a primary
//
// Watch is the entry. Each primary and each replica has a goroutine of its own and one connection (ask.go), since either may hang. What
// they answer goes to the judge of the primary (judge.go), which knows no clock and no network, so testdata shows it at work. Where nothing
// is read from replicas, nobody is asked.
package replica
