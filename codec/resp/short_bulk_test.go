package resp

import (
	"fmt"
	"strings"
	"testing"
)

// TestFrontBulk compares the heads that are read as a word with the closer look at them, for every length and what is almost one.
func TestFrontBulk(t *testing.T) {
	heads := []string{"$-1\r\n", "$-2\r\n", "$-0\r\n", "$00\r\n", "$01\r\n", "$012\r\n", "$0123\r\n", "$\r\n", "$1\r", "$1\n\r", "$12\r\r",
		"$1:\r\n", "$:1\r\n", "$/1\r\n", "$123:\r\n", "$12/4\r\n", "+1\r\n", "*3\r\n", "$12345\r\n", "$ 12\r\n"}
	for n := range 12_000 {
		heads = append(heads, fmt.Sprintf("$%d\r\n", n))
	}
	for _, head := range heads {
		for _, pos := range []int{0, 3} {
			b := []byte(strings.Repeat("?", pos) + head + "12345678")
			data, next := frontBulk(b, pos)
			size, lo, err := replyLength(b, pos)
			switch {
			case next == 0:
				if len(head) > len("$\r\n") && len(head) <= len("$1234\r\n") && b[pos] == '$' && err == nil && size >= 0 {
					t.Fatalf("%q is not taken for one of %d bytes", head, size)
				}
			case b[pos] != '$' || err != nil || data != lo || size >= 0 && next != lo+size+2 || size < 0 && next != data:
				t.Fatalf("%q begins at %d and ends at %d; its size is %d, from %d: %v", head, data, next, size, lo, err)
			}
			for short := pos; short < pos+8; short++ {
				if data, next := frontBulk(b[:short], pos); data != 0 || next != 0 {
					t.Fatalf("%q begins at %d and ends at %d", b[:short], data, next)
				}
			}
		}
	}
}
