// Handshake: crypto/tls as a coroutine.

package tlshake

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// Need is what a handshake waits for.
type Need int

const (
	NeedsRecord    Need = iota // the next record of the peer
	NeedsSignature             // Job.Sign, and then Step(nil)
	Over
)

// Handshake is one handshake. Out, Job and Err are the caller's to read after each Step.
type Handshake struct {
	Out []byte // to be sent, also when it is over; the caller empties it
	Job *Job   // what is to be signed; NeedsSignature only
	Err error  // why it has failed; Over only

	client  bool
	conn    *tls.Conn
	secrets secrets
	record  []byte // what Step was given and crypto/tls has not read yet
	resume  func() (Need, bool)
	stop    func()
	yield   func(Need) bool
	over    bool
	records *tlsrec.Conn
}

// Server begins a handshake with a client. The configuration needs certificates; versions, suites and tickets are set here.
func Server(config *tls.Config) *Handshake { return begin(config, tls.Server, false) }

// Client begins a handshake with a server: the first Step takes no record. The configuration needs a ServerName, or says how
// to verify without one.
func Client(config *tls.Config) *Handshake { return begin(config, tls.Client, true) }

// begin makes the coroutine. The configuration is cloned, since the log of secrets must be this handshake's own: clients
// choose the random number by which lines in a common one would be told apart.
func begin(config *tls.Config, open func(conn netConn, config *tls.Config) *tls.Conn, client bool) *Handshake {
	h := &Handshake{client: client}
	own := config.Clone()
	own.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	own.MaxVersion = cmp.Or(config.MaxVersion, tls.VersionTLS13)
	own.CipherSuites = tlsrec.Suites12()
	own.SessionTicketsDisabled = true // a ticket would be a record that the record layer does not know of
	own.ClientSessionCache = nil      // resumed sessions of TLS 1.2 log no secret
	own.Renegotiation = tls.RenegotiateNever
	own.KeyLogWriter = &h.secrets
	own.Certificates = h.deferSignatures(config.Certificates)
	h.conn = open(pipe{h}, own)
	h.resume, h.stop = iter.Pull(h.run)
	return h
}

// run is the coroutine.
func (h *Handshake) run(yield func(Need) bool) {
	h.yield = yield
	h.Err = h.conn.Handshake()
}

// Step goes on with a record of the peer, which must be whole, with its header; with nil at the beginning of a client's, and
// after a signature. The record is not kept.
func (h *Handshake) Step(record []byte) (need Need) {
	if h.over {
		return Over
	}
	if err := plainAlert(record); err != nil {
		return h.endByPeer(err)
	}
	h.Job, h.record = nil, record
	if h.client {
		h.secrets.serverSays(record)
	}
	need, more := Over, false
	if err := guarded(func() { need, more = h.resume() }); err != nil {
		h.end(err)
	} else if !more {
		h.end(h.Err)
	}
	if h.over {
		return Over
	}
	return need
}

// plainAlert returns why the peer ends the handshake, if the record says so and is not encrypted: io.EOF, or a RemoteAlert. Clients that do
// not believe a certificate say so before they have sent anything encrypted, and crypto/tls would take the alert of TLS 1.3 for a broken
// record. One that is encrypted is longer.
func plainAlert(record []byte) error {
	switch alert, fatal, ok := tlsrec.PlainAlert(record); {
	case ok && alert == tlsrec.CloseNotify:
		return io.EOF
	case ok && fatal:
		return tlsrec.RemoteAlert(alert)
	}
	return nil
}

// endByPeer ends a handshake that the peer has ended.
func (h *Handshake) endByPeer(err error) Need {
	h.Abort()
	h.Err = err
	return Over
}

// guarded turns a panic into an error: a coroutine's comes out where it is resumed.
func guarded(do func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("crypto/tls has panicked: %v", p)
		}
	}()
	do()
	return nil
}

// end makes the record layer of a handshake that has succeeded.
func (h *Handshake) end(err error) {
	h.over, h.record, h.resume, h.yield, h.Job = true, nil, nil, nil, nil
	defer h.secrets.wipe()
	if h.Err = err; err == nil {
		h.records, h.Err = h.secrets.records(h.client, h.conn.ConnectionState())
	}
}

// Abort ends a handshake that is not over.
func (h *Handshake) Abort() {
	if h.over {
		return
	}
	h.end(cmp.Or(guarded(h.stop), errAborted))
}

var errAborted = errors.New("the TLS handshake was given up")

// Records is the record layer of the connection, and State what has been agreed on; they are to be taken once, when it is
// Over without an error.
func (h *Handshake) Records() *tlsrec.Conn { return h.records }

// State tells what has been agreed on, and the certificates of the peer.
func (h *Handshake) State() tls.ConnectionState { return h.conn.ConnectionState() }

// Write and Read are how crypto/tls reaches the peer.
func (p pipe) Write(b []byte) (int, error) {
	if !p.h.client {
		p.h.secrets.serverSays(b)
	}
	p.h.Out = append(p.h.Out, b...)
	return len(b), nil
}

func (p pipe) Read(b []byte) (int, error) {
	for len(p.h.record) == 0 {
		if !p.h.yield(NeedsRecord) {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(b, p.h.record)
	p.h.record = p.h.record[n:]
	return n, nil
}
