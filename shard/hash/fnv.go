// The four Fowler–Noll–Vo hashes, over signed bytes; the default of a pool is among them.

package hash

// Parameters of http://www.isthe.com/chongo/tech/comp/fnv. Of the 64-bit ones only the low halves are here: twemproxy
// keeps the low 32 bits of the result, and neither multiplication nor exclusive or lets a higher bit reach a lower one.
const (
	fnvInit32  = 0x811c9dc5
	fnvPrime32 = 0x01000193
	fnvInit64  = 0xcbf29ce484222325 & 0xffffffff
	fnvPrime64 = 0x00000100000001b3 & 0xffffffff
)

// FNV1_64 is the low half of 64-bit FNV-1 over signed bytes.
func FNV1_64(key []byte) uint32 { return fnv1(key, fnvInit64, fnvPrime64) }

// FNV1a_64 is the low half of 64-bit FNV-1a over signed bytes, the default of a pool.
func FNV1a_64(key []byte) uint32 { return fnv1a(key, fnvInit64, fnvPrime64) }

// FNV1_32 is 32-bit FNV-1 over signed bytes.
func FNV1_32(key []byte) uint32 { return fnv1(key, fnvInit32, fnvPrime32) }

// FNV1a_32 is 32-bit FNV-1a over signed bytes.
func FNV1a_32(key []byte) uint32 { return fnv1a(key, fnvInit32, fnvPrime32) }

func fnv1(key []byte, h, prime uint32) uint32 {
	for _, b := range key {
		h *= prime
		h ^= signed(b)
	}
	return h
}

func fnv1a(key []byte, h, prime uint32) uint32 {
	for _, b := range key {
		h ^= signed(b)
		h *= prime
	}
	return h
}
