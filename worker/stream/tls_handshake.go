// Handshakes: driven by the events of the descriptor, on the thread of the loop.

package stream

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"reflect"

	"github.com/pinion-proxy/pinion/worker/tlshake"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

const (
	// flightToll is what a part of a handshake counts as that agrees on a key, signs or verifies, in bytes of a turn: it takes as long.
	flightToll = 128 << 10
	// recordToll is the same of a record, and endToll of the last one.
	recordToll = 1 << 10
	endToll    = 32 << 10
	// signatureToll is the same of a signature of RSA.
	signatureToll = 900 << 10
	// handshakeBytes is about what one takes while it is under way, with what the peer may make it keep of a message; that is bounded by
	// the most that a peer may say in all.
	handshakeBytes = 20 << 10
	mostShaken     = math.MaxUint16
	// handshakeGarbage is what one leaves to the garbage collector, in bytes.
	handshakeGarbage = 42 << 10
)

// NotTLS is the error of a handshake whose peer speaks something else.
type NotTLS struct {
	Begins []byte // what it has sent, about
}

func (e *NotTLS) Error() string { return fmt.Sprintf("it speaks no TLS: it says %.40q", e.Begins) }

// BeginTLS begins a handshake with a server. Shake must follow.
func (s *Stream) BeginTLS(l *Loop, config *tls.Config) {
	s.secure(l).beginShake(tlshake.Client(config))
}

// AwaitTLS has the stream take part in the handshake that its peer, a client, begins. Shake is to be called with each event.
func (s *Stream) AwaitTLS(l *Loop, config *tls.Config) { s.secure(l).config = config }

// Shakes tells whether the handshake is under way: another worker could not go on with it.
func (s *Stream) Shakes() bool { return s.tls != nil && s.tls.shaking != nil && s.tls.shake != nil }

// Certificate returns the certificate of a peer whose handshake is over, once; nil: it has shown none. That of a client was verified.
func (s *Stream) Certificate() (c *x509.Certificate) {
	if s.tls.shaking != nil {
		c = s.tls.leaf
	}
	s.tls.shaking = nil
	return c
}

// EndTLS has the stream be plain again: its peer does not speak TLS.
func (s *Stream) EndTLS(l *Loop) {
	s.tls.drop(l.memory)
	s.tls = nil
}

// GiveUp ends the handshake if it is under way. The peer is told nothing more.
func (s *Stream) GiveUp() {
	if s.Shakes() {
		s.tls.shake.Abort()
		s.tls.endShake()
	}
}

// Shake goes on with the handshake as far as the descriptor lets it. done tells that it has succeeded: records that have come
// with the end of it are for the next Recv. The error says why it has failed; the peer has been told. SendSealed is to follow: no edge tells
// when a kernel has memory again that had none for what was to be said.
func (s *Stream) Shake() (done bool, err error) {
	t := s.tls
	t.assertThawed()
	if over, err := s.stepFirst(); over || err != nil || s.Signs() {
		return over && err == nil, err
	}
	for {
		t.backlog = isWhole(t.raw.Bytes()) // it came before a signature, or another worker has received it
		src, err := s.recvCipher()
		if src == nil {
			return false, err
		}
		over, rest, err := s.stepAll(src)
		t.keepRaw(rest)
		switch {
		case err != nil:
			return false, err
		case over:
			t.backlog, s.Unread = true, true // no edge will tell of what is here already
			return true, nil
		case s.Signs(), !s.Unread:
			return false, nil
		}
	}
}

// stepFirst goes on with what needs no record: the beginning of a server's handshake, or a signature that has been made.
func (s *Stream) stepFirst() (over bool, err error) {
	t := s.tls
	switch {
	case t.config == nil && !t.begun:
		t.begun = true
		return s.step(nil)
	case s.Signs() && t.shake.Job.Made:
		return s.stepped(t.shake.Step(nil))
	}
	return false, nil
}

// stepAll goes on with the whole records of src.
func (s *Stream) stepAll(src []byte) (over bool, rest []byte, err error) {
	for {
		if isStrange(src) {
			return false, nil, &NotTLS{bytes.Clone(src[:min(len(src), 40)])}
		}
		if !isWhole(src) {
			return false, src, nil
		}
		if s.tls.shake == nil { // a coroutine only for who has said something
			s.tls.beginShake(tlshake.Server(s.tls.config))
		}
		size := tlsrec.RecordSize(src)
		over, err = s.step(src[:size])
		src = src[size:]
		if over || err != nil || s.Signs() {
			return over, src, err
		}
	}
}

// isStrange tells whether b cannot be the beginning of a record of a handshake.
func isStrange(b []byte) bool {
	const firstKind, lastKind, major = 20, 23, 3
	return len(b) > 0 && (b[0] < firstKind || b[0] > lastKind) || len(b) > 1 && b[1] != major || tlsrec.RecordSize(b) > tlsrec.MaxRecord
}

// step goes on with one record.
func (s *Stream) step(record []byte) (over bool, err error) {
	t := s.tls
	h, l := t.shake, t.loop
	if len(record) > mostShaken-int(t.shaken) {
		return false, errLongHandshake
	}
	t.shaken += uint16(len(record))
	need := h.Step(record)
	l.Spent += recordToll
	if need == tlshake.NeedsSignature || len(h.Out) > 0 {
		l.Spent += flightToll
	}
	return s.stepped(need)
}

// stepped sends what there is to say after a step. A signature is made at once, or the handshake waits for it.
func (s *Stream) stepped(need tlshake.Need) (over bool, err error) {
	t := s.tls
	h, l := t.shake, t.loop
	for need == tlshake.NeedsSignature {
		if l.SignsElsewhere {
			return false, nil
		}
		l.Spent += signatureToll
		h.Job.Sign()
		need = h.Step(nil)
	}
	if len(h.Out) > 0 {
		err = s.say(h.Out)
		h.Out = nil
	}
	if need != tlshake.Over {
		return false, err
	}
	t.endShake()
	l.Spent += endToll
	l.memory.CountGarbage(handshakeGarbage)
	if h.Err != nil {
		return true, failure(h.Err)
	}
	t.records = h.Records()
	switch state := h.State(); {
	case t.config == nil && len(state.PeerCertificates) > 0:
		t.leaf = state.PeerCertificates[0]
	case len(state.VerifiedChains) > 0:
		t.leaf = state.VerifiedChains[0][0]
		l.Spent += flightToll
	}
	t.config = nil
	return true, err
}

var errLongHandshake = fmt.Errorf("its part of the handshake is longer than %d bytes", mostShaken)

func (t *secured) beginShake(h *tlshake.Handshake) {
	t.shake, t.shaken = h, 0
	t.loop.memory.Charge(handshakeBytes)
}

func (t *secured) endShake() {
	t.shake = nil
	t.loop.memory.Uncharge(handshakeBytes)
}

// failure returns the error of a handshake, in which an alert of the peer is a RemoteAlert.
func failure(err error) error {
	var told *net.OpError
	if errors.As(err, &told) && told.Op == "remote error" {
		if alert := reflect.ValueOf(told.Err); alert.Kind() == reflect.Uint8 {
			return RemoteAlert(alert.Uint())
		}
	}
	return err
}
