// Package signer makes signatures beside an event loop, for which one of RSA takes too long.
//
//	Ask(sign, tell) ─► the thread calls sign ─► the event descriptor wakes the loop ─► Deliver calls tell
//
// There is one thread, which is less important than the loop where both want the same processor. What the loop calls never
// waits for it. All methods are for the goroutine of the loop; sign runs on the thread, and tell within Deliver.
package signer
