// Signatures of RSA: each takes as long as a hundred requests, so a thread beside the loop makes them.

package core

import (
	"crypto/rsa"
	"crypto/tls"
	"slices"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/signer"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// signatures are those that handshakes wait for. Loop only.
type signatures struct {
	thread  signerThread // nil: no key is of RSA
	waiting []asked      // for room at the thread, in the order in which they came; some handshakes are over
}

// signerThread is a signer.Thread, or what tests have in its place.
type signerThread interface {
	FD() int
	HasRoom() bool
	Ask(sign, tell func())
	Deliver()
	Stop()
}

// asked is a signature, and whose handshake goes on with it.
type asked struct {
	signature *stream.Signature
	of        interface{ nextTurn() }
}

// start starts the thread, if any key needs it. It is the worker's as long as it lives.
func (s *signatures) start(l *loop) error {
	if !slices.ContainsFunc(l.pools, (*pool).signsSlowly) {
		return nil
	}
	thread, err := signer.Start()
	if err != nil {
		return err
	}
	s.thread, l.io.SignsElsewhere = thread, true
	_, err = l.register(thread.FD(), s)
	return err
}

// signsSlowly tells whether the pool has a key of RSA, for either side.
func (p *pool) signsSlowly() bool {
	for _, config := range []*tls.Config{p.clientTLS, p.tls} {
		if config != nil && slices.ContainsFunc(config.Certificates, func(c tls.Certificate) bool { _, slow := c.PrivateKey.(*rsa.PrivateKey); return slow }) {
			return true
		}
	}
	return false
}

// ask has a signature made, if it is asked for now; nil: it is not.
func (s *signatures) ask(signature *stream.Signature, of interface{ nextTurn() }) {
	if signature != nil {
		s.waiting = append(s.waiting, asked{signature, of})
		s.pass()
	}
}

// pass gives the thread as much as it has room for. Who has hung up, or has waited for too long, costs nothing any more.
func (s *signatures) pass() {
	for len(s.waiting) > 0 && s.thread.HasRoom() {
		a := s.waiting[0]
		s.waiting[0] = asked{}
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		if a.signature.IsNeeded() {
			s.thread.Ask(a.signature.Make, a.made)
		}
	}
}

// made is called in the loop when the signature is.
func (a asked) made() {
	if a.signature.Deliver() {
		a.of.nextTurn()
	}
}

// ready is called when signatures are made.
func (s *signatures) ready(poll.Event) {
	s.thread.Deliver()
	s.pass()
}

// stop ends the thread.
func (s *signatures) stop() {
	if s.thread != nil {
		s.thread.Stop()
	}
}
