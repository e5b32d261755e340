// Package web answers HTTP for the master: whether the service is well, and whether it takes clients.
//
//	scraper, load balancer ──► connection, bounded ──► handler ──ask──► loop
//	                                                      ▲               │ a State, at once
//	                                                      └───────────────┘
//
// Handlers run on goroutines of their own. What takes time, they do themselves, with what the loop has handed out; a client
// that does not read holds up its own connection, for a while.
package web
