package resp

import (
	"strings"
	"testing"
)

func TestParseTracking(t *testing.T) {
	parse := func(words string, before *Tracking) (Tracking, string) {
		b, args := request(strings.Fields("CLIENT TRACKING ON " + words)...)
		return ParseTracking(b, args[3:], before)
	}
	optIn, broadcast := &Tracking{OptIn: true}, &Tracking{Broadcast: true, Prefixes: [][]byte{[]byte("u:")}}
	for _, test := range []struct {
		words  string
		before *Tracking
		want   string
	}{
		{"", nil, ""},
		{"noloop optin", optIn, ""},
		{"BCAST PREFIX a PREFIX b", nil, ""},
		{"BCAST PREFIX v:", broadcast, ""},
		{"PREFIX a", nil, TrackingPrefix},
		{"PREFIX", nil, SyntaxError},
		{"REDIRECT 5", nil, TrackingNoRedirect},
		{"REDIRECT", nil, SyntaxError},
		{"BCAST OPTIN", nil, TrackingModes},
		{"OPTIN OPTOUT", nil, TrackingBothModes},
		{"OPTOUT", optIn, TrackingSwitchOpt},
		{"BCAST", optIn, TrackingSwitchBcast},
		{"", broadcast, TrackingSwitchBcast},
		{"BCAST PREFIX u:1", broadcast, "ERR Prefix 'u:1' overlaps with an existing prefix 'u:'. Prefixes for a single client must not overlap."},
		{"BCAST PREFIX a PREFIX ab", nil, "ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap."},
		{"nosuch", nil, SyntaxError},
	} {
		if _, got := parse(test.words, test.before); got != test.want {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
	got, _ := parse("bcast noloop prefix x prefix y", nil)
	if !got.Broadcast || !got.NoLoop || got.OptIn || len(got.Prefixes) != 2 || string(got.Prefixes[1]) != "y" {
		t.Errorf("it is read as %+v", got)
	}
}

func TestIsInvalidation(t *testing.T) {
	for push, want := range map[string]bool{
		InvalidateAll: true, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n": true, ">2\r\n$7\r\nmessage\r\n_\r\n": false, "": false,
	} {
		if IsInvalidation([]byte(push)) != want {
			t.Errorf("%q: %v", push, !want)
		}
	}
}
