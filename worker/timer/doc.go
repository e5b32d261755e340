// Package timer says what is due: the few things of an event loop that wait for a time (connections, pools, listeners),
// never single requests.
//
//	Set(t, at) ──► Heap ──► Next: for how long the loop may wait
//	                │
//	                └─────► Run(now): t.Fire(), for every t that is due, the earliest first
//
// It has no clock: times are ns of whichever clock the loop reads, once per turn. Who has a Timer owns its memory; a Heap
// only points to it while it is armed. Only the goroutine of the loop may call.
package timer
