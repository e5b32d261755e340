package discover

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestMeasure(t *testing.T) {
	whole := "*2\r\n$3\r\nabc\r\n*-1\r\n+OK\r\n:-5\r\n$-1\r\n%1\r\n+a\r\n~1\r\n,1.5\r\n|1\r\n+a\r\n+b\r\n>1\r\n$0\r\n\r\n-ERR 12\r\n"
	for _, e := range []struct {
		in  string
		may bool
	}{
		{whole, true},
		{strings.Repeat(whole, 1<<17), true}, // many replies, none of which is long
		{"*262144\r\n", true},
		{"*262145\r\n", false},
		{"*2000000000\r\n", false},
		{"%200000\r\n", false},
		{"*99999999999999999999999\r\n", false},
		{"$2000000000\r\nabc", false},
		{"$1000\r\nabc", true},
		{strings.Repeat("*1\r\n", 1<<18+1), false},
		{"*9\r\n" + strings.Repeat("*65536\r\n", 5), false},
		{"*9\r\n" + strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", 4<<20, strings.Repeat("x", 4<<20)), 4), false},
		{"+" + strings.Repeat("x", 17<<20), false},
	} {
		for _, piece := range []int{1, 7, 4096, len(e.in)} {
			var m measure
			may := true
			for b := []byte(e.in); len(b) > 0 && may; b = b[min(piece, len(b)):] {
				may = m.take(b[:min(piece, len(b))])
			}
			if may != e.may {
				t.Errorf("%.40q by %d: may come: %v", e.in, piece, may)
			}
			m.number = 0
			if e.in == whole && m != (measure{}) {
				t.Errorf("%q by %d: behind the last reply %+v", e.in, piece, m)
			}
		}
	}
}

func TestBoundedConnection(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go far.Write([]byte("*2000000000\r\n"))
	c := bounded{Conn: near}
	if n, err := c.Read(make([]byte, 100)); n != 0 || !errors.Is(err, errTooLong) {
		t.Errorf("it reads %d bytes, %v", n, err)
	}
}
