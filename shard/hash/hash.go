// The table of hash functions, by their names in a configuration.

package hash

// Func hashes a key. It is never called with an empty key by twemproxy, for which an empty key has hash 0 whatever the
// function; package shard keeps that rule, the functions themselves do not.
type Func func(key []byte) uint32

var functions = [...]struct {
	name string
	hash Func
}{
	{"one_at_a_time", OneAtATime},
	{"md5", MD5},
	{"crc16", CRC16},
	{"crc32", CRC32},
	{"crc32a", CRC32a},
	{"fnv1_64", FNV1_64},
	{"fnv1a_64", FNV1a_64},
	{"fnv1_32", FNV1_32},
	{"fnv1a_32", FNV1a_32},
	{"hsieh", Hsieh},
	{"murmur", Murmur},
	{"jenkins", Jenkins},
}

// ByName returns the function of that name.
func ByName(name string) (Func, bool) {
	for i := range functions {
		if functions[i].name == name {
			return functions[i].hash, true
		}
	}
	return nil, false
}

// Names returns the names that ByName knows, in twemproxy's order.
func Names() []string {
	names := make([]string, len(functions))
	for i := range functions {
		names[i] = functions[i].name
	}
	return names
}

// signed widens a key byte as C does where char is signed: bytes from 0x80 on fill the upper 24 bits with ones. Where
// twemproxy lets that happen on x86-64, placement of non-ASCII keys depends on it.
func signed(b byte) uint32 { return uint32(int32(int8(b))) }
