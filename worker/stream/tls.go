// TLS: what a stream has beyond its bytes when it encrypts. Nobody but this package seals or opens.
//
//	BeginTLS, with a server ─┬─► Shake, with each event, until the handshake is over ─┐
//	AwaitTLS, by a client ───┘                                                        │
//	AdoptTLS, of a connection that another worker has served ─────────────────────────┴─► Recv, Send ─► Drop
//	                                                                     Freeze ─► Thaw, or another worker goes on

package stream

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/tlshake"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

const (
	// cipherBytes is how much is received of records at a time, at most: with what is kept of an incomplete one, and with a
	// KeyUpdate in between, it always has room for a whole one.
	cipherBytes = DefaultReadBytes
	// sealedBytes is how much is sealed at a time: what the socket does not take then needs no mapped memory.
	sealedBytes = memory.MappedBytes - 1
	// recordRoom is how much room sealing a record takes.
	recordRoom = tlsrec.MaxPlaintext + 2*tlsrec.Overhead
	// rekeyToll is what a change of the peer's key counts as that is received, in bytes of a turn.
	rekeyToll = 8 << 10
	// securedBytes is about what the record layer of a connection costs, with its ciphers.
	securedBytes = int(unsafe.Sizeof(secured{})+unsafe.Sizeof(tlsrec.Conn{})) + cipherObjects
	// cipherObjects is what of that the ciphers are.
	cipherObjects = 2 * 770
)

// secured is the state of TLS. Loop only.
type secured struct {
	loop     *Loop
	*shaking                // nil: the handshake is over, and its certificate was taken
	records  *tlsrec.Conn   // nil until it is over
	raw      *memory.Buffer // received and not opened: an incomplete record, or more with backlog; nil: nothing is
	sealed   *memory.Buffer // not written: it goes before anything else; nil: nothing is

	backlog bool // Open has more to say without more being received
	frozen  bool // another worker may go on with the records
	ending  bool // the stream ends behind what is sealed
	awake   bool // the records have ciphers, or may have
	listed  bool // among those of the loop

	failed   writeFailure
	used     uint8 // the look at those at which it was awake last
	patience uint8 // how many of them may find it idle, if it is awake
}

// writeFailure is what became of records that could not be written.
type writeFailure uint8

const (
	noFailure   writeFailure = iota
	answerWaits              // until the kernel has memory
	recordsLost              // nothing can follow them
)

// shaking is what only the handshake needs.
type shaking struct {
	config *tls.Config        // for one that the peer begins, until it is over
	shake  *tlshake.Handshake // nil: it has not begun, or is over
	leaf   *x509.Certificate  // of the peer, verified; nil: none
	shaken uint16             // bytes of the peer's part
	begun  bool               // it has been resumed once
}

// recordBuffers are the loop's buffers for streams with TLS, made for the first one.
type recordBuffers struct {
	cipher []byte // received
	plain  []byte // opened, behind what is kept of an incomplete request or reply
	sealed []byte // to be sent; empty
	awake  awake
}

// secure gives the stream a record layer that is not ready.
func (s *Stream) secure(l *Loop) *secured {
	if b := &l.records; b.cipher == nil {
		b.cipher = make([]byte, cipherBytes)
		b.plain = make([]byte, DirectBytes+cipherBytes)
		b.sealed = make([]byte, 0, sealedBytes)
	}
	l.memory.Charge(securedBytes)
	s.tls = &secured{loop: l, shaking: &shaking{}}
	return s.tls
}

// IsTLS tells whether the stream encrypts, or is to.
func (s *Stream) IsTLS() bool { return s.tls != nil }

// TLSVersion returns the version that was agreed on, as crypto/tls numbers it; 0: none is yet, or the stream does not encrypt.
func (s *Stream) TLSVersion() uint16 {
	if s.tls == nil || s.tls.records == nil {
		return 0
	}
	return s.tls.records.Version()
}

// AwaitsTLS tells whether a handshake is still to come or under way.
func (s *Stream) AwaitsTLS() bool { return s.tls != nil && s.tls.records == nil }

