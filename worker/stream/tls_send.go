// Sending with TLS: what waits goes into records, as few as possible, when it is written. A record that is sealed goes out whole and
// before any later one.

package stream

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// sendRecords is Send with TLS.
func (s *Stream) sendRecords(share int, written *Output) (more bool, err error) {
	t, o := s.tls, &s.Out
	t.assertThawed()
	if err := s.SendSealed(); err != nil {
		return false, err
	}
	for t.sealed == nil && o.bytes > 0 {
		if share == 0 {
			return true, nil
		}
		sealed, n, err := s.seal(share, written)
		if err != nil {
			return false, err
		}
		share -= n
		if err = s.writeSealed(sealed); err != nil {
			return false, err
		}
	}
	return false, nil
}

// seal seals up to share bytes of Out, which are freed then, unless they go to written.
func (s *Stream) seal(share int, written *Output) (sealed []byte, bytes int, err error) {
	t, o := s.tls, &s.Out
	l := t.loop
	t.wake()
	sealed = l.records.sealed
	for o.bytes > 0 && bytes < share && cap(sealed)-len(sealed) >= recordRoom {
		n := o.gather(l, min(share-bytes, tlsrec.MaxPlaintext))
		sealed, _, err = t.records.Seal(sealed, l.vectors...)
		clear(l.vectors)
		if err != nil {
			return nil, 0, err
		}
		if written == nil {
			o.Drain(l.memory, n)
		} else {
			o.Transfer(l.memory, n, written)
		}
		bytes += n
	}
	return sealed, bytes, nil
}

// writeSealed writes records behind those that wait, or keeps what the socket does not take. That the kernel is out of memory is an
// error; they are kept then as well.
func (s *Stream) writeSealed(b []byte) error {
	t := s.tls
	switch {
	case t.failed == recordsLost:
		return unix.EPIPE
	case t.sealed != nil:
		return t.keepSealed(b)
	}
	n, err := s.write(b)
	if err == unix.EAGAIN {
		n, err = 0, nil
	}
	if err != nil && err != unix.ENOBUFS && err != unix.ENOMEM {
		t.failed = recordsLost
		return err
	}
	t.loop.Sent += n
	if n < len(b) {
		if keepErr := t.keepSealed(b[n:]); keepErr != nil {
			return keepErr
		}
	}
	return err
}

// say is writeSealed for what is not in Out. Where the kernel is out of memory it waits for SendSealed, as where the socket is full.
func (s *Stream) say(b []byte) error {
	err := s.writeSealed(b)
	if err == unix.ENOBUFS || err == unix.ENOMEM {
		return nil
	}
	return err
}

// keepSealed keeps records that are still to be written. It returns an error if the system has no more memory; the stream is broken then.
func (t *secured) keepSealed(b []byte) (err error) {
	m := t.loop.memory
	if t.sealed == nil {
		t.sealed, err = m.CopyOf(b)
	} else if err = m.Grow(t.sealed, len(b)); err == nil {
		t.sealed.B = append(t.sealed.B, b...)
	}
	if err != nil {
		t.failed = recordsLost
		return fmt.Errorf("keeping records that are not written: %w", err)
	}
	return nil
}

// SendSealed writes what is sealed, as far as the socket takes it, and then the end of the stream if that was to follow.
func (s *Stream) SendSealed() error {
	t := s.tls
	if t == nil || t.sealed == nil {
		return nil
	}
	n, err := s.write(t.sealed.B)
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil {
		return err
	}
	m := t.loop.memory
	t.loop.Sent += n
	if n < len(t.sealed.B) {
		t.sealed.B = t.sealed.B[:copy(t.sealed.B, t.sealed.B[n:])] // it may grow, which a part of a buffer cannot
		return nil
	}
	m.Put(t.sealed)
	t.sealed = nil
	if t.ending {
		sock.ShutdownWrite(int(s.fd))
	}
	return nil
}

// sealFirst is SendFirst with TLS. What the socket does not take waits for SendSealed.
func (s *Stream) sealFirst(b []byte) error {
	s.tls.assertThawed()
	s.tls.wake()
	for len(b) > 0 {
		sealed, n, err := s.tls.records.Seal(s.tls.loop.records.sealed, b)
		if err != nil {
			return err
		}
		if err = s.writeSealed(sealed); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sayEnd is CloseWrite with TLS: it says so first.
func (s *Stream) sayEnd() {
	s.Farewell()
	s.tls.ending = true
	if s.tls.sealed == nil {
		sock.ShutdownWrite(int(s.fd))
	}
}

// Farewell says that nothing more will be sent, where the peer could not tell that from a connection that was cut. It does nothing
// for a stream that another worker may go on with, nor behind records that were lost: the peer would take it for a forgery.
func (s *Stream) Farewell() {
	t := s.tls
	if t == nil || t.records == nil || t.frozen || t.failed == recordsLost {
		return
	}
	if sealed, err := t.records.SealAlert(t.loop.records.sealed, tlsrec.CloseNotify); err == nil && len(sealed) > 0 {
		_ = s.say(sealed) // a connection that is broken has ended anyway
	}
}
