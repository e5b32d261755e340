// Package history keeps what the service did lately: the last ten minutes in steps of two seconds, and the last day in steps of five
// minutes.
//
//	what was counted between two moments ──Record──► total, pools, servers: a ring of each value and resolution
//	                                                      │                     ▲
//	                                              Chart ◄─┘  Write ──► file ──► Read: the next master
//
// Its size is fixed by how many pools and servers there are, of which no more than MaxPools and MaxServers are kept. It has no clock,
// and one caller at a time.
package history
