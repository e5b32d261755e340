// Command pinion is the proxy, its workers and its tools in one binary.
//
//	pinion [options] ──► arrange ──► options ──┬─► master.Run         in the foreground, until a signal
//	   │                 (getopt)              └─► itself, detached   -d: the caller waits for the start
//	   │
//	   ├── check, config, route, version ──► master/config, shard ──► a text, an exit status
//	   ├── demo ──► three servers in this process, a proxy as its child, keys through it
//	   └── worker ──► worker.Main                                     only the master starts this one
//
// The options without a command are nutcracker's, so that a script that starts nutcracker starts Pinion. Everything that
// nutcracker does not have is a command, or a long option without a short one.
//
// Nothing here decides anything about clients or servers: each file reads its part of the command line, calls the
// package that knows, and writes for people. One goroutine runs each command; the demo adds those that wait.
package main
