// Replies of all servers: what becomes of them, and of errors among them.

package resp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// answersOf makes the replies of as many servers, which are called a, b, c and so on, to a request.
func answersOf(asked string, replies ...string) *Answers {
	b, args := request(strings.Fields(asked)...)
	var names []string
	for i := range replies {
		names = append(names, string(rune('a'+i)))
	}
	a := new(Answers)
	a.Ask(Lookup(args[0].Of(b)).Resolve(b, args), b, args, names)
	for _, r := range replies {
		a.Replies = append(a.Replies, []byte(r))
	}
	return a
}

// bulks is an array of bulk strings.
func bulks(words ...string) string {
	b, _ := request(words...)
	return string(b)
}

// memory is a reply to MEMORY STATS, which ends with more.
func memory(total, startup, keys, perKey int, percentage, more string) string {
	return fmt.Sprintf("*12\r\n$15\r\ntotal.allocated\r\n:%d\r\n$17\r\nstartup.allocated\r\n:%d\r\n$10\r\nkeys.count\r\n:%d\r\n"+
		"$18\r\nkeys.bytes-per-key\r\n:%d\r\n$18\r\ndataset.percentage\r\n%s%s", total, startup, keys, perKey, percentage, more)
}

func TestMergeAnswers(t *testing.T) {
	const (
		down    = "-ERR Connection refused\r\n"
		loading = "-LOADING Redis is loading the dataset in memory\r\n"
		syntax  = "-ERR syntax error\r\n"
		nobody  = "-NOTBUSY No scripts in execution right now.\r\n"
		slow1   = "*3\r\n:7\r\n:100\r\n:5\r\n"
		slow2   = "*3\r\n:8\r\n:300\r\n:5\r\n"
		slow3   = "*3\r\n:2\r\n:200\r\n:5\r\n"
		noFork  = "-ERR No samples available for event 'fork'\r\n"
	)
	for _, e := range []struct {
		asked   string
		replies []string
		want    string
	}{
		{"dbsize", []string{":1\r\n", ":0\r\n", ":41\r\n"}, ":42\r\n"},
		{"dbsize", []string{":1\r\n", down, ":41\r\n"}, "-ERR 'dbsize' failed on 1 of 3 servers, \"b\": Connection refused\r\n"},
		{"dbsize", []string{loading, down, ":41\r\n"},
			"-LOADING 'dbsize' failed on 2 of 3 servers, the first of them \"a\": Redis is loading the dataset in memory\r\n"},
		{"dbsize", []string{down, down, down}, down},
		{"dbsize", []string{":1\r\n", "+OK\r\n"}, "unexpected"},
		{"dbsize", []string{":1\r\n", "-odd\r\n"}, "-ERR 'dbsize' failed on 1 of 2 servers, \"b\": odd\r\n"},
		{"dbsize", []string{":1\r\n", "!8\r\nERR a b \r\n"}, "-ERR 'dbsize' failed on 1 of 2 servers, \"b\": a b \r\n"},

		{"keys *", []string{bulks("x", "y"), "*0\r\n", bulks("z")}, bulks("x", "y", "z")},
		{"keys *", []string{"*0\r\n", "*0\r\n"}, "*0\r\n"},
		{"pubsub channels", []string{bulks("x", "y"), "*0\r\n", bulks("y", "z")}, bulks("x", "y", "z")},
		{"pubsub channels", []string{bulks("x"), ":1\r\n"}, "unexpected"},
		{"pubsub numpat", []string{":2\r\n", ":0\r\n", ":3\r\n"}, ":3\r\n"},
		{"pubsub numpat", []string{":2\r\n", "+OK\r\n"}, "unexpected"},
		{"pubsub numsub a b", []string{"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n", "*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:5\r\n"},
			"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:5\r\n"},
		{"pubsub shardnumsub", []string{"*0\r\n", "*0\r\n"}, "*0\r\n"},
		{"pubsub numsub a", []string{"*2\r\n$1\r\na\r\n:1\r\n", "*0\r\n"}, "unexpected"},
		{"keys *", []string{bulks("x"), down}, "-ERR 'keys' failed on 1 of 2 servers, \"b\": Connection refused\r\n"},
		{"keys *", []string{bulks("x"), ":1\r\n"}, "unexpected"},

		{"flushall", []string{"+OK\r\n", "+OK\r\n"}, "+OK\r\n"},
		{"flushall wrong", []string{syntax, syntax}, syntax},
		{"flushall", []string{"+OK\r\n", "+QUEUED\r\n"}, "-ERR servers \"a\" and \"b\" answer 'flushall' differently\r\n"},
		{"script load x", []string{"$2\r\nab\r\n", "$2\r\nab\r\n"}, "$2\r\nab\r\n"},
		{"script load x", []string{"$2\r\nab\r\n", down}, "-ERR 'script|load' failed on 1 of 2 servers, \"b\": Connection refused\r\n"},
		{"script exists x y", []string{"*2\r\n:1\r\n:1\r\n", "*2\r\n:0\r\n:1\r\n"}, "*2\r\n:0\r\n:1\r\n"},
		{"script exists x y", []string{"*2\r\n:1\r\n:1\r\n", "*1\r\n:0\r\n"}, "unexpected"},
		{"script kill", []string{nobody, "+OK\r\n", nobody}, "+OK\r\n"},
		{"script kill", []string{nobody, nobody}, nobody},
		{"script kill", []string{nobody, "-UNKILLABLE x\r\n"}, "-UNKILLABLE x\r\n"},
		{"bgsave", []string{"+Background saving started\r\n", "+Background saving scheduled\r\n"}, "+Background saving started\r\n"},
		{"lastsave", []string{":30\r\n", ":10\r\n", ":20\r\n"}, ":10\r\n"},

		{"randomkey", []string{"$1\r\nx\r\n", "$-1\r\n", "$1\r\ny\r\n"}, "$1\r\ny\r\n"},
		{"randomkey", []string{"$-1\r\n", down, "$1\r\ny\r\n"}, "$1\r\ny\r\n"},
		{"randomkey", []string{"$-1\r\n", "_\r\n"}, "$-1\r\n"},
		{"randomkey", []string{"$-1\r\n", down}, "-ERR 'randomkey' failed on 1 of 2 servers, \"b\": Connection refused\r\n"},

		{"slowlog get", []string{"*2\r\n" + slow2 + slow1, "*1\r\n" + slow3}, "*3\r\n" + slow2 + slow3 + slow1},
		{"slowlog get 2", []string{"*2\r\n" + slow2 + slow1, "*1\r\n" + slow3}, "*2\r\n" + slow2 + slow3},
		{"slowlog get -1", []string{"*2\r\n" + slow2 + slow1, "*1\r\n" + slow3}, "*3\r\n" + slow2 + slow3 + slow1},
		{"slowlog get", []string{"*1\r\n:1\r\n", "*0\r\n"}, "unexpected"},
		{"latency history fork", []string{"*2\r\n*2\r\n:1\r\n:10\r\n*2\r\n:5\r\n:20\r\n", "*1\r\n*2\r\n:3\r\n:30\r\n"},
			"*3\r\n*2\r\n:1\r\n:10\r\n*2\r\n:3\r\n:30\r\n*2\r\n:5\r\n:20\r\n"},
		{"latency latest", []string{"*1\r\n*4\r\n$4\r\nfork\r\n:1\r\n:10\r\n:50\r\n", "*1\r\n*5\r\n$4\r\nfork\r\n:3\r\n:30\r\n:40\r\n:9\r\n"},
			"*1\r\n*4\r\n$4\r\nfork\r\n:3\r\n:30\r\n:50\r\n"},
		{"latency histogram", []string{
			"*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:5\r\n$14\r\nhistogram_usec\r\n*4\r\n:1\r\n:2\r\n:4\r\n:5\r\n",
			"*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:9\r\n$14\r\nhistogram_usec\r\n*4\r\n:2\r\n:8\r\n:4\r\n:9\r\n"},
			"*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:14\r\n$14\r\nhistogram_usec\r\n*6\r\n:1\r\n:2\r\n:2\r\n:10\r\n:4\r\n:14\r\n"},
		{"latency histogram", []string{"*2\r\n$3\r\nget\r\n*0\r\n", "*0\r\n"}, "unexpected"},
		{"latency reset", []string{":1\r\n", ":2\r\n"}, ":3\r\n"},

		{"config get m*", []string{bulks("maxmemory", "1", "maxclients", "9"), bulks("maxclients", "9", "maxmemory", "1")},
			bulks("maxmemory", "1", "maxclients", "9")},
		{"config get m*", []string{bulks("maxmemory", "1"), bulks("maxmemory", "2", "maxclients", "9")},
			bulks("maxmemory", `differs between servers: "a"=1 "b"=2`, "maxclients", "9")},
		{"config get m*", []string{"%1\r\n$1\r\na\r\n$1\r\n1\r\n", "%1\r\n$1\r\na\r\n$1\r\n1\r\n"}, "%1\r\n$1\r\na\r\n$1\r\n1\r\n"},
		{"config get nothing", []string{"*0\r\n", "*0\r\n"}, "*0\r\n"},
		{"config get m*", []string{bulks("maxmemory"), bulks("maxmemory")}, "unexpected"},

		{"memory doctor", []string{"=8\r\ntxt:fine\r\n", "=7\r\ntxt:ill\r\n"},
			"=40\r\ntxt:# Server \"a\"\nfine\n\n# Server \"b\"\nill\n\r\n"},
		{"memory doctor", []string{"$4\r\nfine\r\n", "=9\r\ntxt:ill\r\n\r\n"},
			"$36\r\n# Server \"a\"\nfine\n\n# Server \"b\"\nill\n\r\n"},

		{"latency graph fork", []string{noFork, "=7\r\ntxt:ill\r\n", noFork}, "=21\r\ntxt:# Server \"b\"\nill\n\r\n"},
		{"latency graph fork", []string{noFork, noFork}, noFork},
		{"latency graph fork", []string{noFork, down, "$3\r\nill\r\n"}, "-ERR 'latency|graph' failed on 1 of 3 servers, \"b\": Connection refused\r\n"},
		{"latency graph fork", []string{noFork, ":1\r\n"}, "unexpected"},

		{"memory stats", []string{
			memory(1000, 200, 4, 250, "$4\r\n0.50\r\n", "$4\r\ndb.0\r\n*2\r\n$4\r\nmain\r\n:72\r\n"),
			memory(3000, 200, 1, 2800, "$4\r\n0.75\r\n", "$4\r\ndb.1\r\n*2\r\n$4\r\nmain\r\n:72\r\n"),
			memory(500, 200, 0, 0, "$4\r\n0.25\r\n", "$4\r\ndb.0\r\n*2\r\n$4\r\nmain\r\n:8\r\n"),
		}, "*14\r\n" + memory(4500, 600, 5, 780, "$4\r\n0.75\r\n", "$4\r\ndb.0\r\n*2\r\n$4\r\nmain\r\n:80\r\n$4\r\ndb.1\r\n*2\r\n$4\r\nmain\r\n:72\r\n")[5:]},
		{"memory stats", []string{"%2\r\n$1\r\na\r\n,0.5\r\n$1\r\nb\r\n%1\r\n$1\r\nc\r\n:1\r\n", "%1\r\n$1\r\na\r\n,10\r\n"},
			"%2\r\n$1\r\na\r\n,10\r\n$1\r\nb\r\n%1\r\n$1\r\nc\r\n:1\r\n"},
		{"memory stats", []string{"*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\na\r\n+OK\r\n"}, "unexpected"},
		{"memory stats", []string{"*2\r\n$1\r\na\r\n*0\r\n", "*2\r\n$1\r\na\r\n:1\r\n"}, "unexpected"},
	} {
		a := answersOf(e.asked, e.replies...)
		a.Turn = 1
		if e.want == "unexpected" {
			e.want = "-ERR unexpected reply of a server to '" + a.Command.Name + "'\r\n"
		}
		if got := MergeAnswers([]byte("+before\r\n"), a); string(got) != "+before\r\n"+e.want {
			t.Errorf("%s %q: got %q", e.asked, e.replies, got)
		}
	}
}

