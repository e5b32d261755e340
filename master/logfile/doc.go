// Package logfile is the log: one file for master and workers.
//
//	master ──Printf──┐              ┌── Offer ──► queue ──► goroutine of the sink ──► file, or stderr
//	worker ──Forward─┴─► Logger ────┤
//	                                └── Reopen: the file that is at the path now
//
// Nobody who logs waits: a log on a full disk, or on a terminal that was stopped, must not keep a worker from being
// replaced. Lines for which there is no room are counted, and the count is logged when there is.
package logfile
