// Package admin is the admin socket: what the operator asks of the master while it runs, as HTTP over a unix socket, so that
// the commands of this binary and curl are clients alike.
//
//	operator ──HTTP──► Server ──Ask──► loop of the master
//	operator ◄──JSON── Server ◄──Outcome──┘  exactly once per Ask
//
// The goroutines of a Server own nothing but their connection: they hand asks to the loop and wait for outcomes. Workers,
// and what comes of them, may not ask: one that a client has taken over must not be able to end the service. Status is a
// contract with tools: a field keeps its name and its unit once it is released.
package admin
