// Until when the certificate of each server is good, as workers have last been shown it: to be told of before it ends.

package link

import "sync/atomic"

// A slot has two words for each server: the end of the certificate in s since the epoch, and when that was seen, in ns of CLOCK_MONOTONIC.
var certificateNames = [...]string{"certificate_ends", "certificate_seen"}

// CertificateWords are where a worker writes the end of a server's certificate, with atomic stores.
type CertificateWords [len(certificateNames)]*uint64

// Certificate returns the words of a server in a slot, which its worker writes, and for Legacy the master.
func (s *Shared) Certificate(slot, pool, server int) (words CertificateWords) {
	for i := range words {
		words[i] = s.own(s.certificates[i], slot, pool, server)
	}
	return words
}

// NewCertificate returns words that nobody else reads.
func NewCertificate() CertificateWords { return CertificateWords{new(uint64), new(uint64)} }

// Note notes a certificate that ends at a time, in s since the epoch, as it was seen at another, in ns of CLOCK_MONOTONIC.
func (w CertificateWords) Note(ends, now int64) {
	atomic.StoreUint64(w[0], uint64(max(ends, 0)))
	atomic.StoreUint64(w[1], uint64(now))
}

// CertificateEnds returns when the certificate ends that a server has last shown, in s since the epoch, and when it has; 0: none is known.
func (s *Shared) CertificateEnds(pool, server int) (ends, seen int64) {
	for slot := range s.dir.Slots + 1 {
		w := s.Certificate(slot, pool, server)
		if at := int64(atomic.LoadUint64(w[1])); at > seen {
			ends, seen = int64(atomic.LoadUint64(w[0])), at
		}
	}
	return ends, seen
}

// InheritCertificate notes what workers of another generation have seen, unless one of this has since.
func (s *Shared) InheritCertificate(pool, server int, ends, seen int64) {
	s.Certificate(s.Legacy(), pool, server).Note(ends, seen)
}
