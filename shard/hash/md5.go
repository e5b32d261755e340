// The first word of an MD5 digest, as libketama hashes keys.

package hash

import (
	"crypto/md5"
	"encoding/binary"
)

// MD5 is the first 32 bits of the MD5 digest (RFC 1321), little-endian.
func MD5(key []byte) uint32 {
	digest := md5.Sum(key)
	return binary.LittleEndian.Uint32(digest[:])
}
