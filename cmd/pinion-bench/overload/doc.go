// Package overload asks more of servers, through a proxy, than they can do, and watches what becomes of it.
//
//	clients ──┐  each asks again as soon as it is answered   ┌──► Server  so many requests a second, one by one,
//	clients ──┼──────────────────► proxy ────────────────────┼──► Server  and says how old the writes were
//	witnesses ┘  ask now and then, one server or another     └──► Server  with nothing to do: the bystander
//
// What counts is goodput: the replies that came within the timeout, as a part of what the servers can do. A write carries
// the time at which its client sent it, so a server can tell how long ago that was when it executes it.
//
// A Server and the clients meet only over TCP; a Server has a process of its own, so that it is as fast as it says however
// busy the clients are. Everything here may be called from any goroutine.
package overload
