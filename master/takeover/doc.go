// Package takeover copies the listening sockets of another program, so that this one can serve where that one does, and ends that
// program.
//
//	Find, Holders ──► Program ──► Sockets ──copies──► whoever serves on them
//	                     │
//	                     ├──► Unwatch: it accepts nobody for as long as the Hold lasts, which ends with this process
//	                     └──► End ──► StartedAgain
//
//	Lend ──► Loan: a program is started, and gets the sockets that it would bind ──► Await ──► Settle
//
// A copy shares the queue of clients with the original: as long as both programs live, either accepts whom it is faster to see, and
// nobody is refused when one of them ends. Nothing of the other program is changed before Unwatch.
//
// All of this may wait, for the kernel, a service manager or the other program, so it belongs beside the master's loop.
package takeover
