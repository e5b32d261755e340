// Signatures that others make while the loop serves.

package stream

import "github.com/pinion-proxy/pinion/worker/tlshake"

// Signature is one that the handshake of a stream waits for.
type Signature struct {
	s   *Stream
	job *tlshake.Job
}

// Signs tells whether the handshake waits for a signature: until then Shake does nothing.
func (s *Stream) Signs() bool { return s.Shakes() && s.tls.shake.Job != nil }

// Signature returns what the handshake waits for, once; nil: nothing, or it was returned before.
func (s *Stream) Signature() *Signature {
	if !s.Signs() || s.tls.shake.Job.Asked {
		return nil
	}
	s.tls.shake.Job.Asked = true
	return &Signature{s, s.tls.shake.Job}
}

// Make makes it, on any thread.
func (g *Signature) Make() { g.job.Sign() }

// IsNeeded tells whether the handshake still waits for it.
func (g *Signature) IsNeeded() bool { return g.s.Signs() && g.s.tls.shake.Job == g.job }

// Deliver is called when it is made, and tells whether Shake can go on.
func (g *Signature) Deliver() bool {
	if !g.IsNeeded() {
		return false
	}
	g.job.Made, g.s.Unread = true, true // no edge will tell
	return true
}
