// Keys against COMMAND GETKEYS and the error replies of Redis, as recorded.

package resp

import (
	"slices"
	"strings"
	"testing"
)

// keyExamples: the keys are what COMMAND GETKEYS of Redis 7.0.15 says, except those marked.
var keyExamples = []struct {
	request string
	keys    string
	err     error
}{
	{request: "get k", keys: "k"},
	{request: "set k v ex 10", keys: "k"},
	{request: "mget a b c", keys: "a b c"},
	{request: "mset a 1 b 2", keys: "a b"},
	{request: "msetnx a 1", keys: "a"},
	{request: "copy a b replace", keys: "a b"},
	{request: "rename a b", keys: "a b"},
	{request: "bitop and dst a b", keys: "dst a b"},
	{request: "object encoding k", keys: "k"},
	{request: "memory usage k samples 5", keys: "k"},
	{request: "xgroup create k g $", keys: "k"},
	{request: "xinfo stream k full", keys: "k"},
	{request: "lcs a b len", keys: "a b"},
	{request: "geosearchstore dst src frommember m byradius 1 m", keys: "dst src"},
	{request: "zrangestore dst src 0 -1", keys: "dst src"},
	{request: "sinterstore dst a b", keys: "dst a b"},
	{request: "pfmerge dst a", keys: "dst a"},
	{request: "smove a b m", keys: "a b"},

	{request: "eval return 2 a b c", keys: "a b"},
	{request: "evalsha_ro sha 1 a", keys: "a"},
	{request: "fcall f 1 a b", keys: "a"},
	{request: "zunionstore dst 2 a b weights 1 2", keys: "dst a b"},
	{request: "zinter 1 a", keys: "a"},
	{request: "zintercard 2 a b limit 1", keys: "a b"},
	{request: "zdiff 2 a b withscores", keys: "a b"},
	{request: "sintercard 2 a b limit 3", keys: "a b"},
	{request: "lmpop 2 a b left count 3", keys: "a b"},
	{request: "zmpop 1 a min", keys: "a"},

	{request: "xread streams a 0", keys: "a"},
	{request: "xread count 3 streams a b 0 0", keys: "a b"},
	{request: "xread block 0 streams a b 0 0", keys: "a b"},
	{request: "xreadgroup group g c block 5 noack streams a >", keys: "a"},
	{request: "XREAD STREAMS streams 0", keys: "streams"},
	{request: "xreadgroup group g c count 1 noack streams a b > >", keys: "a b"},
	{request: "xreadgroup group streams c streams a >", keys: "a"},

	{request: "copy a b", keys: "a b"},
	{request: "copy a b replace", keys: "a b"},
	{request: "copy db replace", keys: "db replace"},
	{request: "sort k", keys: "k"},
	{request: "sort k by nosort limit 0 10 get # asc desc alpha store dst", keys: "k dst"},
	{request: "sort_ro k limit 0 1 desc", keys: "k"},
	{request: "sort k by weight_* store dst", keys: "k dst", err: ErrForeign},
	{request: "sort k get # get data_*->f", keys: "k", err: ErrForeign},
	{request: "sort_ro k by w_*", keys: "k", err: ErrForeign},
	{request: "georadius k 1 2 3 m", keys: "k"},
	{request: "georadius k 1 2 3 m withdist count 5 any asc store dst", keys: "k dst"},
	{request: "georadiusbymember k m 3 m storedist dst", keys: "k dst"},
	{request: "georadiusbymember k store 3 m", keys: "k"},
	{request: "georadius k 1 2 3 m store a storedist b", keys: "k a b"},

	// GETKEYS finds none here.
	{request: "eval return 0 a", keys: "", err: ErrForeign},
	{request: "fcall f 0", keys: "", err: ErrForeign},

	// GETKEYS gives the last, which is the one written to. All are to be on one server, which is simpler to say.
	{request: "sort k store a store b", keys: "k a b"},

	// Unknown to 7.0.15.
	{request: "msetex 2 a 1 b 2 ex 10", keys: "a b"},
	{request: "hgetdel k fields 1 f", keys: "k"},
	{request: "vsim k ele e", keys: "k"},
	{request: "xreadgroup group g c claim 10 streams a >", keys: "a"},
	{request: "json.mget a b $", keys: "a b"},
	{request: "json.mset a $ 1 b $ 2", keys: "a b"},
	{request: "json.debug memory k", keys: "k"},
	{request: "cms.merge dst 2 a b weights 1 2", keys: "dst a b"},
	{request: "tdigest.merge dst 1 a", keys: "dst a"},
	{request: "ts.madd a 1 2 b 3 4", keys: "a b"},
	{request: "ts.createrule a b aggregation avg 10", keys: "a b"},
}

