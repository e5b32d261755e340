// Hsieh's SuperFastHash, with libmemcached's start value and one signed byte.

package hash

import "encoding/binary"

// Hsieh is Paul Hsieh's SuperFastHash (http://www.azillionmonkeys.com/qed/hash.html) with two deviations of twemproxy:
// it starts from 0 instead of the length, and the last byte of a tail of three is signed.
func Hsieh(key []byte) uint32 {
	var h uint32
	for ; len(key) >= 4; key = key[4:] {
		h += low16(key)
		h = h<<16 ^ low16(key[2:])<<11 ^ h
		h += h >> 11
	}
	switch len(key) {
	case 3:
		h += low16(key)
		h ^= h << 16
		h ^= signed(key[2]) << 18
		h += h >> 11
	case 2:
		h += low16(key)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += uint32(key[0])
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}

func low16(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) }
