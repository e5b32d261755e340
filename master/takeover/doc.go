// Package takeover copies the listening sockets of another program, so that this one can serve where that one does, and ends that
// program.
//
//	Find ──► Program ──► Sockets ──copies──► whoever serves on them
//	            │
//	            ├──► Unwatch: it accepts nobody any more ──► undo
//	            └──► End
//
// A copy shares the queue of clients with the original: as long as both programs live, either accepts whom it is faster to see, and
// nobody is refused when one of them ends. Nothing of the other program is changed before Unwatch.
//
// All of this may wait, for the kernel, a service manager or the other program, so it belongs beside the master's loop.
package takeover