func TestKeys(t *testing.T) {
	for _, e := range keyExamples {
		keys, err := keysOf(e.request)
		if !slices.Equal(keys, strings.Fields(e.keys)) || err != e.err {
			t.Errorf("%s: got %q %v", e.request, keys, err)
		}
	}
}

// The first arguments tell the same as all of them, or that they are too few: those in front of STREAMS, and of what has
// keys among its options.
func TestLocateByFirstArguments(t *testing.T) {
	for _, e := range keyExamples {
		words := strings.Fields(strings.ToLower(e.request))
		b, args := request(words...)
		c := Lookup(args[0].Of(b)).Resolve(b, args)
		want, wantErr := c.Keys(b, args, nil)
		anywhere := slices.Contains([]string{"copy", "sort", "sort_ro", "georadius", "georadiusbymember"}, c.Name)
		streams := 0
		for i, word := range words {
			if word == "streams" {
				streams = i
			}
		}
		for n := 4; n < len(args); n++ {
			alone, row, err := c.Locate(b, args[:n], len(args), nil)
			if anywhere || strings.HasPrefix(c.Name, "xread") && n <= streams {
				if err != ErrMoreArgs {
					t.Errorf("%s: the first %d arguments are enough: %v", e.request, n, err)
				}
				continue
			}
			if got := row.appendTo(alone); !slices.Equal(got, want) || err != wantErr {
				t.Errorf("%s: the first %d arguments tell %v %v, all of them %v %v", e.request, n, got, err, want, wantErr)
			}
		}
	}
}

// TestKeyErrors: the texts are those of Redis 7.0.15, except those marked; FCALL had a function f to call.
func TestKeyErrors(t *testing.T) {
	for _, e := range []struct{ request, err string }{
		{"mset a 1 b", "ERR wrong number of arguments for 'mset' command"},
		{"msetnx a 1 b", "ERR wrong number of arguments for 'msetnx' command"},
		{"eval x y", "ERR value is not an integer or out of range"},
		{"eval x 01 a", "ERR value is not an integer or out of range"},
		{"eval x -1", "ERR Number of keys can't be negative"},
		{"eval x 3 a", "ERR Number of keys can't be greater than number of args"},
		{"eval x 9223372036854775807 a", "ERR Number of keys can't be greater than number of args"},
		{"fcall f x", "ERR Bad number of keys provided"},
		{"fcall f -1", "ERR Number of keys can't be negative"},
		{"fcall_ro f 2 a", "ERR Number of keys can't be greater than number of args"},
		{"zunionstore d x a", "ERR value is not an integer or out of range"},
		{"zunionstore d 0 a", "ERR at least 1 input key is needed for 'zunionstore' command"},
		{"zunionstore d -1 a", "ERR at least 1 input key is needed for 'zunionstore' command"},
		{"zunionstore d 3 a", "ERR syntax error"},
		{"zunion 0 a", "ERR at least 1 input key is needed for 'zunion' command"},
		{"zintercard 3 a", "ERR syntax error"},
		{"sintercard x a", "ERR numkeys should be greater than 0"},
		{"sintercard 0 a", "ERR numkeys should be greater than 0"},
		{"sintercard 3 a", "ERR Number of keys can't be greater than number of args"},
		{"lmpop 0 a left", "ERR numkeys should be greater than 0"},
		{"lmpop x a left", "ERR numkeys should be greater than 0"},
		{"lmpop 2 a left", "ERR syntax error"},
		{"zmpop 5 a min", "ERR syntax error"},
		{"copy a b db", "ERR syntax error"},
		{"copy a b foo", "ERR syntax error"},
		{"sort k foo", "ERR syntax error"},
		{"sort k by", "ERR syntax error"},
		{"sort k limit 1", "ERR syntax error"},
		{"sort k by x get", "ERR syntax error"},
		{"sort_ro k store d", "ERR syntax error"},
		{"xread foo streams a 0", "ERR syntax error"},
		{"xread count 1 a 0", "ERR syntax error"},
		{"xread a b streams", "ERR syntax error"},
		{"xread count 1 count 2", "ERR syntax error"},
		{"xreadgroup group g c count 1 streams", "ERR syntax error"},
		{"xread noack streams a 0",
			"ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."},
		{"xread group g c streams a 0",
			"ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."},

		// As Redis since 7.2 words it.
		{"xread streams a b c",
			"ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified."},
		{"xreadgroup group g c streams a b c",
			"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."},

		// Our own.
		{"json.mset a $ 1 b $", "ERR wrong number of arguments for 'json.mset' command"},
		{"ts.madd a 1 2 b", "ERR wrong number of arguments for 'ts.madd' command"},
		{"msetex x a 1", "ERR invalid numkeys value"},
		{"msetex 2 a 1 b", "ERR wrong number of key-value pairs"},
		{"cms.merge d 2 a", "ERR wrong number of arguments for 'cms.merge' command"},
		{"tdigest.merge d 0 a", "ERR at least 1 input key is needed for 'tdigest.merge' command"},
	} {
		_, err := keysOf(e.request)
		if k, ok := err.(KeyError); !ok || string(k) != e.err {
			t.Errorf("%s: got %v, want %s", e.request, err, e.err)
		}
	}
}

