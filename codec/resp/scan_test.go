// Cursors of SCAN over several servers.

package resp

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// scanReply is what a server answers SCAN with.
func scanReply(cursor uint64, keys ...string) string {
	text := strconv.FormatUint(cursor, 10)
	return "*2\r\n$" + strconv.Itoa(len(text)) + "\r\n" + text + "\r\n" + bulks(keys...)
}

func TestScanGoesThroughAllServers(t *testing.T) {
	servers := [][]uint64{{5, 3, 0}, {0}, {1 << 30, 0}, {0}} // the cursors that each gives
	step := ScanStep{Servers: len(servers), Mark: ServersMark([]string{"a", "b", "c", "d"})}
	cursor, trace := "0", ""
	at := make([]int, len(servers))
	for range 20 {
		own, failure := step.ReadCursor([]byte(cursor))
		if failure != "" {
			t.Fatalf("%s: %s", cursor, failure)
		}
		i := step.Server
		if want := append([]uint64{0}, servers[i]...)[at[i]]; own != want {
			t.Fatalf("server %d is asked from %d, want %d", i, own, want)
		}
		a := answersOf("scan 0", scanReply(servers[i][at[i]], "key"))
		a.Scan = step
		at[i]++
		trace += strconv.Itoa(i)
		got := string(MergeAnswers(nil, a))
		cursor = strings.Split(got, "\r\n")[2]
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || float64(n) > 1<<53 {
			t.Fatalf("cursor %s", cursor)
		}
		if want := fmt.Sprintf("*2\r\n$%d\r\n%s\r\n%s", len(cursor), cursor, bulks("key")); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if n == 0 {
			break
		}
	}
	if trace != "0001223" {
		t.Errorf("servers were asked in the order %s", trace)
	}
}

func TestForeignCursors(t *testing.T) {
	three := ScanStep{Servers: 3, Mark: ServersMark([]string{"a", "b", "c"})}
	own, _ := three.appendCursor(nil, 1234)
	for _, e := range []struct {
		step   ScanStep
		cursor string
		want   string
	}{
		{three, string(own), ""},
		{three, "0", ""},
		{three, "00", ""},
		{three, "x", InvalidCursor},
		{three, "", InvalidCursor},
		{three, "-1", InvalidCursor},
		{three, "18446744073709551616", InvalidCursor},
		{three, "17", ForeignCursor},
		{three, strconv.FormatUint(math.MaxUint64, 10), ForeignCursor},
		{ScanStep{Servers: 2, Mark: ServersMark([]string{"a", "b"})}, string(own), ForeignCursor},
		{ScanStep{Servers: 3, Mark: ServersMark([]string{"a", "c", "b"})}, string(own), ForeignCursor},
		{ScanStep{Servers: 3, Mark: ServersMark([]string{"ab", "", "c"})}, string(own), ForeignCursor},
	} {
		if _, failure := e.step.ReadCursor([]byte(e.cursor)); failure != e.want {
			t.Errorf("%q of %d servers: got %q, want %q", e.cursor, e.step.Servers, failure, e.want)
		}
	}
	if !IsPoolCursor(own) || IsPoolCursor([]byte("1234")) || IsPoolCursor([]byte("x")) || IsPoolCursor([]byte(strconv.FormatUint(1<<63|cursorBit, 10))) {
		t.Error("a pool's cursor is not told from a server's")
	}
}

func TestCursorTooLarge(t *testing.T) {
	step := ScanStep{Servers: 3}
	for _, own := range []uint64{maxCursor / 3, math.MaxUint64} {
		if out, ok := step.appendCursor(nil, own); ok {
			t.Errorf("%d: got %s", own, out)
		}
	}
	most := uint64(maxCursor/3 - 2)
	out, ok := step.appendCursor(nil, most)
	if got, failure := step.ReadCursor(out); !ok || failure != "" || got != most {
		t.Errorf("%d: got %d %v %q", most, got, ok, failure)
	}
	a := answersOf("scan 0", scanReply(math.MaxUint64))
	a.Scan = step
	if got := string(MergeAnswers(nil, a)); got != "-ERR unexpected reply of a server to 'scan'\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestScanErrorsAreTheServers(t *testing.T) {
	for _, r := range []string{"-ERR syntax error\r\n", "-LOADING x\r\n"} {
		a := answersOf("scan 0", r)
		a.Scan = ScanStep{Servers: 3}
		if got := string(MergeAnswers(nil, a)); got != r {
			t.Errorf("got %q, want %q", got, r)
		}
	}
}

func TestAppendScan(t *testing.T) {
	b, args := request("ScaN", "4503599627370496", "MATCH", "a*")
	want, _ := request("ScaN", "12", "MATCH", "a*")
	if got := AppendScan(nil, b, args, 12); string(got) != string(want) {
		t.Errorf("got %q", got)
	}
}
