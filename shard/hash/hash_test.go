// The hash functions against published values and against slow twins.

package hash

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"testing"
)

// Published values. Those of "apple" are libmemcached's (tests/hash_results.h), which twemproxy's own test_all.c
// checks too; the others are cited.
var knownAnswers = []struct {
	name, key string
	want      uint32
}{
	{"one_at_a_time", "apple", 2297466611},
	{"md5", "apple", 3195025439},
	{"crc16", "apple", 3662830516},
	{"crc32", "apple", 10542},
	{"crc32a", "apple", 2838417488},
	{"fnv1_32", "apple", 67176023},
	{"fnv1a_32", "apple", 280767167},
	{"fnv1_64", "apple", 473199127},
	{"fnv1a_64", "apple", 1488911807},
	{"hsieh", "apple", 3738850110},
	{"murmur", "apple", 4142305122},
	{"jenkins", "apple", 1442444624},

	{"md5", "", 0xd98c1dd4},                                                      // RFC 1321 A.5
	{"md5", "message digest", 0x7d696bf9},                                        // RFC 1321 A.5
	{"one_at_a_time", "a", 0xca2e9442},                                           // Wikipedia, Jenkins hash function
	{"one_at_a_time", "The quick brown fox jumps over the lazy dog", 0x519e91f5}, // the same
	{"crc32a", "123456789", 0xcbf43926},                                          // CRC catalogue, CRC-32/ISO-HDLC
	{"crc32", "123456789", 0x4bf4},                                               // bits 16 to 30 of it
	{"fnv1_32", "foobar", 0x31f0b262},                                            // Noll, test_fnv.c
	{"fnv1a_32", "foobar", 0xbf9cf968},                                           // the same
	{"fnv1a_64", "foobar", 0x85944171f73967e8 & 0xffffffff},                      // the same
	{"hsieh", "", 0},
	{"jenkins", "", 0xdeadbeef + 13},
}

func TestKnownAnswers(t *testing.T) {
	for _, test := range knownAnswers {
		f, ok := ByName(test.name)
		if !ok {
			t.Fatalf("no function %q", test.name)
		}
		if got := f([]byte(test.key)); got != test.want {
			t.Errorf("%s(%q) = %#x, want %#x", test.name, test.key, got, test.want)
		}
	}
}

// CRC-16/XMODEM is what the lower half must be, whatever the upper half holds.
func TestCRC16LowerHalf(t *testing.T) {
	if got := uint16(CRC16([]byte("123456789"))); got != 0x31c3 { // CRC catalogue, and the Redis Cluster specification
		t.Errorf("low half = %#x, want 0x31c3", got)
	}
	if CRC16([]byte("123456789"))>>16 == 0 {
		t.Error("upper half is masked")
	}
}

func TestNames(t *testing.T) {
	want := "[one_at_a_time md5 crc16 crc32 crc32a fnv1_64 fnv1a_64 fnv1_32 fnv1a_32 hsieh murmur jenkins]"
	if got := fmt.Sprint(Names()); got != want {
		t.Errorf("Names() = %s, want %s", got, want)
	}
	for _, name := range []string{"", "fnv", "FNV1A_64", "crc32 ", "jenkins\x00"} {
		if _, ok := ByName(name); ok {
			t.Errorf("ByName(%q) found something", name)
		}
	}
	names := Names()
	names[0] = "overwritten"
	if Names()[0] != "one_at_a_time" {
		t.Error("Names hands out its own table")
	}
}