// IsCut tells whether a part of a record has come.
func (s *Stream) IsCut() bool { return s.tls != nil && s.tls.raw != nil }

// Sleep frees what a stream that will be idle can do without. The next record takes microseconds more.
func (s *Stream) Sleep() {
	if s.tls != nil {
		s.tls.sleep()
	}
}

// Freeze forbids to receive and to send until Thaw: another worker may do it, with TLSState.
func (s *Stream) Freeze() {
	if s.tls != nil {
		s.tls.frozen = true
		if s.tls.records != nil {
			s.tls.records.Freeze()
		}
	}
}

// Thaw allows it again: nobody else goes on.
func (s *Stream) Thaw() {
	if s.tls != nil {
		s.tls.frozen = false
		if s.tls.records != nil {
			s.tls.records.Thaw()
		}
	}
}

// IsFrozen tells whether it is forbidden.
func (s *Stream) IsFrozen() bool { return s.tls != nil && s.tls.frozen }

// awaiting stands for the state of the record layer of a stream whose peer has not begun the handshake.
var awaiting = []byte{0}

// IsAwaiting tells whether records, of a TLSState, stand for a handshake that has not begun.
func IsAwaiting(records []byte) bool { return bytes.Equal(records, awaiting) }

// TLSState is what another worker needs to go on with a stream that encrypts.
type TLSState struct {
	Records []byte   // the state of the record layer, as tlsrec.AppendState gives it; empty: the stream does not encrypt
	Input   []byte   // received and not opened
	Output  [][]byte // sealed and not written, before anything in Out
}

// TLSState returns that of a stream, which must be frozen as long as anybody may use it, and whose handshake is over or has
// not begun.
func (s *Stream) TLSState() (state TLSState) {
	if t := s.tls; t != nil {
		if t.records == nil {
			state.Records = bytes.Clone(awaiting)
		} else {
			state.Records = t.records.AppendState(nil)
		}
		state.Input = t.raw.Bytes()
		if t.sealed != nil {
			state.Output = [][]byte{t.sealed.B}
		}
	}
	return state
}

var errInput = errors.New("there is more ciphertext than this build receives at a time")

// AdoptTLS has the stream go on where another one was that encrypts, once it is thawed. It owns none of state. The
// configuration is for a handshake that the peer may still begin; nil: it has.
func (s *Stream) AdoptTLS(l *Loop, state TLSState, config *tls.Config) error {
	if len(state.Records) == 0 {
		return nil
	}
	if len(state.Input) > cipherBytes {
		return errInput
	}
	if config != nil && IsAwaiting(state.Records) {
		s.AwaitTLS(l, config)
		s.Freeze()
		s.tls.keepRaw(state.Input)
		return nil
	}
	records, err := tlsrec.Restore(state.Records)
	if err != nil {
		return err
	}
	t := s.secure(l)
	t.records, t.shaking = records, nil
	s.Freeze()
	t.keepRaw(state.Input)
	t.backlog = len(state.Input) > 0
	for _, b := range state.Output {
		if err := t.keepSealed(b); err != nil {
			return err
		}
	}
	return nil
}

// cost returns how many bytes the buffers take; t may be nil.
func (t *secured) cost() int {
	if t == nil {
		return 0
	}
	return t.raw.Cost() + t.sealed.Cost()
}

func (t *secured) dropInput(m *memory.Allocator) {
	if t != nil {
		m.Put(t.raw)
		t.raw = nil
	}
}

func (t *secured) drop(m *memory.Allocator) {
	if t == nil {
		return
	}
	t.dropInput(m)
	m.Put(t.sealed)
	t.sealed = nil
	if t.shaking != nil && t.shake != nil {
		t.shake.Abort()
		t.endShake()
	}
	if t.records != nil {
		t.records.Wipe()
		t.awake = false
	}
	m.Uncharge(securedBytes)
}

// assertThawed panics where two workers might seal with the same key.
func (t *secured) assertThawed() {
	if t.frozen {
		panic("worker: a stream is used that another worker may go on with")
	}
}