// A request that reaches into another database tells which, and its keys all the same.
func TestOtherDB(t *testing.T) {
	for request, want := range map[string]string{
		"copy a b db 1":              "copy db 1",
		"copy a b REPLACE DB x":      "copy db x",
		"copy a b db 1 replace DB 2": "copy db 2",
		"move a 3":                   "move 3",
	} {
		keys, err := keysOf(request)
		other, ok := err.(*OtherDB)
		if !ok || other.Asks+" "+string(other.DB) != want || len(keys) == 0 || keys[0] != "a" {
			t.Errorf("%s: got %q, %v", request, keys, err)
		}
	}
}

// FuzzKeys: no request makes Keys fail otherwise than with its errors, or name an argument that there is not.
func FuzzKeys(f *testing.F) {
	for _, e := range keyExamples {
		f.Add(e.request)
	}
	f.Fuzz(func(t *testing.T, words string) {
		fields := strings.Fields(words)
		if len(fields) == 0 {
			return
		}
		b, args := request(fields...)
		c := Lookup(args[0].Of(b))
		if c == nil {
			return
		}
		if c = c.Resolve(b, args); c == nil || !c.CheckArity(len(args)) {
			return
		}
		keys, err := c.Keys(b, args, nil)
		_, wrong := err.(KeyError)
		_, elsewhere := err.(*OtherDB)
		if err != nil && !wrong && !elsewhere && err != ErrForeign {
			t.Fatalf("%s: %v", words, err)
		}
		if err == nil && len(keys) == 0 && (c.Route == Forward || c.Route == Fragment) {
			t.Fatalf("%s: no keys", words)
		}
		for i, k := range keys {
			if k < 1 || int(k) >= len(args) || i > 0 && k <= keys[i-1] {
				t.Fatalf("%s: keys %d", words, keys)
			}
		}
	})
}

func keysOf(words string) (keys []string, err error) {
	b, args := request(strings.Fields(words)...)
	c := Lookup(args[0].Of(b)).Resolve(b, args)
	if !c.CheckArity(len(args)) {
		return nil, KeyError(wrongArity(c))
	}
	indexes, err := c.Keys(b, args, nil)
	for _, i := range indexes {
		keys = append(keys, string(args[i].Of(b)))
	}
	return keys, err
}
