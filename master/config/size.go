// Values that are a number of bytes, written as operators of Redis are used to: 65536, 64k, 64kb.

package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	kibibyte = 1 << 10
	mebibyte = 1 << 20

	minBufferBytes  = kibibyte
	maxRequestBytes = math.MaxInt32 // 2 GiB - 1: what a worker counts a request in
	minMemoryBytes  = mebibyte      // below it, a worker cannot even serve one client
	maxMemoryBytes  = 1 << 40       // more than a worker can use; the sums of a few limits stay far from overflow
)

// sizeUnits go from large to small, so that the first one that divides a size gives its shortest text.
var sizeUnits = [...]struct {
	suffix byte
	shift  int
}{{'g', 30}, {'m', 20}, {'k', 10}}

// size is a number of bytes from low to high.
func size(field func(*draft) *int64, low, high int64) value {
	return value{
		set: func(d *draft, _ *Key, w word) *flaw { return setSize(w.text, low, high, field(d)) },
		get: func(d *draft) []string { return []string{formatSize(*field(d))} },
	}
}

func setSize(text string, low, high int64, to *int64) *flaw {
	n, ok := parseSize(text)
	if ok && low <= n && n <= high {
		*to = n
		return nil
	}
	f := &flaw{message: "is not a size"}
	f.hint = fmt.Sprintf("write bytes from %s to %s; k, m and g after the digits are KiB, MiB and GiB",
		formatSize(low), formatSize(high))
	if ok {
		f.message = "is out of range"
	}
	return f
}

// parseSize reads digits and a unit. A unit is a power of 1024 with or without the b, in either case: unlike in
// redis.conf, where 1k is 1000, as no limit is that exact. What is too large for an int64 becomes the largest one.
func parseSize(text string) (n int64, ok bool) {
	unit := strings.TrimLeft(text, "0123456789")
	n, err := strconv.ParseInt(text[:len(text)-len(unit)], 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, false
	}
	if unit == "" {
		return n, true
	}
	const lowerCase = 'a' - 'A' // in ASCII only, where no letter has a twin such as the sign of the kelvin
	for _, u := range sizeUnits {
		if letter, b := unit[0]|lowerCase, unit[1:]; letter != u.suffix || b != "" && b != "b" && b != "B" {
			continue
		}
		if n > math.MaxInt64>>u.shift {
			return math.MaxInt64, true
		}
		return n << u.shift, true
	}
	return 0, false
}

// formatSize returns the shortest text of which parseSize makes n again.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + string(u.suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}

func setMemoryLimit(d *draft, _ *Key, w word) *flaw {
	if w.text == auto {
		d.global.MemoryLimit = AutoMemory
		return nil
	}
	if n, ok := parseSize(w.text); ok && n == 0 {
		d.global.MemoryLimit = 0
		return nil
	}
	f := setSize(w.text, minMemoryBytes, maxMemoryBytes, &d.global.MemoryLimit)
	if f != nil {
		f.hint = fmt.Sprintf("write auto, 0 for no limit, or bytes from %s to %s",
			formatSize(minMemoryBytes), formatSize(maxMemoryBytes))
	}
	return f
}

func getMemoryLimit(d *draft) []string {
	if d.global.MemoryLimit == AutoMemory {
		return []string{auto}
	}
	return []string{formatSize(d.global.MemoryLimit)}
}
