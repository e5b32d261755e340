// Package live makes what the page shows of the service at one moment.
//
//	View of the loop, counters in shared memory, /proc ──► Reader.Read ──► State: the page shows it
//	                        what the last read has found ──┘         └──► history.Interval: what happened since
//
// It decides nothing and tells nobody. A Reader has one caller at a time, beside the master's loop.
package live
