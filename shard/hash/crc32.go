// CRC-32 cut to 15 bits, as libmemcached hands it out.

package hash

import "hash/crc32"

// CRC32 is bits 16 to 30 of the CRC-32 (IEEE 802.3), as in libmemcached. With 15 bits all keys lie at the very start of
// a ketama ring and land on one server; it suits modula only.
func CRC32(key []byte) uint32 {
	return crc32.ChecksumIEEE(key) >> 16 & 0x7fff
}
