// CRC-16 with the residue that twemproxy leaves in the upper half.

package hash

// crc16Table is the table of the CCITT polynomial 0x1021, most significant bit first.
var crc16Table = func() (table [256]uint32) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc>>15 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[i] = uint32(crc)
	}
	return table
}()

// CRC16 is CRC-16/XMODEM kept in a register of 32 bits that nobody masks: the lower half is the checksum, which Redis
// Cluster uses too, the upper half what earlier steps shifted out. Masking it would move every key.
func CRC16(key []byte) uint32 {
	var h uint32
	for _, b := range key {
		h = h<<8 ^ crc16Table[byte(h>>8)^b]
	}
	return h
}
