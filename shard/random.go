// The random distribution: any live server for any key.

package shard

// placeRandom gives each live server one slot; random_update in nc_random.c ignores weights too.
func (m *Map) placeRandom() {
	for i := range m.servers {
		if m.live[i] {
			m.ring.points = append(m.ring.points, newPoint(m.slots, i))
			m.slots++
		}
	}
}

// random steps a xorshift64* generator (Vigna, "An experimental exploration of Marsaglia's xorshift generators,
// scrambled", 2016), whose upper half is its good half.
type random uint64

const randomSeed random = 0x9e3779b97f4a7c15 // anything but 0

// below returns a number < n, each equally likely to within n/2³².
func (r *random) below(n uint32) uint32 {
	x := *r
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*r = x
	return uint32(uint64(x*0x2545f4914f6cdd1d>>32) * uint64(n) >> 32)
}
