// Sizes: each text with the bytes it means, and every number with its shortest text.

package config

import (
	"math"
	"strconv"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"1", 1, true}, {"007", 7, true}, {"65536", 65536, true}, {"0k", 0, true},
		{"1k", 1 << 10, true}, {"1kb", 1 << 10, true}, {"1K", 1 << 10, true}, {"1KB", 1 << 10, true}, {"1Kb", 1 << 10, true},
		{"3m", 3 << 20, true}, {"3mb", 3 << 20, true}, {"12g", 12 << 30, true}, {"12GB", 12 << 30, true},
		{"9223372036854775807", math.MaxInt64, true}, {"9223372036854775808", math.MaxInt64, true},
		{"8589934591g", 8589934591 << 30, true}, {"8589934592g", math.MaxInt64, true},
		{"99999999999999999999g", math.MaxInt64, true}, {"9007199254740992k", math.MaxInt64, true},
		{"", 0, false}, {"k", 0, false}, {"kb", 0, false}, {"-1", 0, false}, {"+1", 0, false}, {" 1", 0, false},
		{"1 ", 0, false}, {"1 k", 0, false}, {"1b", 0, false}, {"1kB ", 0, false}, {"1kib", 0, false}, {"1kk", 0, false},
		{"1t", 0, false}, {"1.5g", 0, false}, {"0x10", 0, false}, {"1k1", 0, false}, {"1_000", 0, false}, {"1e3", 0, false},
		{"1\u212a", 0, false}, {"١", 0, false},
	} {
		if n, ok := parseSize(test.text); ok != test.ok || n != test.want {
			t.Errorf("parseSize(%q) = %d, %v; want %d, %v", test.text, n, ok, test.want, test.ok)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for _, test := range []struct {
		bytes int64
		want  string
	}{
		{0, "0"}, {1, "1"}, {1023, "1023"}, {1024, "1k"}, {1025, "1025"}, {1536 << 10, "1536k"}, {1 << 20, "1m"},
		{1000 << 20, "1000m"}, {1024 << 20, "1g"}, {1<<30 + 1<<10, "1048577k"}, {math.MaxInt32, "2147483647"},
		{maxMemoryBytes, "1024g"}, {math.MaxInt64, "9223372036854775807"},
	} {
		if got := formatSize(test.bytes); got != test.want {
			t.Errorf("formatSize(%d) = %s, want %s", test.bytes, got, test.want)
		}
	}
}

// Whatever is formatted is read back, and no text of the same bytes is shorter.
func TestFormatSizeIsShortest(t *testing.T) {
	for _, unit := range []int64{1, 1 << 10, 1 << 20, 1 << 30} {
		for n := range int64(2100) {
			text := formatSize(n * unit)
			if got, ok := parseSize(text); !ok || got != n*unit {
				t.Fatalf("formatSize(%d) = %s, which is %d, %v", n*unit, text, got, ok)
			}
			for suffix, bytes := range map[string]int64{"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30} {
				if other := strconv.FormatInt(n*unit/bytes, 10) + suffix; n*unit%bytes == 0 && len(other) < len(text) {
					t.Fatalf("formatSize(%d) = %s, and %s is shorter", n*unit, text, other)
				}
			}
		}
	}
}
