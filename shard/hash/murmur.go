// MurmurHash2 with a seed made of the length.

package hash

import "encoding/binary"

// Murmur is Austin Appleby's MurmurHash2 (https://github.com/aappleby/smhasher) seeded with 0xdeadbeef × length.
func Murmur(key []byte) uint32 {
	const m = 0x5bd1e995
	n := uint32(len(key))
	h := n*0xdeadbeef ^ n
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	if len(key) > 0 {
		for i, b := range key {
			h ^= uint32(b) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
