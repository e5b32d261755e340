// Jenkins' one-at-a-time hash, over signed bytes.

package hash

// OneAtATime is Bob Jenkins' one-at-a-time hash (Dr. Dobb's, September 1997) over signed bytes: it differs from the
// published function for keys that are not ASCII.
func OneAtATime(key []byte) uint32 {
	var h uint32
	for _, b := range key {
		h += signed(b)
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	h += h << 15
	return h
}
