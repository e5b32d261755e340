// CRC-16/XMODEM, eight bytes at a time and without a table, which would be out of the caches of a CPU by the next key.

package hash

import "encoding/binary"

// XMODEM returns the CRC-16/XMODEM of key, by which Redis Cluster assigns slots: the lower half of CRC16.
func XMODEM(key []byte) uint16 {
	crc := uint16(0)
	for ; len(key) >= 8; key = key[8:] {
		crc = reduce(binary.BigEndian.Uint64(key) ^ uint64(crc)<<48)
	}
	rest := uint64(0)
	for _, b := range key {
		rest = rest<<8 | uint64(b)
	}
	switch n := 8 * len(key); n {
	case 0:
		return crc
	case 8:
		return crc<<8 ^ reduce(rest^uint64(crc>>8))
	default:
		return reduce(rest ^ uint64(crc)<<(n-16))
	}
}

// reduce returns w·x¹⁶ modulo P = x¹⁶+x¹²+x⁵+1, where the bits of w are the coefficients of a polynomial. With y = x⁻⁴+x⁻¹¹+x⁻¹⁶, so that
// P = x¹⁶(1+y), the quotient is w/(1+y) = w(1+y)(1+y²)(1+y⁴)(1+y⁸)…, of which w needs no more, and squares have no mixed terms.
func reduce(w uint64) uint16 {
	w ^= w >> 32
	w ^= w>>16 ^ w>>44
	w ^= w>>8 ^ w>>22 ^ w>>32
	w ^= w>>4 ^ w>>11 ^ w>>16
	return uint16(w ^ w<<5 ^ w<<12)
}
