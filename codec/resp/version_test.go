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
