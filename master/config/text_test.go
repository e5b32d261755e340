// Comments and templates, which are found in lines.

package config

import (
	"slices"
	"testing"
)

func TestCutComment(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                            {"", ""},
		"# all":                       {"", "# all"},
		"a: b # c":                    {"a: b", "# c"},
		"a: b#c":                      {"a: b#c", ""},
		`a: "b # c" # d`:              {`a: "b # c"`, "# d"},
		`a: 'b "# c' #d`:              {`a: 'b "# c'`, "#d"},
		"a: it's # fine":              {"a: it's", "# fine"},
		"a: [b, #c":                   {"a: [b,", "#c"},
		"\t#x":                        {"", "#x"},
		`redis_auth "a #b" #c "d #e"`: {`redis_auth "a #b"`, `#c "d #e"`},
	} {
		before, comment := cutComment(text)
		if before != want[0] || comment != want[1] {
			t.Errorf("%q: got %q and %q, want %q", text, before, comment, want)
		}
	}
}

// What is no template, or stands where anything may, is read as it is; beside a template, the rest of the file is still checked.
func TestTemplates(t *testing.T) {
	const head = "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  timeout: 400\n"
	for _, test := range []struct {
		text string
		want []string
	}{
		{head + "  hash_tag: \"{}\"\n  servers:\n  - 127.0.0.1:6379:1 # {{ host }}\n", nil},
		{head + "  # ${HOST}\n  servers: [\"127.0.0.1:6379:1 $x\"]\n", nil},
		{head + "  redis_auth: \"$SECRET\"\n" + bareServer, nil},
		{head + "  redis_auth: \"{{ secret }}\"\n" + bareServer, []string{
			`f:5:16: warning: pool "alpha": redis_auth looks like a template that nothing has filled in; write the value, or fill in the file before Pinion reads it`}},
		{head + "  hash: nonsense\n  servers:\n  - {{ host }}:{{ port }}:1\n", []string{
			`f:5:9: pool "alpha": hash "nonsense" is unknown; known are ` + "one_at_a_time, md5, crc16, crc32, crc32a, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, hsieh, murmur, jenkins",
			`f:7:5: pool "alpha": servers has "{{ host }}", a template that nothing has filled in; write the value, or fill in the file before Pinion reads it`,
			`f:7:16: pool "alpha": servers has "{{ port }}", a template that nothing has filled in; write the value, or fill in the file before Pinion reads it`}},
		{"<% header %>\nlisten 127.0.0.1:22121\ntimeout 400\nbackend a a:6379\n", []string{
			`f:1:1: "<% header %>" is a template that nothing has filled in; write the value, or fill in the file before Pinion reads it`}},
	} {
		if got := complaints([]byte(test.text)); !slices.Equal(got, test.want) {
			t.Errorf("got %q\nwant %q\nof\n%s", got, test.want, test.text)
		}
	}
}
