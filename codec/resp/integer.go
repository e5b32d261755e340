// Integers in arguments, for those who answer a command themselves.

package resp

// ParseInt reads an argument that must be an integer as Redis reads it: decimal, no "+", spaces or leading zeros.
func ParseInt(s []byte) (v int64, ok bool) { return parseInt(s) }
