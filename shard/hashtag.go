// Hash tags: the operator's means to keep related keys on one server.

package shard

import (
	"bytes"
	"fmt"
)

// HashTag is the pair of bytes around the part of a key that alone is hashed. The zero value means none.
type HashTag [2]byte

// ParseHashTag reads a hash tag as configured: two bytes ("{}", "$$"), or empty for none.
func ParseHashTag(s string) (HashTag, error) {
	if s == "" {
		return HashTag{}, nil
	}
	if len(s) != 2 || s == "\x00\x00" {
		return HashTag{}, fmt.Errorf("parsing hash tag %q: want two characters, as in {}", s)
	}
	return HashTag{s[0], s[1]}, nil
}

// Part returns the part of key that is hashed: the bytes between the first opening byte and the first closing byte
// after it, or the whole key if one of them is missing or nothing is between them. The result aliases key.
func (t HashTag) Part(key []byte) []byte {
	if t == (HashTag{}) {
		return key
	}
	open := bytes.IndexByte(key, t[0])
	if open < 0 {
		return key
	}
	inside := key[open+1:]
	if n := bytes.IndexByte(inside, t[1]); n > 0 {
		return inside[:n]
	}
	return key
}
