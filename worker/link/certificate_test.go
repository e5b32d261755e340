package link

import "testing"

// What a server has last shown counts, be it good for longer or not.
func TestCertificateEnds(t *testing.T) {
	s := openShared(t, []int{2}, 3)
	is := func(want, wantSeen int64) {
		t.Helper()
		if ends, seen := s.CertificateEnds(0, 1); ends != want || seen != wantSeen {
			t.Errorf("it ends at %d, as seen at %d; want %d, %d", ends, seen, want, wantSeen)
		}
	}
	is(0, 0)
	s.InheritCertificate(0, 1, 500, 10)
	is(500, 10)
	s.Certificate(0, 0, 1).Note(900, 20)
	is(900, 20)
	s.Certificate(2, 0, 1).Note(700, 30)
	is(700, 30)
	if ends, seen := s.CertificateEnds(0, 0); ends != 0 || seen != 0 {
		t.Errorf("that of the other server ends at %d, as seen at %d", ends, seen)
	}
}
