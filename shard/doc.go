// Package shard answers where a key lives: which server of a pool owns it, given the servers that are live. It computes
// what twemproxy 0.5.0 computes on x86-64, bit for bit, so that a pool can change proxies and keep its data.
//
//	key ──HashTag.Part──► part ──hash.Func──► hash ──distribution──► slot
//	                                                 ketama: hash         │
//	                                                 modula: hash mod     │
//	   servers ─┐                                      total weight       │
//	            ├─SetLive──► ring: points, sorted    random: any          │
//	   live ────┘               │                                         │
//	     ▲                      └───── first point at or after slot ◄─────┘
//	     │                                       │
//	  Liveness.Alive                             ▼
//	  one word per server                      server
//
// While servers start slowly that have come back, a SlowStart is asked in place of the map: it has one for those of each moment.
//
// A Map belongs to the one goroutine that calls it: Server and SetLive write to it. Keys are only read and never kept.
// Liveness is a plain word without clock or atomics; whoever shares it between processes swaps it with compare-and-swap.
package shard
