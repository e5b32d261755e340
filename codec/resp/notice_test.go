package resp

import (
	"strings"
	"testing"
	"time"
)

func TestNotices(t *testing.T) {
	for reply, want := range map[string]Notice{
		"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n":                Published,
		">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n":    Published,
		">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n":               Published,
		"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n":                   Confirmed,
		"*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n":                   Confirmed,
		">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n":                     Confirmed,
		">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n":                 NoNotice,
		"*2\r\n$4\r\npong\r\n$0\r\n\r\n":                               NoNotice,
		"*0\r\n":                                                       NoNotice,
		"*-1\r\n":                                                      NoNotice,
		"*1\r\n*1\r\n$7\r\nmessage\r\n":                                NoNotice,
		"*1\r\n$-1\r\n":                                                NoNotice,
		"$7\r\nmessage\r\n":                                            NoNotice,
		"+message\r\n":                                                 NoNotice,
		"-ERR message\r\n":                                             NoNotice,
		"*1\r\n$30\r\n" + strings.Repeat("subscribe", 4)[:30] + "\r\n": NoNotice,
	} {
		if got := NoticeOf([]byte(reply)); got != want {
			t.Errorf("%q is %d, want %d", reply, got, want)
		}
	}
}

func TestBlocks(t *testing.T) {
	for words, want := range map[string]bool{
		"blpop a 0": true, "bzmpop 0 1 a min": true, "lpop a": false, "get a": false,
		"xread streams a 0": false, "xread block 0 streams a 0": true, "xread count 1 BLOCK 5 streams a 0": true,
		"xread streams block 0": false, "xreadgroup group block c streams a >": false,
		"xreadgroup group g block streams a >": false, "xreadgroup group g c noack block 1 streams a >": true,
	} {
		b, args := request(strings.Fields(words)...)
		if got := Lookup(args[0].Of(b)).Blocks(b, args); got != want {
			t.Errorf("%s: blocks is %v", words, got)
		}
	}
}

func TestPatience(t *testing.T) {
	for words, want := range map[string]time.Duration{
		"blpop a b 2": 2 * time.Second, "brpop a 0.25": time.Second / 4, "blpop a 0": 0, "blpop a -1": 0, "blpop a x": 0, "blpop a nan": 0,
		"blpop a 1e300": 0, "blmove a b left left 3": 3 * time.Second, "brpoplpush a b 3": 3 * time.Second, "bzpopmin a 3": 3 * time.Second,
		"blmpop 2 1 a left": 2 * time.Second, "bzmpop 2 1 a min count 5": 2 * time.Second, "wait 1 50": 50 * time.Millisecond,
		"waitaof 1 1 50": 50 * time.Millisecond, "xread count 1 block 5 streams a 0": 5 * time.Millisecond, "xread block 0 streams a 0": 0,
		"xreadgroup group g c block 5 noack streams a >": 5 * time.Millisecond,
	} {
		b, args := request(strings.Fields(words)...)
		if got := Lookup(args[0].Of(b)).Patience(b, args); got != int64(want) {
			t.Errorf("%s: patience is %v, want %v", words, time.Duration(got), want)
		}
	}
	b, args := request("blpop", "1", "2", "3")
	if got := Lookup([]byte("blpop")).Patience(b, args[:3]); got != 0 {
		t.Errorf("a key is taken for a time: %v", got)
	}
}

// Whose end is confirmed is read of whole confirmations only.
func TestEndedShardChannel(t *testing.T) {
	for reply, want := range map[string]string{
		"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n":   "b",
		">3\r\n$12\r\nsunsubscribe\r\n$2\r\nbb\r\n:10\r\n": "bb",
		">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n":         "",
		"*3\r\n$12\r\nsunsubscribe\r\n$9\r\nb\r\n":         "",
		"*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n":    "",
		"+OK\r\n": "",
	} {
		if name, ok := EndedShardChannel([]byte(reply)); string(name) != want || ok != (want != "") {
			t.Errorf("%q ends %q, %v", reply, name, ok)
		}
	}
}
