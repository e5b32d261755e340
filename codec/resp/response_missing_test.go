// Replies that a server without the key gives, and others.

package resp

import "testing"

func TestMayBeMissing(t *testing.T) {
	for reply, want := range map[string]bool{
		"$-1\r\n": true, "_\r\n": true, "*-1\r\n": true, "*0\r\n": true, "%0\r\n": true, "~0\r\n": true, ":0\r\n": true, ":-2\r\n": true,
		"+none\r\n": true, "$0\r\n\r\n": true, "#f\r\n": true, "-ERR no such key\r\n": true, "*2\r\n$-1\r\n$-1\r\n": true, "*2\r\n:0\r\n:0\r\n": true,
		"*2\r\n$1\r\na\r\n$-1\r\n": true, "*2\r\n$1\r\na\r\n_\r\n": true, "*1\r\n*-1\r\n": true, ",0\r\n": true,
		"$1\r\na\r\n": false, ":1\r\n": false, ":15\r\n": false, "+string\r\n": false, "*1\r\n$1\r\na\r\n": false, "%1\r\n$1\r\na\r\n$1\r\nb\r\n": false, ",1.5\r\n": false,
	} {
		if got := MayBeMissing([]byte(reply)); got != want {
			t.Errorf("%q: %v", reply, got)
		}
	}
}
