// The parsers against their twins, whole and in pieces.

package memcache

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzConsumeRequest(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.in), uint16(len(c.in)/2))
	}
	for line := range stricter {
		f.Add([]byte(line+"a\r\n"), uint16(3))
	}
	f.Add([]byte("get "+strings.Repeat("k ", 1100)+"\r\n"), uint16(2000))
	f.Add([]byte("\x80"), uint16(0))
	f.Add([]byte("ms Zm9v 3 q b O1\r\nabc\r\n"), uint16(5))
	f.Add([]byte("mg k q q\r\n"), uint16(5))
	f.Add([]byte("me k b\r\n"), uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		want := naiveRequest(string(b))
		r, keys, n, err := ConsumeRequest(b, nil)
		if n != want.n || (err != nil) != want.failed {
			t.Fatalf("n = %d, %v; twin %+v", n, err, want)
		}
		checkMeasure(t, b, int(cut)%(len(b)+1), n, err)
		if err != nil {
			if got := err.(*RequestError).Reply; got != want.reply {
				t.Fatalf("reply %q, twin %q", got, want.reply)
			}
			return
		}
		if n == 0 {
			return
		}
		var names []string
		for _, s := range keys {
			names = append(names, string(s.Of(b)))
		}
		if got := strings.Join(names, " "); got != want.keys || r.NoReply != want.noreply {
			t.Fatalf("keys %q, noreply %v; twin %+v", got, r.NoReply, want)
		}
		if r.Quiet != (want.quiet == 1) || r.EncodedKey != (want.placed != "") {
			t.Fatalf("%+v, twin %+v", r, want)
		}
		if got := string(r.AppendKey(nil, b, append(keys, Span{})[0])); r.EncodedKey && got != want.placed {
			t.Fatalf("key %q, twin %q", got, want.placed)
		}
		if r.Cmd.Name == "get" || r.Cmd.Name == "gets" {
			var last Span
			for i, key := range keys {
				if last = r.NextKey(b, last); last != key {
					t.Fatalf("one by one key %d is %v, at once %v", i, last, key)
				}
			}
		}
		forward := AppendForward(nil, b, &r)
		if string(forward) != want.forward {
			t.Fatalf("forward %q, twin %q", forward, want.forward)
		}
		// What a server gets is a request that says the same, in the form in which nothing is left to change.
		again, _, n, err := ConsumeRequest(forward, nil)
		stable := again.plain || r.Cmd.shape == shapeStats
		if err != nil || n != len(forward) || again.Cmd != r.Cmd || again.NoReply || again.Quiet || !stable {
			t.Fatalf("forward %q: n = %d, %+v, %v", forward, n, again, err)
		}
	})
}

// checkMeasure measures b in two pieces and compares with what ConsumeRequest said of all of it.
func checkMeasure(t *testing.T, b []byte, cut, n int, err error) {
	t.Helper()
	measured, p, merr := MeasureRequest(b[:cut:cut], Progress{})
	if measured == 0 && merr == nil {
		measured, _, merr = MeasureRequest(b, p)
	}
	fatal := err == errBinary || err == errLineTooLong
	if (merr != nil) != fatal {
		t.Fatalf("measuring: %v, consuming: %v", merr, err)
	}
	if decided := n != 0 && !fatal; (measured != 0) != decided || measured > n || err == nil && measured != n {
		t.Fatalf("measured %d, consumed %d, %v", measured, n, err)
	}
}

func FuzzConsumeReply(f *testing.F) {
	for _, in := range replies {
		f.Add([]byte(in), []byte{1, 3})
	}
	f.Add([]byte("VALUE k 0 1\r\n55\r\n"), []byte{14})
	f.Fuzz(func(t *testing.T, b []byte, pieces []byte) {
		want := naiveReply(string(b))
		n, _, err := ConsumeReply(b, Progress{})
		if n != max(want, 0) || (err != nil) != (want < 0) {
			t.Fatalf("n = %d, %v; twin %d", n, err, want)
		}
		var p Progress
		have := 0
		for _, piece := range append(bytes.Clone(pieces), 255) {
			have = min(len(b), have+int(piece))
			if piece == 255 {
				have = len(b)
			}
			if n, p, err = ConsumeReply(b[:have:have], p); n != 0 || err != nil {
				break
			}
		}
		if n != max(want, 0) || (err != nil) != (want < 0) {
			t.Fatalf("in pieces, %d bytes: n = %d, %v; twin %d", have, n, err, want)
		}
	})
}
