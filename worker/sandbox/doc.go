// Package sandbox takes away what a worker can reach beyond the descriptors that it has. It parses what strangers send: should
// one of them make it do something else, there is nothing here to read, to write, or to connect to but the servers.
//
// A worker calls Confine once, before it serves, from any goroutine: it holds for all threads, those that come later, too.
package sandbox
