// Keys and arguments are whatever bytes a client sends. What is shown of them is text.

package totals

import "strconv"

// Escape returns bytes as a Go string without its quotes: printable ASCII as it is, but for \ and ", and the others escaped.
func Escape(b []byte) string {
	text := strconv.QuoteToASCII(string(b))
	return text[1 : len(text)-1]
}
