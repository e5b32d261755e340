// TLS with clients: the handshake that precedes their first request, and what becomes of those that fail.

package core

import (
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// clientCertificate is what is known of the certificate of a client, which was verified.
type clientCertificate struct {
	user string // the name in it that tls_auth_clients_user says; empty: none
}

// clientTLS returns how connections from clients are encrypted; nil: none is.
func clientTLS(spec *link.ClientTLS) (*tls.Config, error) {
	if spec == nil {
		return nil, nil
	}
	if fips140.Enforced() {
		return nil, errFIPS
	}
	config := &tls.Config{}
	for _, pair := range spec.Pairs {
		c, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("reading tls_cert and tls_key: %w", err)
		}
		config.Certificates = append(config.Certificates, c)
	}
	switch spec.AuthClients {
	case link.AuthClientsYes:
		config.ClientAuth = tls.RequireAndVerifyClientCert
	case link.AuthClientsOptional:
		config.ClientAuth = tls.VerifyClientCertIfGiven
	default:
		return config, nil
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(spec.CA) {
		return nil, errors.New("there is no certificate in tls_ca")
	}
	return config, nil
}

// encrypts tells whether a moved client may go on here: an encrypted one where that is done, any other where it is not; and where clients
// have to show a certificate, one that has, or is still to show it.
func (ln *listener) encrypts(r *handoff.Record) bool {
	if !ln.spec.TLS || len(r.TLS) == 0 {
		return !ln.spec.TLS && len(r.TLS) == 0
	}
	return ln.pool.spec.TLS.AuthClients != link.AuthClientsYes || r.Verified != 0 || stream.IsAwaiting(r.TLS)
}

// handshakeOn is called with an event. Handshakes are for the end of the turn, in the order of their events, as far as it has time: what
// is left is first in the next one.
func (c *client) handshakeOn(ev poll.Event) {
	if ev.Writable && c.stream.Unwritten() > 0 {
		if err := c.pool.l.overlook(c, c.stream.SendSealed()); err != nil {
			c.failHandshake(err)
			return
		}
	}
	if !ev.Readable {
		return
	}
	c.stream.Unread = true
	c.stream.Hangup = c.stream.Hangup || ev.Hangup
	if c.stream.Hangup && c.moving.frozen() { // it does not move any more
		c.pool.l.mover.outgoing.thaw(c)
	}
	c.thisTurn()
}

// shake goes on with the handshake as far as the client lets it. One that would move as it is does not begin it here.
func (c *client) shake() {
	l := c.pool.l
	begun := c.stream.Shakes()
	switch {
	case !c.stream.Unread || c.moving.frozen():
		return
	case c.stream.Hangup && (!begun || c.stream.Signs()): // it waits for no answer
		c.failHandshake(io.EOF)
		return
	case begun:
	case l.mover.outgoing.willMove(c), l.handshakes.begun >= l.handshakes.most:
		l.handshakes.await(c)
		return
	}
	done, err := c.stream.Shake()
	if err == nil {
		err = l.overlook(c, c.stream.SendSealed())
	}
	l.handshakes.count(begun, c.stream.Shakes())
	switch {
	case err != nil:
		c.failHandshake(err)
	case done:
		c.agreed()
	case c.stream.Signs():
		l.signatures.ask(c.stream.Signature(), c)
	default:
		c.goesOn(!begun && c.stream.Shakes())
	}
}

// goesOn is called when the handshake has gone on, and is not over. One that begins only now has waited for us.
func (c *client) goesOn(begins bool) {
	if begins && c.queued&inLastTurn != 0 {
		c.queued &^= inLastTurn
		c.pool.handshakes.add(c)
	}
	switch {
	case c.queued&inLastTurn != 0 && !c.stream.Unread:
		c.endLate()
		return
	case c.stream.Shakes():
		c.pool.l.handshakes.park(c)
	}
	if c.stream.Unread {
		c.nextTurn()
	}
}

// agreed is called when the handshake is over.
func (c *client) agreed() {
	l := c.pool.l
	c.become(clientOpen)
	c.active = l.ticks()
	*c.pool.counters[link.ClientHandshakes]++
	sock.AcknowledgeNow(c.stream.FD()) // its last flight, to which there is no answer
	if leaf := c.stream.Certificate(); leaf != nil {
		c.showCertificate(leaf)
	}
	if g := &l.mover.outgoing; g.on {
		g.startScan()
	}
	c.recv()
}

// showCertificate has the client be the user whom its certificate names. That there is none is told, as it may go on with less than it should have.
func (c *client) showCertificate(leaf *x509.Certificate) {
	p, user := c.pool, userOf(c.pool.spec.TLS.AuthClientsUser, leaf)
	c.changeSession(func(s *session) { s.certificate = &clientCertificate{user} })
	const longest = 100
	switch {
	case p.users.list == nil, !p.spec.TLS.AuthClientsUser.IsOn():
	case user == "":
		p.l.log(logevent.ClientCertificate, p.name, c.id, c.peer(), "it does not name one user in the way of tls_auth_clients_user")
	case !c.beUserNamed([]byte(user)):
		p.l.log(logevent.ClientCertificate, p.name, c.id, c.peer(), fmt.Sprintf("%q is not among its users, or is off", user[:min(len(user), longest)]))
	}
}

// userOf returns the name in a certificate that names its user; empty: none. Of several names none counts.
func userOf(part link.CertificateUser, c *x509.Certificate) string {
	switch {
	case part == link.CertificateUserCN && hasOneCommonName(c):
		return c.Subject.CommonName
	case part == link.CertificateUserURI && len(c.URIs) == 1:
		return c.URIs[0].String()
	}
	return ""
}

func hasOneCommonName(c *x509.Certificate) bool {
	n := 0
	for _, part := range c.Subject.Names {
		if part.Type.Equal(commonName) {
			n++
		}
	}
	return n == 1
}

// commonName is id-at-commonName of X.520.
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// What clients get that speak no TLS where it is spoken. They understand nothing else.
var (
	redisSpeaksTLS    = resp.AppendError(nil, "ERR this port speaks TLS: use rediss:// or redis-cli --tls")
	memcacheSpeaksTLS = []byte("SERVER_ERROR this port speaks TLS\r\n")
)

// tlsBusy is the alert "internal error", in plain text, for who is turned away: a bare end would look like a fault of the network.
var tlsBusy = []byte{21, 3, 3, 0, 2, 2, 80}

// failHandshake ends a client whose handshake has failed. It has been told why.
func (c *client) failHandshake(err error) {
	p := c.pool
	switch {
	case errors.As(err, new(*stream.NotTLS)):
		*p.counters[link.ClientPlaintext]++
		c.noteRefusal("plaintext", speaksNoTLS)
		p.l.handshakes.count(c.stream.Shakes(), false)
		c.stream.EndTLS(p.l.io)
		text := redisSpeaksTLS
		if p.spec.Protocol == link.Memcache {
			text = memcacheSpeaksTLS
		}
		c.stream.Out.Append(p.l.memory, text)
		c.leave(link.NoRequest)
	case err == io.EOF:
		c.countEOF()
		c.closeFor(link.HungUp)
	default:
		c.noteFailedHandshake(err)
		begun := c.stream.Shakes()
		c.stream.GiveUp()
		c.leave(link.Broken)
		p.l.handshakes.count(begun, false)
	}
}

// noteFailedHandshake counts a handshake that has failed and, now and then, logs it: whoever connects can make them fail.
func (c *client) noteFailedHandshake(err error) {
	p, why := c.pool, handshakeFailure(err)
	*p.counters[link.ClientErr]++
	*p.counters[why]++
	if kind := (refusalKind{link.PoolCounters[why].Name, ""}); p.failedHandshakes.admits(p.l.now, kind) {
		p.l.logAfter(p.failedHandshakes.more(), logevent.ClientHandshake, p.name, c.id, c.peer(), whyHandshakeFails(err))
	}
}

// whyHandshakeFails words it for the log, and names the key where the fault may be.
func whyHandshakeFails(err error) string {
	text := strings.TrimPrefix(err.Error(), "tls: ")
	if told := stream.RemoteAlert(0); errors.As(err, &told) && told.IsAboutCertificate() {
		return text + "; it may not believe tls_cert"
	}
	return text
}

// handshakeFailure returns the counter of why a handshake fails.
func handshakeFailure(err error) int {
	text := err.Error()
	switch {
	case err == errHandshakeTimeout, err == errHandshakeScarce:
		return link.ClientHandshakeLate
	case errors.As(err, new(stream.RemoteAlert)):
		return link.ClientRefusesTLS
	case errors.As(err, new(*tls.CertificateVerificationError)), strings.Contains(text, "client didn't provide a certificate"):
		return link.ClientCertificate
	case strings.Contains(text, "unsupported versions"), strings.Contains(text, "supported by both"):
		return link.ClientUnsupported
	}
	return link.ClientHandshakeFailed
}

// endWrongTLS ends a client that has sent a record which is wrong. The alert is not to be overtaken by a reset.
func (c *client) endWrongTLS(err error) {
	p := c.pool
	*p.counters[link.ClientErr]++
	p.l.log(logevent.ClientEnded, p.name, c.id, err)
	c.stream.DropInput(p.l.memory)
	c.leave(link.Broken)
}

// endHandshakeIfIdle is closeIfIdle for a client that is not open yet. One that is shaking hands can move afterwards, if there is a place;
// but not where its certificate would be looked at by rules that are no more.
func (c *client) endHandshakeIfIdle() {
	asksCertificate := c.pool.spec.TLS.AuthClients != link.AuthClientsNo
	if g := &c.pool.l.mover.outgoing; c.stream.Shakes() && g.on && g.hasPeer() && !c.isOut() && !asksCertificate {
		return
	}
	c.closeFor(link.WorkerEnded)
}
