// Package fault lets a test break a process at a named point: kill it, make it hang, make an operation there fail.
// Only a binary built with the tag "fault" can be broken. In any other At, Error and Call are empty and cost nothing.
//
//	PINION_FAULT=point:action[:n][,point:action[:n]…]
//
// n says at which passing of the point, counted from 1 in each process, the action is taken; without n, at the first.
//
//	kill exit1 hang                     done by At and by Error
//	garbage short-write                 returned by Error; the caller does what it would do by itself
//	enomem emfile eagain                returned by Error, as the kernel would
//
// PINION_FAULT_ONCE=FILE limits all that to one action: it is taken by whoever manages to create FILE, which then holds
// the name of the point. So the next attempt, in another process with the same environment, succeeds, and a test can
// tell that the point was passed at all.
//
// PINION_FAULT=@FILE takes the same text from FILE whenever a point is passed, so that a test can break one thing after
// the other in processes that live on. Whoever takes an action takes it out of FILE first, and removes
// FILE if no other is left: each is taken once, and a test can tell.
//
// System calls of the loop break in a test that runs the loop itself: Call and Instead ask what it has set.
//
// Any goroutine may call. The package imports nothing of ours, so that everything may import it.
package fault
