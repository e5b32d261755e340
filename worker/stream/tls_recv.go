// Receiving with TLS: records into a buffer of the loop, what they contain into another.

package stream

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// RemoteAlert is the error of a connection that the peer has ended with an alert.
type RemoteAlert = tlsrec.RemoteAlert

// IsWrong tells whether an error is that what the peer has sent is no good TLS. It has been told.
func IsWrong(err error) bool {
	_, wrong := err.(tlsrec.Alert)
	return wrong
}

// recvRecords is Recv with TLS.
func (s *Stream) recvRecords() (b []byte, err error) {
	t := s.tls
	t.assertThawed()
	l, kept := t.loop, len(s.Kept())
	s.direct = kept >= DirectBytes
	src, err := s.recvCipher()
	if src == nil {
		return nil, err
	}
	var plain []byte
	if !s.direct {
		plain = l.records.plain[kept:kept]
	} else {
		if err := l.memory.Grow(s.rest, cipherBytes); err != nil {
			t.keepRaw(src)
			t.backlog = true
			return nil, err
		}
		plain = s.rest.B[kept:]
	}
	t.wake()
	plain, rest, err := t.open(plain, src)
	t.backlog = err != nil || isWhole(rest)
	t.keepRaw(rest)
	s.Unread = s.Unread || t.backlog
	if answerErr := s.answer(err); answerErr != nil && err == nil {
		err = answerErr
	}
	switch {
	case len(plain) == 0 && err == tlsrec.ErrClosed:
		s.Unread = false
		return nil, io.EOF
	case len(plain) == 0:
		return nil, err
	case s.direct:
		s.rest.B = s.rest.B[:kept+len(plain)]
		return s.rest.B, nil
	}
	if kept > 0 {
		copy(l.records.plain, s.rest.B)
		l.memory.Put(s.rest)
		s.rest = nil
	}
	return l.records.plain[:kept+len(plain)], nil
}

// recvCipher returns what is to be opened: what is kept, and unless that is enough what the kernel has. Nothing and no error means
// that nothing has come.
func (s *Stream) recvCipher() (src []byte, err error) {
	t := s.tls
	l := t.loop
	buf := l.records.cipher
	kept := copy(buf, t.raw.Bytes())
	if t.backlog {
		return buf[:kept], nil
	}
	n, err := s.receive(l, l.share(buf[kept:]))
	if n == 0 {
		return nil, err
	}
	return buf[:kept+n], nil
}

// open appends what the records in src contain to dst. It stops behind a change of the peer's key if the turn has received enough: a
// peer could send thousands in a row.
func (t *secured) open(dst, src []byte) (plain, rest []byte, err error) {
	for {
		var used int
		dst, used, err = t.records.Open(dst, src)
		src = src[used:]
		if err != nil || !isWhole(src) {
			return dst, src, err
		}
		if t.loop.Spent += rekeyToll; t.loop.Spent >= t.loop.enough {
			return dst, src, nil
		}
	}
}

// isWhole tells whether b begins with a record that has come as a whole.
func isWhole(b []byte) bool {
	size := tlsrec.RecordSize(b)
	return size > 0 && size <= len(b)
}

// keepRaw keeps b, which may be a part of the buffer of the loop only, to be opened later.
func (t *secured) keepRaw(b []byte) {
	m := t.loop.memory
	old := t.raw
	t.raw = nil
	if len(b) > 0 {
		t.raw = m.GetRemainder(b)
	}
	m.Put(old)
}

// answer sends what the peer is owed for what it has sent: an alert if that was wrong, or another key.
func (s *Stream) answer(err error) error {
	t := s.tls
	var sealed []byte
	alert, wrong := err.(tlsrec.Alert)
	switch {
	case wrong:
		sealed, err = t.records.SealAlert(t.loop.records.sealed, alert)
	case err == nil && t.records.OwesKeyUpdate() && t.sealed == nil: // else with what is sealed next: a peer that does not read could ask for any number
		sealed, _, err = t.records.Seal(t.loop.records.sealed)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	err = s.writeSealed(sealed)
	if !wrong && (err == unix.ENOBUFS || err == unix.ENOMEM) && t.failed != recordsLost {
		t.failed = answerWaits
		return nil
	}
	return err
}

// AnswersLate tells, once, that what the peer is owed for what it has sent could not be written, as the kernel was out of memory: it is to be
// sent after a while.
func (s *Stream) AnswersLate() bool {
	if s.tls == nil || s.tls.failed != answerWaits {
		return false
	}
	s.tls.failed = noFailure
	return true
}
