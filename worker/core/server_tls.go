// TLS to servers: what is asked of them, and why it fails. Records are the stream's.

package core

import (
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// errFIPS is why there is no TLS in a process that may use approved services only: records are sealed outside of those.
var errFIPS = errors.New("TLS is not possible with GODEBUG=fips140=only: leave that away, or server_tls")

// serverTLS returns how connections to servers are encrypted; nil: they are not. The authorities of the system are read now: later
// the worker is confined.
func serverTLS(spec *link.ServerTLS) (*tls.Config, error) {
	if spec == nil {
		return nil, nil
	}
	if fips140.Enforced() {
		return nil, errFIPS
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if len(spec.CA) == 0 {
		var err error
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("reading the certificates of the system's authorities (name others with server_tls_ca): %w", err)
		}
	} else if !config.RootCAs.AppendCertsFromPEM(spec.CA) {
		return nil, errors.New("there is no certificate in server_tls_ca")
	}
	if spec.Pair != nil {
		pair, err := tls.X509KeyPair(spec.Pair.Certificate, spec.Pair.Key)
		if err != nil {
			return nil, fmt.Errorf("reading server_tls_cert and server_tls_key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	switch spec.Verify {
	case link.VerifyNone:
		config.InsecureSkipVerify = true
	case link.VerifyCA:
		config.InsecureSkipVerify = true // which is the only way to skip the name
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(config.RootCAs, state) }
	}
	return config, nil
}

// verifyChain verifies all but the name.
func verifyChain(roots *x509.CertPool, state tls.ConnectionState) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// tlsConfig returns the configuration of the pool with the name of the endpoint's server.
func (e *endpoint) tlsConfig() *tls.Config {
	if e.tls == nil {
		e.tls = e.pool.tls.Clone()
		e.tls.ServerName = e.tlsName()
	}
	return e.tls
}

// tlsName returns the name that is asked for, and that the certificate has to bear: the host, as the configuration or the topology has it.
func (e *endpoint) tlsName() string {
	if name := e.pool.spec.ServerTLS.Name; name != "" {
		return name
	}
	host, _, err := net.SplitHostPort(e.address)
	if err != nil || e.network != "tcp" {
		return ""
	}
	name, _, _ := strings.Cut(host, "%") // no certificate has a zone
	return name
}

// handshake begins the handshake of TLS, when TCP has connected.
func (c *conn) handshake() {
	c.become(connHandshaking)
	c.stream.BeginTLS(c.endpoint.pool.l.io, c.endpoint.tlsConfig())
	c.awaitExpiry()
	c.shake()
}

// handshakeOn is called with an event. Handshakes beyond those that a turn has time for are for the next one.
func (c *conn) handshakeOn(ev poll.Event) {
	c.stream.Unread = c.stream.Unread || ev.Readable
	c.stream.Hangup = c.stream.Hangup || ev.Hangup
	if c.queued || c.endpoint.pool.l.io.Spent >= maxTurnBytes {
		c.nextTurn()
		return
	}
	c.shake()
}

// shake goes on with the handshake as far as the server lets it.
func (c *conn) shake() {
	n, l := &c.endpoint.counters, c.endpoint.pool.l
	done, err := c.stream.Shake()
	if err == nil {
		err = l.overlook(c, c.stream.SendSealed())
	}
	switch {
	case err != nil:
		c.fail(c.tlsError(err))
	case c.stream.Signs():
		l.signatures.ask(c.stream.Signature(), c)
	case done:
		c.endpoint.tlsFailure = nil
		*n[link.TLSHandshakes]++
		if shown := c.stream.Certificate(); shown != nil {
			c.endpoint.certificate.Note(shown.NotAfter.Unix(), l.now)
		}
		c.heard = l.now
		c.greet()
		if c.state >= connGreeting && !c.queued { // what has come with the end of the handshake
			c.nextTurn()
		}
	}
}

// isAgreeing tells whether the server has accepted the connection, and is to agree to TLS or to the greeting.
func (c *conn) isAgreeing() bool { return c.state == connHandshaking || c.state == connGreeting }

// writeOn is called when the descriptor takes more. The end of a handshake, or the greeting, may wait for that.
func (c *conn) writeOn() {
	if c.state == connReady {
		c.markDirty()
		return
	}
	c.writeAgreement()
}

// writeAgreement writes what of the handshake or the greeting is still to be written.
func (c *conn) writeAgreement() {
	if err := c.endpoint.pool.l.overlook(c, c.stream.SendSealed()); err != nil {
		c.fail(err)
	}
}

// errHandshakeLate is a timeout of a server that has taken the connection, and then waits: many do that do not speak TLS.
var errHandshakeLate = fmt.Errorf("no answer to the TLS handshake within the timeout; does it speak TLS at this port? (%w)", unix.ETIMEDOUT)

// tlsPause is for how long no connection is tried after one has failed for what hardly changes, in ns: a handshake takes as long as hundreds
// of requests, and each of them would begin one.
const tlsPause = int64(100 * time.Millisecond)

// mustPause tells whether that is now.
func (e *endpoint) mustPause() bool {
	return e.tlsFailure != nil && e.pool.l.now-e.tlsFailed < tlsPause
}

// tlsTrouble is why TLS with a server fails: not for what may be over soon.
type tlsTrouble struct {
	is   link.Trouble
	text string
}

func (e *tlsTrouble) Error() string { return e.text }

// tlsError returns what an error means that the stream has returned, and counts it. One of the connection, or of one that was agreed on, stays
// what it is.
func (c *conn) tlsError(err error) error {
	if c.endpoint.pool.tls == nil || c.state == connReady {
		return err
	}
	err = c.tlsMeaning(err)
	if t := (*tlsTrouble)(nil); errors.As(err, &t) {
		c.endpoint.tlsFailure, c.endpoint.tlsFailed = t, c.endpoint.pool.l.now
	}
	return err
}

// tlsMeaning is tlsError for a connection that is not ready.
func (c *conn) tlsMeaning(err error) error {
	n := &c.endpoint.counters
	var (
		unverified *tls.CertificateVerificationError
		told       stream.RemoteAlert
		strange    *stream.NotTLS
		errno      unix.Errno
	)
	switch {
	case errors.As(err, &unverified):
		*n[link.TLSUnverified]++
		is, text := whyUnverified(unverified)
		return &tlsTrouble{is, "its certificate cannot be verified: " + text}
	case errors.As(err, &told):
		*n[link.TLSRefused]++
		return &tlsTrouble{link.TroubleRefusesTLS, "it refuses TLS: " + told.Reason() + c.adviceFor(told)}
	case c.state == connHandshaking:
		*n[link.TLSFailed]++
	}
	switch {
	case errors.As(err, &strange):
		return &tlsTrouble{link.TroubleNoTLS, err.Error()}
	case c.state != connHandshaking, err == io.EOF, errors.As(err, &errno):
		return err
	}
	return &tlsTrouble{link.TroubleHandshake, "TLS handshake fails: " + strings.TrimPrefix(err.Error(), "tls: ")}
}

// tlsEnd returns what the end of a connection means, if it ends before it is ready in a way that says nothing of TLS by itself.
func (c *conn) tlsEnd(err error) error {
	switch {
	case c.state == connHandshaking && err == unix.ETIMEDOUT:
		*c.endpoint.counters[link.TLSFailed]++
		if c.endpoint.hasAnswered() {
			return errHandshakeLate
		}
		return &tlsTrouble{link.TroubleUngreeted, errHandshakeLate.Error()}
	case c.state == connGreeting && c.endpoint.pool.tls != nil && (err == io.EOF || err == unix.ECONNRESET || err == unix.EPIPE):
		return &tlsTrouble{link.TroubleUnwelcome, "it ends the connection after the TLS handshake: " + cause(err) + c.certificateAdvice()}
	}
	return err
}

// whyUnverified words what is wrong with a certificate, and what can be done.
func whyUnverified(err *tls.CertificateVerificationError) (is link.Trouble, text string) {
	text = strings.TrimPrefix(err.Err.Error(), "x509: ")
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		day := func(t time.Time) string { return t.UTC().Format(time.DateTime) }
		return link.TroubleCertificateTime, fmt.Sprintf("it is valid from %s to %s only", day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter))
	case errors.As(err.Err, &name):
		return link.TroubleCertificateName, text + "; set server_tls_name, or server_tls_verify: ca"
	case errors.As(err.Err, &unknown):
		return link.TroubleAuthority, fmt.Sprintf("no authority that is known here has signed it, but %q; set server_tls_ca", unknown.Cert.Issuer)
	}
	return link.TroubleCertificate, text
}

// adviceFor returns what can be done where a server does not like the certificate that it was shown or not shown.
func (c *conn) adviceFor(told stream.RemoteAlert) string {
	switch {
	case !told.IsAboutCertificate():
		return ""
	case c.endpoint.pool.spec.ServerTLS.Pair == nil:
		return c.certificateAdvice()
	}
	return "; it does not accept server_tls_cert"
}

// certificateAdvice is adviceFor where the server has not said that it is for the certificate.
func (c *conn) certificateAdvice() string {
	if c.endpoint.pool.spec.ServerTLS.Pair == nil {
		return "; set server_tls_cert and server_tls_key, if it demands a certificate"
	}
	return "; see in its log whether it accepts server_tls_cert"
}
