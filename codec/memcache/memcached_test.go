// What this package makes of odd requests, held against what memcached answered to the same bytes.

package memcache

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// stricter are the requests to which memcached 1.6.18 gives another answer, each with ours. ConsumeRequest says why.
var stricter = map[string]string{
	"get k\x00x\r\n":            "CLIENT_ERROR bad command line format\r\n",
	"get k\r\r\n":               "CLIENT_ERROR bad command line format\r\n",
	"gat 0\r\n":                 "ERROR\r\n",
	"gats 0\r\n":                "ERROR\r\n",
	"incr k 1\t\r\n":            "CLIENT_ERROR invalid numeric delta argument\r\n",
	"touch k 0\t\r\n":           "CLIENT_ERROR invalid exptime argument\r\n",
	"bget k\r\n":                "ERROR\r\n",
	"set x 0 0 2147483645\r\n":  "SERVER_ERROR object too large for cache\r\n",
	"set x 0 0 4294967297\r\n":  "CLIENT_ERROR bad command line format\r\n",
	"set x 4294967296 0 1\r\n":  "CLIENT_ERROR bad command line format\r\n",
	"set x 0 2147483648 1\r\n":  "CLIENT_ERROR bad command line format\r\n",
	"set x 0 -2147483649 1\r\n": "CLIENT_ERROR bad command line format\r\n",
	"set x 0 4294967296 1\r\n":  "CLIENT_ERROR bad command line format\r\n",
	"set x\x00y 0 0 1\r\n":      "CLIENT_ERROR bad command line format\r\n",

	"set x 18446744073709551615 0 1\r\n": "CLIENT_ERROR bad command line format\r\n",
}

// recorded calls f for each request of the recording and what memcached answered.
func recorded(t *testing.T, f func(t *testing.T, request, answer string)) {
	file, err := os.Open("testdata/memcached-1.6.18.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text := lines.Text()
		if strings.HasPrefix(text, "#") {
			continue
		}
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		request, err1 := strconv.Unquote(quoted)
		answer, err2 := strconv.Unquote(strings.TrimSpace(text[len(quoted):]))
		if err1 != nil || err2 != nil {
			t.Fatalf("%q: %v, %v", text, err1, err2)
		}
		count++
		t.Run(quoted, func(t *testing.T) { f(t, request, answer) })
	}
	if count < 300 {
		t.Errorf("%d requests in the recording", count)
	}
}

func TestAsMemcached(t *testing.T) {
	met := 0
	recorded(t, func(t *testing.T, request, answer string) {
		line, _, _ := strings.Cut(request, "\n")
		ours, listed := stricter[line+"\n"]
		if !listed {
			compare(t, request, answer)
			return
		}
		met++
		_, _, _, err := ConsumeRequest([]byte(request), nil)
		if err == nil || err.(*RequestError).Reply != ours {
			t.Errorf("got %v, want %q", err, ours)
		}
		if strings.HasPrefix(answer, ours) {
			t.Errorf("memcached answers the same: %q", answer)
		}
	})
	if met < len(stricter) {
		t.Errorf("met %d of the %d requests listed as treated differently", met, len(stricter))
	}
}

// compare goes through a recording. What we accept, memcached gave exactly one reply to, or none if it was to be none.
// What we reject, it rejected in the same words, and then at most complained of the data that it took for commands.
func compare(t *testing.T, request, answer string) {
	for request != "" {
		r, _, n, err := ConsumeRequest([]byte(request), nil)
		switch {
		case err != nil && r.Cmd != nil && r.Cmd.Route == Refuse:
			want := "CLIENT_ERROR " + r.Cmd.Name + " is not supported by pinion\r\n"
			if strings.HasSuffix(request, " noreply\r\n") {
				want = ""
			}
			if got := err.(*RequestError).Reply; got != want {
				t.Errorf("refusal %q, want %q", got, want)
			}
			return
		case err != nil:
			e, same := err.(*RequestError), false
			n = min(n, len(request))
			if answer, same = strings.CutPrefix(answer, e.Reply); !same || e.Close {
				t.Fatalf("we answer %+v to %q, memcached %q", e, request[:n], answer)
			}
			eol := strings.IndexByte(request, '\n')
			if _, _, fault := parseLine([]byte(request), eol, nil); fault != nil {
				complaints := strings.Count(request[eol+1:n], "\n")
				answer = strings.TrimPrefix(answer, strings.Repeat("ERROR\r\n", complaints))
			}
		case n == 0:
			t.Fatalf("%q is incomplete", request)
		case !r.NoReply && !(r.Quiet && answer == ""):
			size, _, err := ConsumeReply([]byte(answer), Progress{})
			if err != nil || size == 0 {
				t.Fatalf("memcached's answer to %q: %q: %v", request[:n], answer, err)
			}
			answer = answer[size:]
		}
		request = request[n:]
	}
	if answer != "" {
		t.Errorf("memcached answers another %q", answer)
	}
}
