package hash

import (
	"math/rand/v2"
	"testing"
)

// The fast one is the lower half of the slow one, whatever the length.
func TestXMODEM(t *testing.T) {
	if got := XMODEM([]byte("123456789")); got != 0x31c3 { // the check value of the catalogue of parametrised CRC algorithms
		t.Errorf("%#x", got)
	}
	key := make([]byte, 100)
	for range 20_000 {
		b := key[:rand.IntN(len(key))]
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		if got, want := XMODEM(b), uint16(CRC16(b)); got != want {
			t.Fatalf("%x: %#x, want %#x", b, got, want)
		}
	}
}

func BenchmarkXMODEM(b *testing.B) {
	key, sum := []byte("key:000000012345"), uint16(0)
	for b.Loop() {
		sum ^= XMODEM(key)
	}
	key[0] = byte(sum)
}

func BenchmarkCRC16(b *testing.B) {
	key, sum := []byte("key:000000012345"), uint32(0)
	for b.Loop() {
		sum ^= CRC16(key)
	}
	key[0] = byte(sum)
}
