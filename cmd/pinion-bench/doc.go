// Command pinion-bench measures proxies: one load against one address, or two proxies side by side.
//
//	pinion-bench run       load ──► any address          throughput, latency, CPU of a process tree
//	pinion-bench compare   rows: the table of loads
//	                         │ each: stage = servers + both proxies, on loopback, gone afterwards
//	                         ▼
//	                       left  ┐ round by round, in turn,   medians of right ÷ left, as a table
//	                       right ┘ same load, same servers    and as JSON
//
//	pinion-bench curve     a proxy for each value of an option, in turn: tables of what each costs
//
//	pinion-bench overload  servers of a known speed ──► proxies, in turn, asked too much: a line for each
//
//	pinion-bench watched   Pinion twice, in turn: nobody looks, or all is on, scraped each second, its page open
//
//	cpu 0: the proxy under test        other cpus: the load and the servers
//
// What is compared is CPU time per request: of the proxy's whole process tree, counted by the scheduler, so that a load
// or a server that is the bottleneck does not blur it. Ratios are made within a round and their median is taken: a
// machine that is busy with something else for a while spoils a round, not the result.
//
// Package load makes the clients, package process runs the programs and reads what they cost. A row is a value of the
// table in rows.go; all that is special about a kind of row is how its two arms measure.
package main
