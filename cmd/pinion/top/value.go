// Values of a table: as people read them, as they are sorted, and as scripts get them.

package top

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// unit says what a number is.
type unit uint8

const (
	words unit = iota // no number
	number
	perSecond
	bytes // or bytes in a second
	seconds
	age   // seconds, too, and many
	share // 1 is all
)

// value is what stands in a cell.
type value struct {
	text   string
	number float64 // NaN: not known
}

func text(s string) value          { return value{text: visible(s)} }
func num(n float64) value          { return value{number: n} }
func unknown() value               { return value{number: math.NaN()} }
func sorted(b []float64) []float64 { slices.Sort(b); return b }

// format writes a value as people read it, in six places if it is a number.
func (v value) format(u unit) string {
	n := v.number
	switch {
	case u == words && v.text == "", u != words && math.IsNaN(n):
		return "-"
	case u == words:
		return v.text
	case u == seconds:
		return duration(n)
	case u == age:
		return longDuration(n)
	case u == share:
		return fmt.Sprintf("%.0f%%", 100*n)
	case u == perSecond && n > 0 && n < 10:
		return fmt.Sprintf("%.1f", n)
	}
	return compact(n)
}

// compact writes a number with a letter for thousands, millions and so on.
func compact(n float64) string {
	for _, letter := range []string{"", "k", "M", "G", "T"} {
		switch {
		case n < 9999.5 && letter == "":
			return fmt.Sprintf("%.0f", n)
		case letter == "":
		case n < 99.95:
			return fmt.Sprintf("%.1f%s", n, letter)
		case n < 999.5:
			return fmt.Sprintf("%.0f%s", n, letter)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.0fP", n)
}

// duration writes seconds, of which there are few.
func duration(s float64) string {
	switch {
	case s < 0.000_999_5:
		return fmt.Sprintf("%.0fus", s*1e6)
	case s < 0.009_95:
		return fmt.Sprintf("%.1fms", s*1e3)
	case s < 0.999_5:
		return fmt.Sprintf("%.0fms", s*1e3)
	}
	return fmt.Sprintf("%.1fs", s)
}

// longDuration writes seconds, of which there may be many.
func longDuration(s float64) string {
	n := int64(s)
	switch {
	case n < 60:
		return fmt.Sprintf("%ds", n)
	case n < 3600:
		return fmt.Sprintf("%dm%02d", n/60, n%60)
	case n < 86400:
		return fmt.Sprintf("%dh%02d", n/3600, n%3600/60)
	}
	return fmt.Sprintf("%dd%02d", n/86400, n%86400/3600)
}

// compare orders values: words by the alphabet, numbers by size, what is not known first.
func (v value) compare(other value, u unit) int {
	switch {
	case u == words:
		return strings.Compare(v.text, other.text)
	case math.IsNaN(v.number) || math.IsNaN(other.number):
		return btoi(math.IsNaN(other.number)) - btoi(math.IsNaN(v.number))
	case v.number < other.number:
		return -1
	case v.number > other.number:
		return 1
	}
	return 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// json is the value as scripts get it: a text, a number in the unit of its column, or nil.
func (v value) json(u unit) any {
	switch {
	case u == words:
		return v.text
	case math.IsNaN(v.number), math.IsInf(v.number, 0):
		return nil
	}
	return v.number
}

// visible is text that does nothing to a terminal, and takes one place for each character.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x2e80 && strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
