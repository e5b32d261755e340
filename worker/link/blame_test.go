// Times of failures, and memory of builds that know none.

package link

import "testing"

func TestBlameOfAnotherBuild(t *testing.T) {
	servers := []int{2, 1}
	own := openShared(t, servers, 2)
	*own.Blamed(1, 0) = 7
	if again, err := OpenShared(own.memory(), servers, 2); err != nil || *again.Blamed(1, 0) != 7 {
		t.Errorf("who maps it again: %v", err)
	}
	for name, change := range map[string]func(s *Shared) []byte{
		"only what was there before is mapped": func(s *Shared) []byte { return s.memory()[:s.words[blameWord]*wordBytes] },
		"only what was there before is there":  func(s *Shared) []byte { s.words[blameWord] = 0; return s.memory() },
		"it is elsewhere":                      func(s *Shared) []byte { s.words[blameWord]++; return s.memory() },
	} {
		s, err := OpenShared(change(withoutDirectory(openShared(t, servers, 2))), servers, 2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Blamed(1, 0) != nil {
			t.Errorf("%s: there are times of failures", name)
		}
		if _, known := s.Balance(1); !known || s.Turns(1) == nil {
			t.Errorf("%s: something else is missing", name)
		}
	}
}
