package config

import "testing"

// The address that a worker connects to is canonical; the name, which decides on placement, stays as written.
func TestParseServerAddress(t *testing.T) {
	for _, test := range []struct{ text, address, name string }{
		{"127.0.0.1:6379:1", "127.0.0.1:6379", "127.0.0.1:6379"},
		{"127.1:6379:1", "127.0.0.1:6379", "127.1:6379"},
		{"0x7f.1:06379:1 a", "127.0.0.1:6379", "a"},
		{"[::1]:6379:1", "[::1]:6379", "[::1]:6379"},
		{"cache.example:11211:1", "cache.example:11211", "cache.example"},
	} {
		s, flaw := parseServer(test.text)
		if flaw != nil {
			t.Errorf("%s: %s", test.text, flaw.message)
			continue
		}
		if s.Address != test.address || s.Name != test.name {
			t.Errorf("%s: address %q name %q, want %q %q", test.text, s.Address, s.Name, test.address, test.name)
		}
	}
}
