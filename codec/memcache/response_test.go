// Replies: every prefix of a whole one is incomplete, and garbage is told from them.

package memcache

import (
	"strings"
	"testing"
)

var replies = []string{
	"STORED\r\n", "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n", "DELETED\r\n", "TOUCHED\r\n", "OK\r\n", "RESET\r\n",
	"0\r\n", "18446744073709551615\r\n", "9 \r\n",
	"VERSION 1.6.18\r\n",
	"ERROR\r\n", "ERROR Too many open connections\r\n", "CLIENT_ERROR bad data chunk\r\n",
	"SERVER_ERROR out of memory\r\n",
	"END\r\n",
	"VALUE k 0 1\r\n5\r\nEND\r\n",
	"VALUE k 0 0\r\n\r\nEND\r\n",
	"VALUE k 4294967295 5 77\r\nEND\r\n\r\nEND\r\n",
	"VALUE a 0 2\r\n\r\n\r\nVALUE b 0 9\r\nVALUE c 0\r\nEND\r\n",
	"VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory writing get response\r\n",
	"STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n",
	"STAT version \r\nEND\r\n",
	"ITEM k [1 b; 0 s]\r\nITEM n [3 b; 0 s]\r\nEND\r\n",
	"PREFIX p get 1 hit 1 set 1 del 0\r\nEND\r\n",
	"HD\r\n", "HD c7 O12 kk\r\n", "EN\r\n", "NF O1\r\n", "NS\r\n", "EX\r\n", "MN\r\n", "ME k exp=-1 la=0\r\n",
	"VA 0\r\n\r\n", "VA 5 f0 c9\r\nEN\r\n.\r\n",
}

func TestConsumeReply(t *testing.T) {
	for _, in := range replies {
		b := []byte(in + "END\r\n")
		if n, _, err := ConsumeReply(b, Progress{}); n != len(in) || err != nil {
			t.Errorf("%q: n = %d of %d, %v", in, n, len(in), err)
		}
		var p Progress
		for i := range in {
			n, fromStart, err := ConsumeReply(b[:i:i], Progress{})
			if n != 0 || err != nil {
				t.Errorf("%q: n = %d, %v", b[:i], n, err)
			}
			if n, p, err = ConsumeReply(b[:i:i], p); n != 0 || err != nil || p != fromStart {
				t.Errorf("%q in pieces: n = %d, %+v, %v; at once %+v", b[:i], n, p, err, fromStart)
			}
			if n, _, err := ConsumeReply(b, p); n != len(in) || err != nil {
				t.Errorf("%q, interrupted after %d: n = %d, %v", in, i, n, err)
			}
		}
	}
}

func TestConsumeReplyKnowsTheLengthOfAValue(t *testing.T) {
	head := "VALUE k 0 1000\r\n"
	n, p, err := ConsumeReply([]byte(head), Progress{})
	if want := len(head) + 1000 + len(crlf); n != 0 || err != nil || p.Pos != want {
		t.Errorf("n = %d, %+v, %v; want Pos %d", n, p, err, want)
	}
}

func TestGarbageReplies(t *testing.T) {
	for _, in := range []string{
		"\r\n", "\n", "STORED\n", "stored\r\n", "STORED \r\n", "STORED x\r\n", "OK\r\r\n", "HDx\r\n", "EX\r\r\n", "VA\r\n", "VA x\r\n", "VA 1\r\n55\r\n", "VA 1073741825\r\n",
		"STAT a b\r\nHD\r\n",
		"-1\r\n", "1x\r\n", " 1\r\n", "18446744073709551616\r\n", "END \r\n", "VERSION\r\n", "ERRORS\r\n", "+OK\r\n",
		"VALUE\r\n", "VALUE k 0\r\n", "VALUE k 0 x\r\n", "VALUE k 0 -1\r\n", "VALUE k 0 1 2 3\r\n",
		"VALUE k 0 1073741825\r\n",
		"VALUE k 0 1\r\n55\r\n", "VALUE k 0 1\r\n5\r\r", "VALUE k 0 1\r\n5\r\nSTORED\r\n",
		"VALUE k 0 1\r\n5\r\nSTAT a b\r\n",
		"VALUE k 0 1\r\n5\r\nVERSION 1\r\n",
		"STAT a b\r\nVALUE k 0 1\r\n5\r\nEND\r\n", "STAT a b\r\n\r\n", "STAT a b\r\nOK\r\n",
		strings.Repeat("x", maxReplyLineBytes+1), "STAT a b\r\nSTAT " + strings.Repeat("x", maxReplyLineBytes),
		"STAT " + strings.Repeat("x", maxReplyLineBytes) + "\r\n",
	} {
		if n, _, err := ConsumeReply([]byte(in), Progress{}); n != 0 || err == nil {
			t.Errorf("%.80q: n = %d, %v", in, n, err)
		}
	}
}

func TestIsError(t *testing.T) {
	for in, want := range map[string]bool{
		"ERROR\r\n": true, "ERROR": true, "ERROR x\r\n": true, "ERROR: x\r\n": true, "CLIENT_ERROR x\r\n": true,
		"SERVER_ERROR\r\n": true,
		"ERRORS\r\n":       false, "END\r\n": false, "": false, "VALUE ERROR 0 0\r\n\r\nEND\r\n": false,
	} {
		if got := IsError([]byte(in)); got != want {
			t.Errorf("IsError(%q) = %v", in, got)
		}
	}
}

func TestKnowsMeta(t *testing.T) {
	for in, want := range map[string]bool{
		"VERSION 1.6.10\r\n": true, "VERSION 1.6.18\r\n": true, "VERSION 1.7.0\r\n": true, "VERSION 2\r\n": true,
		"VERSION 1.10.1-beta\r\n": true,
		"VERSION 1.6.9\r\n":       false, "VERSION 1.6\r\n": false, "VERSION 1.5.22\r\n": false, "VERSION 1.5.0 DF\r\n": false,
		"VERSION mcrouter 7\r\n": false, "VERSION \r\n": false, "ERROR\r\n": false, "SERVER_ERROR x\r\n": false, "": false,
	} {
		if got := KnowsMeta([]byte(in)); got != want {
			t.Errorf("KnowsMeta(%q) = %v", in, got)
		}
	}
}
