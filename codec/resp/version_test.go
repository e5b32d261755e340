package resp

import "testing"

func TestVersions(t *testing.T) {
	for name, test := range map[string]struct {
		append       func(v Version) []byte
		resp2, resp3 string
	}{
		"null":       {func(v Version) []byte { return v.AppendNull(nil) }, "$-1\r\n", "_\r\n"},
		"null array": {func(v Version) []byte { return v.AppendNullArray(nil) }, "*-1\r\n", "_\r\n"},
		"map":        {func(v Version) []byte { return v.AppendMap(nil, 7) }, "*14\r\n", "%7\r\n"},
		"set":        {func(v Version) []byte { return v.AppendSet(nil, 12) }, "*12\r\n", "~12\r\n"},
		"push":       {func(v Version) []byte { return v.AppendPush(nil, 2) }, "*2\r\n", ">2\r\n"},
		"verbatim":   {func(v Version) []byte { return v.AppendVerbatim(nil, []byte("a\r\n")) }, "$3\r\na\r\n\r\n", "=7\r\ntxt:a\r\n\r\n"},
	} {
		for v, want := range map[Version]string{RESP2: test.resp2, RESP3: test.resp3} {
			if got := test.append(v); string(got) != want {
				t.Errorf("%s of RESP%d is %q, want %q", name, v, got, want)
			}
		}
	}
}

func TestHelloVersion(t *testing.T) {
	for reply, want := range map[string]string{
		"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n": "7.0.15",
		"*4\r\n$7\r\nversion\r\n$5\r\n6.2.1\r\n$5\r\nproto\r\n:2\r\n":            "6.2.1",
		"%1\r\n$7\r\nversion\r\n:7\r\n":                                          "", "%0\r\n": "", "-ERR\r\n": "", "": "", "%1\r\n$7\r\nversion\r\n": "",
	} {
		if got, ok := HelloVersion([]byte(reply)); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", reply, got, ok)
		}
	}
	if got := OldestVersion([]string{"7.0.15", "7.0.9", "8.0"}); got != "7.0.9" {
		t.Errorf("the oldest is %s", got)
	}
}
