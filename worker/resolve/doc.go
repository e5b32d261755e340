// Package resolve looks up host names beside an event loop that must not wait for a name server.
//
//	loop: Lookup(address, found) ──► a goroutine: Host(name) ──► a channel, and the event descriptor
//	loop: the descriptor is readable, Deliver() ──► found(addresses, err)
//
// Only the goroutine of the loop may call Lookup and Deliver, and it is the one that found is called on. It owns what it is
// told.
package resolve