// The slow twins read the definitions word by word: C's signed char, 64-bit registers, explicit tails.
var twins = map[string]func(key []byte) uint32{
	"crc32":  func(key []byte) uint32 { return bitwiseCRC32(key) >> 16 & 0x7fff },
	"crc32a": bitwiseCRC32,
	"crc16": func(key []byte) uint32 {
		var h uint32
		for _, b := range key {
			feedback := uint32(byte(h>>8)^b) << 8
			for range 8 {
				feedback <<= 1
				if feedback&0x10000 != 0 {
					feedback ^= 0x11021
				}
			}
			h = h<<8 ^ feedback
		}
		return h
	},
	"fnv1_64": func(key []byte) uint32 {
		h := uint64(0xcbf29ce484222325)
		for _, b := range key {
			h *= 0x100000001b3
			h ^= uint64(int64(int8(b)))
		}
		return uint32(h)
	},
	"fnv1a_64": func(key []byte) uint32 {
		h := uint64(0xcbf29ce484222325)
		for _, b := range key {
			h ^= uint64(int64(int8(b)))
			h *= 0x100000001b3
		}
		return uint32(h)
	},
	"murmur": func(key []byte) uint32 {
		const m = 0x5bd1e995
		h := 0xdeadbeef*uint32(len(key)) ^ uint32(len(key))
		whole := len(key) / 4 * 4
		for i := 0; i < whole; i += 4 {
			k := uint32(key[i]) | uint32(key[i+1])<<8 | uint32(key[i+2])<<16 | uint32(key[i+3])<<24
			k *= m
			k ^= k >> 24
			k *= m
			h *= m
			h ^= k
		}
		switch tail := key[whole:]; len(tail) {
		case 3:
			h = (h ^ uint32(tail[0]) ^ uint32(tail[1])<<8 ^ uint32(tail[2])<<16) * m
		case 2:
			h = (h ^ uint32(tail[0]) ^ uint32(tail[1])<<8) * m
		case 1:
			h = (h ^ uint32(tail[0])) * m
		}
		h ^= h >> 13
		h *= m
		return h ^ h>>15
	},
}

func bitwiseCRC32(key []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range key {
		crc ^= uint32(b)
		for range 8 {
			carry := crc & 1
			crc >>= 1
			crc ^= carry * 0xedb88320
		}
	}
	return ^crc
}

func FuzzTwins(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("caf\xc3\xa9"))
	f.Add([]byte("\x80\x00\x80"))
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, key []byte) {
		for name, twin := range twins {
			hash, _ := ByName(name)
			for i := range key { // every prefix, so that every length of tail is met
				if got, want := hash(key[:i+1]), twin(key[:i+1]); got != want {
					t.Fatalf("%s(%q) = %#x, want %#x", name, key[:i+1], got, want)
				}
			}
		}
	})
}

// For ASCII keys the 32-bit FNV are the standard library's.
func TestFNVIsStandardForASCII(t *testing.T) {
	key := []byte("the quick brown fox jumps over the lazy dog, 0123456789 times")
	for n := range key {
		fnv1, fnv1a := fnv.New32(), fnv.New32a()
		fnv1.Write(key[:n])
		fnv1a.Write(key[:n])
		if got := FNV1_32(key[:n]); got != fnv1.Sum32() {
			t.Errorf("FNV1_32(%q) = %#x, want %#x", key[:n], got, fnv1.Sum32())
		}
		if got := FNV1a_32(key[:n]); got != fnv1a.Sum32() {
			t.Errorf("FNV1a_32(%q) = %#x, want %#x", key[:n], got, fnv1a.Sum32())
		}
	}
}

// A byte of 0x80 counts as -128 where char is signed.
func TestSignedBytes(t *testing.T) {
	key, h := []byte{0x80}, uint32(fnvInit32)
	if got, want := FNV1a_32(key), (h^0xffffff80)*fnvPrime32; got != want {
		t.Errorf("FNV1a_32(80) = %#x, want %#x", got, want)
	}
	if got, unsigned := Hsieh([]byte{1, 2, 0x80}), Hsieh([]byte{1, 2, 0x00}); got == unsigned {
		t.Errorf("Hsieh ignores the third byte of a tail")
	}
	if signed(0x7f) != 127 || signed(0x80) != 0xffffff80 || signed(0xff) != 0xffffffff {
		t.Error("signed does not extend the sign")
	}
}

func TestNoAllocation(t *testing.T) {
	key := []byte("user:371192992:name")
	for _, name := range Names() {
		hash, _ := ByName(name)
		if n := testing.AllocsPerRun(100, func() { hash(key) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for _, name := range Names() {
		hash, _ := ByName(name)
		for _, length := range []int{8, 20, 250} {
			b.Run(fmt.Sprintf("%s/%d", name, length), func(b *testing.B) {
				key := make([]byte, length)
				b.SetBytes(int64(length))
				var i uint32
				for b.Loop() {
					binary.LittleEndian.PutUint32(key, i)
					i += hash(key) | 1
				}
			})
		}
	}
}
