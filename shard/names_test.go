// The names and orders that a configuration is written in.

package shard

import (
	"slices"
	"testing"
)

func TestServerName(t *testing.T) {
	for _, test := range []struct{ network, address, name, want string }{
		{"tcp", "127.0.0.1:6379", "", "127.0.0.1:6379"},
		{"tcp", "127.0.0.1:6379", "alpha", "alpha"},
		{"tcp", "127.0.0.1:11211", "", "127.0.0.1"},
		{"tcp", "127.0.0.1:11211", "alpha", "alpha"},
		{"tcp", "127.0.0.1:011211", "", "127.0.0.1"},
		{"tcp", "127.0.0.1:06379", "", "127.0.0.1:06379"},
		{"tcp", "127.0.0.1:1121", "", "127.0.0.1:1121"},
		{"tcp", "11211:1", "", "11211:1"},
		{"tcp", "::1:11211", "", "::1"},
		{"tcp", "11211", "", "11211"},
		{"unix", "/tmp/r.sock", "", "/tmp/r.sock:"},
		{"unix", "/tmp/r:11211", "", "/tmp/r:11211:"},
		{"unix", "/tmp/r.sock", "alpha", "alpha"},
	} {
		if got := ServerName(test.network, test.address, test.name); got != test.want {
			t.Errorf("ServerName(%q, %q, %q) = %q, want %q", test.network, test.address, test.name, got, test.want)
		}
	}
}

func TestLess(t *testing.T) {
	names := []string{"", "a", "b", "\xff", "aa", "ab", "ba", "10.0.0.9:1", "10.0.0.10:1", "10.0.0.11:1"}
	for i, a := range names {
		for j, b := range names {
			if Less(a, b) != (i < j) {
				t.Errorf("Less(%q, %q) = %v", a, b, i >= j)
			}
		}
	}
}

func TestDistributionNames(t *testing.T) {
	names := DistributionNames()
	if !slices.Equal(names, []string{"ketama", "modula", "random"}) {
		t.Errorf("names = %q", names)
	}
	for _, name := range names {
		if d, ok := ParseDistribution(name); !ok || d.String() != name {
			t.Errorf("ParseDistribution(%q) = %v, %v", name, d, ok)
		}
	}
	for _, name := range []string{"", "Ketama", "ketam", "distribution(7)"} {
		if d, ok := ParseDistribution(name); ok {
			t.Errorf("ParseDistribution(%q) = %v", name, d)
		}
	}
	if got := Distribution(7).String(); got != "distribution(7)" {
		t.Errorf("String() = %q", got)
	}
}

func TestHashTag(t *testing.T) {
	for _, test := range []struct{ tag, key, want string }{
		{"", "{user}:1", "{user}:1"},
		{"{}", "", ""},
		{"{}", "user", "user"},
		{"{}", "{user}:1", "user"},
		{"{}", "a{user}:1", "user"},
		{"{}", "a{b}{c}", "b"},
		{"{}", "{}:1", "{}:1"},
		{"{}", "{}{c}", "{}{c}"},
		{"{}", "{{b}}", "{b"},
		{"{}", "}{b}", "b"},
		{"{}", "}b{", "}b{"},
		{"{}", "{b", "{b"},
		{"{}", "b}", "b}"},
		{"$$", "a$b$c", "b"},
		{"$$", "a$$b$c", "a$$b$c"},
		{"$$", "a$b", "a$b"},
		{"\x00}", "\x00b}", "b"},
	} {
		tag, err := ParseHashTag(test.tag)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(tag.Part([]byte(test.key))); got != test.want {
			t.Errorf("tag %q: part of %q = %q, want %q", test.tag, test.key, got, test.want)
		}
	}
	for _, bad := range []string{"{", "{}}", "\x00\x00"} {
		if _, err := ParseHashTag(bad); err == nil {
			t.Errorf("ParseHashTag(%q) accepted it", bad)
		}
	}
}