// FuzzMergeAnswers: whatever servers answer, a client gets exactly one reply, whether it is joined or made at once.
func FuzzMergeAnswers(f *testing.F) {
	f.Add("keys *", "*1\r\n$1\r\na\r\n", "*0\r\n")
	f.Add("config get *", "*2\r\n$1\r\na\r\n$1\r\n1\r\n", "%1\r\n$1\r\na\r\n$-1\r\n")
	f.Add("slowlog get", "*1\r\n*2\r\n:1\r\n:2\r\n", "*1\r\n*2\r\n:1\r\n$1\r\nx\r\n")
	f.Add("latency latest", "*1\r\n*4\r\n$4\r\nfork\r\n:1\r\n:10\r\n:50\r\n", "-ERR x\r\n")
	f.Add("script exists a", "*1\r\n:1\r\n", "~1\r\n:0\r\n")
	f.Add("memory stats", "*2\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n:1\r\n", "%1\r\n$1\r\na\r\n,0.5\r\n")
	f.Add("latency graph x", "-ERR No samples available\r\n", "$1\r\nx\r\n")
	f.Add("memory doctor", "$1\r\nx\r\n", "=5\r\ntxt:a\r\n")
	f.Add("randomkey", "_\r\n", "!3\r\nERR\r\n")
	f.Fuzz(func(t *testing.T, asked, x, y string) {
		for _, r := range []string{x, y} {
			if n, _, err := ConsumeReply([]byte(r), Progress{}); n == 0 || n != len(r) || err != nil || r[0] == '|' {
				return
			}
		}
		words := strings.Fields(asked)
		if len(words) == 0 {
			return
		}
		b, args := request(words...)
		c := Lookup(args[0].Of(b))
		if c != nil {
			c = c.Resolve(b, args)
		}
		if c == nil || c.Route != All {
			return
		}
		got := MergeAnswers(nil, answersOf(asked, x, y))
		if n, _, err := ConsumeReply(got, Progress{}); n != len(got) || err != nil {
			t.Fatalf("%s %q %q: got %q: %d %v", asked, x, y, got, n, err)
		}
		if !c.Merge.IsJoined() {
			return
		}
		a := answersOf(asked, x, y)
		twin, ok := Join(nil, a)
		if ok {
			twin = append(twin, bytes.Join(a.Replies, nil)...)
		}
		if !bytes.Equal(twin, got) {
			t.Fatalf("%s %q %q: got %q, joined %q", asked, x, y, got, twin)
		}
	})
}
