// CRC-32 in full, as zlib computes it.

package hash

import "hash/crc32"

// CRC32a is the CRC-32 (IEEE 802.3) of zlib and gzip.
func CRC32a(key []byte) uint32 {
	return crc32.ChecksumIEEE(key)
}
