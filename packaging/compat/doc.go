// Compat runs real client libraries, each doing its main job with its defaults, against plain servers and through
// Pinion, and prints what came of it.
//
//	main ─► servers: 7 redis-server, 6 memcached, one pinion with four pools, and one with TLS
//	  │       plain = a server     one = a pool of one server     three = a pool of three     tls = a pool of one, all of it encrypted
//	  └► for each library: its program four times at once, one per setting
//	       │  program HOST PORT  ─►  version 4.3.4 / ok NAME / FAIL NAME: reason / done
//	       │  with TLS also      ─►  waits: its connections are open, and it goes on at a line of input
//	       └► report: what the plain server gives and a pool does not is a fault of Pinion, unless known.txt
//	                  has it with its reason
//
// It is a module of its own: what clients need is nothing that Pinion needs. The programs are in clients/, one per
// library, in the library's language; run.sh gets what they need and starts this.
package main
