// Where servers were found, and memory of builds that do not say.

package link

import (
	"net/netip"
	"testing"
)

func TestFound(t *testing.T) {
	s := openShared(t, []int{2, 1}, 2)
	want := func(address string, at uint64) {
		t.Helper()
		addr, when := s.Found(1, 0)
		if got := addr.String(); got != address || when != at {
			t.Errorf("found at %s, at time %d; want %s at %d", got, when, address, at)
		}
	}
	want("invalid IP", 0)
	s.SetFound(s.Legacy(), 1, 0, netip.MustParseAddr("10.0.0.1"), 1)
	want("10.0.0.1", 1)
	s.SetFound(1, 1, 0, netip.MustParseAddr("2001:db8::7"), 50)
	s.SetFound(0, 1, 0, netip.MustParseAddr("10.0.0.2"), 40)
	want("2001:db8::7", 50)
	s.SetFound(0, 1, 0, netip.MustParseAddr("fe80::1%eth0"), 60)
	s.SetFound(0, 1, 0, netip.Addr{}, 60)
	want("2001:db8::7", 50)
	words, _ := s.foundOf(1, 1, 0)
	*words[0] = 0 // it is being written, or its writer has died over it
	want("10.0.0.2", 40)
	if addr, _ := s.Found(0, 1); addr.IsValid() {
		t.Errorf("the server of another pool is at %s", addr)
	}
}

func TestFoundOfAnotherBuild(t *testing.T) {
	servers := []int{2, 1}
	for name, change := range map[string]func(s *Shared) []byte{
		"only what was there before is mapped": func(s *Shared) []byte { return s.memory()[:s.words[foundWord]*wordBytes] },
		"only what was there before is there":  func(s *Shared) []byte { s.words[foundWord] = 0; return s.memory() },
	} {
		s, err := OpenShared(change(withoutDirectory(openShared(t, servers, 2))), servers, 2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s.SetFound(0, 1, 0, netip.MustParseAddr("10.0.0.1"), 7)
		if addr, _ := s.Found(1, 0); addr.IsValid() || s.Blamed(1, 0) == nil {
			t.Errorf("%s: the server is at %v, its last failure at %v", name, addr, s.Blamed(1, 0))
		}
	}
}
