package acl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/codec/resp"
)

func mustParse(t testing.TB, line string) *User {
	u, err := Parse(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return u
}

// requestOf returns a request of words with spaces between.
func requestOf(t testing.TB, text string) *Request {
	_, b, err := resp.ConsumeInline([]byte(text+"\r\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, args, err := resp.ConsumeRequest(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Lookup(args[0].Of(b))
	if c != nil {
		c = c.Resolve(b, args)
	}
	if c == nil {
		t.Fatalf("%s: no such command", text)
	}
	return &Request{c, b, args, len(args)}
}

const secretSum = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" // of "secret"

func TestText(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"bob", "bob off resetchannels -@all"},
		{"bob on >secret", "bob on " + secretSum + " resetchannels -@all"},
		{"bob on >secret >secret " + secretSum, "bob on " + secretSum + " resetchannels -@all"},
		{"bob >secret <secret", "bob off resetchannels -@all"},
		{"bob >secret !" + secretSum[1:], "bob off resetchannels -@all"},
		{"bob >secret nopass", "bob off nopass resetchannels -@all"},
		{"bob nopass >secret", "bob off " + secretSum + " resetchannels -@all"},
		{"bob nopass resetpass", "bob off resetchannels -@all"},
		{"bob ON AllKeys allchannels AllCommands", "bob on ~* &* +@all"},
		{"bob on ~* &* +@all reset", "bob off resetchannels -@all"},
		{"bob ~a ~a %R~b %W~b %RW~c %w~d %R~*", "bob off ~a ~b ~c %W~d %R~* resetchannels -@all"},
		{"bob ~a %RW~*", "bob off ~* resetchannels -@all"},
		{"bob ~a resetkeys ~b", "bob off ~b resetchannels -@all"},
		{"bob &a &b &a", "bob off resetchannels &a &b -@all"},
		{"bob &a resetchannels &b", "bob off resetchannels &b -@all"},
		{"bob +GET +@hash -hdel +get", "bob off resetchannels -@all +@hash -hdel +get"},
		{"bob +client|id +client -client|kill", "bob off resetchannels -@all +client -client|kill"},
		{"bob +@all -@dangerous nocommands +ping", "bob off resetchannels -@all +ping"},
		{"bob sanitize-payload clearselectors", "bob off resetchannels -@all"},
	} {
		got := mustParse(t, test.line).Text()
		if got != test.want {
			t.Errorf("%s:\n%s, want\n%s", test.line, got, test.want)
		}
		if again := mustParse(t, got).Text(); again != got {
			t.Errorf("%s is read as %s", got, again)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", "has no name"},
		{"bob foo", `rule 1 is no rule`},
		{"bob on secret", "rule 2 is no rule"},
		{"bob +nosuch", `rule "+nosuch" names no command and no category`},
		{"bob +@nosuch", `rule "+@nosuch" names no command and no category`},
		{"bob -client|nosuch", `rule "-client|nosuch" names no command`},
		{"bob +get|x", "with some first argument"},
		{"bob +client|id|x", "with some first argument"},
		{"bob +host:", "names no command"},
		{"bob + -", "names no command"},
		{"bob (+get ~k)", "is a selector"},
		{"bob skip-sanitize-payload", "sanitize-dump-payload"},
		{"bob #abc", "is no SHA-256"},
		{"bob " + strings.ToUpper(secretSum), "is no SHA-256"},
		{"bob <secret", `rule 1 takes away a password`},
		{"bob !" + secretSum[1:], "takes away a password"},
		{"bob >", "is an empty password"},
		{"bob %X~a", "is no rule"},
		{"bob %R", "is no rule"},
		{"bob %~a", "is no rule"},
		{"bob ~* ~a", "stands behind a rule for all keys"},
		{"bob &* &a", "stands behind a rule for all channels"},
	} {
		u, err := Parse(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v, want %q", test.line, u, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has the password: %v", test.line, err)
		}
	}
}

func TestCheck(t *testing.T) {
	const app = "bob on nopass ~app:* %R~r:* %W~w:* &news:* +@all -@dangerous +sort"
	for _, test := range []struct {
		user, request string
		want          Reason
		object        string
	}{
		{app, "GET app:1", Allowed, ""},
		{app, "GET r:1", Allowed, ""},
		{app, "GET w:1", NoKey, "w:1"},
		{app, "SET w:1 x", Allowed, ""},
		{app, "SET w:1 x GET", NoKey, "w:1"},
		{app, "SET r:1 x", NoKey, "r:1"},
		{app, "STRLEN w:1", Allowed, ""},
		{app, "MGET app:1 r:1 w:1", NoKey, "w:1"},
		{app, "DEL w:1 app:1 other", NoKey, "other"},
		{app, "MSET app:1 other other other", NoKey, "other"},
		{app, "COPY r:1 w:1", Allowed, ""},
		{app, "COPY w:1 r:1", NoKey, "w:1"},
		{app, "SINTERSTORE w:1 r:1 app:1", Allowed, ""},
		{app, "SINTERSTORE r:1 app:1", NoKey, "r:1"},
		{app, "ZUNIONSTORE app:1 2 r:1 w:1", NoKey, "w:1"},
		{app, "EVAL return 2 app:1 r:1", NoKey, "r:1"},
		{app, "EVAL return 0", Allowed, ""},
		{app, "EVAL_RO return 1 r:1", Allowed, ""},
		{app, "XREAD BLOCK 0 STREAMS r:1 w:1 0 0", NoKey, "w:1"},
		{app, "BLPOP app:1 other 0", NoKey, "other"},
		{app, "SORT r:1 STORE w:1", Allowed, ""},
		{app, "SORT r:1 STORE r:2", NoKey, "r:2"},
		{app, "SORT r:1 BY weight_*", NoSortBy, ""},
		{app, "SORT r:1 LIMIT 0 1 GET # GET by_* BY by_*", NoSortGet, ""},
		{app + " %R~*", "SORT r:1 BY weight_*", Allowed, ""},
		{app, "SORT r:1 BY nosort GET #", Allowed, ""},
		{app, "FT.SEARCH index query", NoKey, ""},
		{app + " %R~*", "FT.SEARCH index query", Allowed, ""},
		{app + " %R~*", "FT.CREATE index SCHEMA a TEXT", NoKey, ""},
		{app + " +migrate", "MIGRATE host 6379 app:1 0 1000", NoKey, ""},
		{app + " +restore-asking", "RESTORE-ASKING app:1 0 x", NoKey, ""},
		{app, "PUBLISH news:1 hello", Allowed, ""},
		{app, "PUBLISH other news:1", NoChannel, "other"},
		{app, "SUBSCRIBE news:1 other", NoChannel, "other"},
		{app, "PSUBSCRIBE news:*", Allowed, ""},
		{app, "PSUBSCRIBE news:1*", NoChannel, "news:1*"},
		{app, "UNSUBSCRIBE other", Allowed, ""},
		{app, "FLUSHALL", NoCommand, ""},
		{app, "CLIENT KILL 127.0.0.1:1", NoCommand, ""},
		{app, "CLIENT ID", Allowed, ""},
		{app, "WATCH app:1 other", NoKey, "other"},
		{"bob", "GET k", NoCommand, ""},
		{"bob", "AUTH bob x", Allowed, ""},
		{"bob", "HELLO", Allowed, ""},
		{"bob", "QUIT", Allowed, ""},
		{"bob", "RESET", Allowed, ""},
		{"bob", "PING", NoCommand, ""},
		{"bob +get", "GET k", NoKey, "k"},
		{"bob +get allkeys", "GET k", Allowed, ""},
	} {
		d, _ := mustParse(t, test.user).Check(requestOf(t, test.request), nil)
		if d.Reason != test.want || string(d.Object) != test.object {
			t.Errorf("%s: %d %q, want %d %q", test.request, d.Reason, d.Object, test.want, test.object)
		}
	}
}

// Of a long request only the first arguments are told apart beforehand.
func TestCheckLongRequest(t *testing.T) {
	u := mustParse(t, "bob ~a* &a* +@all")
	for _, request := range []string{"DEL", "MSET", "SUBSCRIBE", "EVAL return 200", "SORT a1", "BLPOP"} {
		for _, last := range []string{"a", "b"} {
			text := request
			for range 200 {
				text += " a1"
			}
			switch request {
			case "BLPOP":
				text += " " + last + " 0"
			case "MSET":
				text += " " + last + " a"
			case "EVAL return 200":
				text = strings.TrimSuffix(text, " a1") + " " + last
			case "SORT a1":
				text = request + strings.Repeat(" ASC", 200) + " STORE " + last
			default:
				text += " " + last
			}
			r := requestOf(t, text)
			r.Args = r.Args[:64]
			d, _ := u.Check(r, nil)
			if (d.Reason == Allowed) != (last == "a") || d.Reason != Allowed && string(d.Object) != "b" {
				t.Errorf("%s … %s: %d %q", request, last, d.Reason, d.Object)
			}
		}
	}
}

// There are requests of which nobody looks at all keys in one turn: they are for users who may use all.
func TestCheckOfTooManyKeys(t *testing.T) {
	words := make([]string, maxLooked+2)
	for i := range words {
		words[i] = "a"
	}
	for _, command := range []string{"DEL", "SUBSCRIBE"} {
		words[0] = command
		for rules, want := range map[string]Reason{"~a &a": TooLong, "~* &*": Allowed} {
			r := requestOfWords(t, words)
			r.Args = r.Args[:64]
			if d, _ := mustParse(t, "bob on "+rules+" +@all").Check(r, nil); d.Reason != want {
				t.Errorf("%s of %d for %s: %d, want %d", command, len(words)-1, rules, d.Reason, want)
			}
		}
	}
}

// Many keys, each compared with many patterns, take as long.
func TestCheckOfManyPatterns(t *testing.T) {
	rules := "bob on +@all"
	for i := range 1000 {
		rules += fmt.Sprint(" ~b", i)
	}
	u := mustParse(t, rules)
	for count, want := range map[int]Reason{maxCompared / 1000: NoKey, maxCompared/1000 + 1: TooLong} {
		if d, _ := u.Check(requestOfWords(t, append([]string{"DEL"}, slices.Repeat([]string{"a"}, count)...)), nil); d.Reason != want {
			t.Errorf("%d keys: %d, want %d", count, d.Reason, want)
		}
	}
}

// Nothing that a client may send makes Check fail, with as few arguments as the table lets through and with odd ones.
func TestCheckOfAnyRequest(t *testing.T) {
	u := mustParse(t, "bob on nopass ~a* &a* +@all")
	var scratch []int32
	for _, c := range allRows {
		least := max(c.Arity, -c.Arity)
		if c.Route == resp.Refuse {
			least = 0
		}
		for _, filler := range []string{"1", "a", "", "-1", "99999999999999999999", "STREAMS", "STORE", "BY"} {
			for extra := range 4 {
				words := strings.Split(c.Name, "|")
				for len(words) < least+extra {
					words = append(words, filler)
				}
				if c.Arity > 0 && len(words) > c.Arity && c.Route != resp.Refuse {
					continue
				}
				r := requestOfWords(t, words)
				if r.Command == nil {
					continue
				}
				_, scratch = u.Check(r, scratch)
			}
		}
	}
}

func TestLogin(t *testing.T) {
	l, err := NewList([]string{"bob on >secret >other", "off off >secret", "any on nopass"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, password string
		want           bool
	}{
		{"bob", "secret", true}, {"bob", "other", true}, {"bob", "", false}, {"bob", "secret2", false},
		{"off", "secret", false}, {"any", "what", true}, {"default", "", false}, {"nobody", "secret", false},
	} {
		u := l.Login([]byte(test.name), []byte(test.password))
		if (u != nil) != test.want || u != nil && u.Name != test.name {
			t.Errorf("%s with %q: %v", test.name, test.password, u)
		}
	}
	if _, err := NewList([]string{"bob", "bob"}); err == nil {
		t.Error("two users have one name")
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", false}, {"*", "abc", true}, {"a*c", "abbc", true}, {"a*c", "abcb", false},
		{"a**b", "ab", true}, {"?", "", false}, {"a?c", "abc", true}, {"[abc]x", "bx", true}, {"[^abc]x", "bx", false}, {"[^abc]x", "dx", true},
		{"[a-c]", "b", true}, {"[c-a]", "b", true}, {"[a-]", "-", false}, {`\*`, "*", true}, {`\*`, "a", false}, {`a\`, `a\`, true},
		{`[\]]`, "]", true}, {"[abc", "c", true}, {"[", "", false}, {"[]", "a", false}, {"[^]", "a", true}, {"*a*b*c", "xxaxxbxxc", true},
		{"a*", "\x00", false}, {"*\x00*", "a\x00b", true},
	} {
		if got := match(test.pattern, []byte(test.text)); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.text, got)
		}
	}
}

// A pattern of many stars takes no time that grows with their number in the exponent.
func TestMatchEndsSoon(t *testing.T) {
	text := []byte(strings.Repeat("a", 4096))
	if match(strings.Repeat("a*", 64)+"b", text) {
		t.Error("it matches")
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	u := mustParse(t, "bob on nopass ~other:* ~app:* &news +@all")
	scratch := make([]int32, 0, 16)
	for _, request := range []string{"GET app:1", "MGET app:1 app:2", "EVAL return 1 app:1", "PUBLISH news x", "XREAD STREAMS app:1 0", "GET wrong"} {
		r := requestOf(t, request)
		if n := testing.AllocsPerRun(100, func() { _, scratch = u.Check(r, scratch) }); n != 0 {
			t.Errorf("%s: %v allocations", request, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	u := mustParse(b, "bob on nopass ~other:* ~app:* +@all -@dangerous")
	r := requestOf(b, "GET app:1")
	for b.Loop() {
		if d, _ := u.Check(r, nil); d.Reason != Allowed {
			b.Fatal(d.Reason)
		}
	}
}
