// Package hash holds the twelve hash functions that a pool can name. Each gives, on every architecture and bit for bit,
// what twemproxy 0.5.0 (src/hashkit) gives on x86-64; several differ there from the functions they are named after,
// because char is signed, a register is wider, or a seed is odd. Keys live where these functions say, so none is ever
// "fixed".
//
//	key bytes ──┬─ as signed ints ── one_at_a_time  fnv1_64 fnv1a_64 fnv1_32 fnv1a_32
//	            ├─ as bytes ──────── md5  crc16  crc32 crc32a
//	            └─ as LE words ───── hsieh (last byte of three is signed)  murmur  jenkins
//	                                       │
//	                                       ▼
//	                                     uint32
//
// The functions are pure, allocate nothing, keep no reference to the key and may be called from any goroutine.
package hash
