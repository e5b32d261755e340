// Package reach asks the servers that a configuration names, as the workers will: whether they are there, speak the protocol of
// their pool, take its password, have its databases, and have room for all connections. It asks each once, all at the same time,
// and waits for none for longer than a few seconds.
//
//	*config.Config ──target.go──► targets: servers, replicas, nodes, sentinels
//	                                 │   each by a goroutine of its own, see look.go
//	                                 ▼
//	        dial.go: name, connection ──► redis.go, memcached.go, sentinel.go: what it says
//	                                 │         └── stranger.go: who speaks otherwise
//	                                 ▼
//	            config.Problems in the order of the file; masters and nodes that were named are asked in a second round
package reach
