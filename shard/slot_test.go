// Slots of keys, against a real server's and against a slow twin.

package shard

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

const slotsFile = "testdata/redis-7.0.15-slots.txt"

// Every key is in the slot in which Redis 7.0.15 has it.
func TestSlot(t *testing.T) {
	text, err := os.ReadFile(slotsFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) < 50 {
		t.Fatalf("%d keys", len(lines))
	}
	for _, line := range lines {
		number, quoted, _ := strings.Cut(line, " ")
		want, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		key, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := Slot([]byte(key)); got != want {
			t.Errorf("slot of %q is %d, want %d", key, got, want)
		}
	}
}

func TestSlotDoesNotAllocate(t *testing.T) {
	key := []byte("{user1000}.following")
	if n := testing.AllocsPerRun(100, func() { Slot(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSlot(f *testing.F) {
	for _, key := range []string{"", "foo", "{a}b", "foo{}{bar}", "foo{{bar}}", "}{", "a{\xff}"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if got, want := Slot(key), slowSlot(key); got != want {
			t.Errorf("slot of %q is %d, its twin says %d", key, got, want)
		}
	})
}

// slowSlot is Slot bit by bit, after the specification of Redis Cluster.
func slowSlot(key []byte) int {
	if _, after, found := bytes.Cut(key, []byte("{")); found {
		if inside, _, closed := bytes.Cut(after, []byte("}")); closed && len(inside) > 0 {
			key = inside
		}
	}
	crc := uint16(0)
	for _, b := range key {
		for bit := 7; bit >= 0; bit-- {
			carry := crc>>15 ^ uint16(b>>bit)&1
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
	}
	return int(crc % 16384)
}
