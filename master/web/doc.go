// Package web answers HTTP for the master: whether the service is well, whether it takes clients, and what it does, for programs and
// on a page.
//
//	scraper, load balancer ──► connection, bounded ──► handler ──ask──► loop
//	                                                      ▲               │ a State, at once
//	                                                      └───────────────┘
//
// Live asks by itself, every two seconds: who watches the page is told what it has found last. Handlers run on goroutines of their own. What takes time, they do themselves, with what the loop has handed out; a client
// that does not read holds up its own connection, for a while.
package web
