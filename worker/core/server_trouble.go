// What is wrong with a server, in memory that the master reads: so the status tells at any time what the log has told once.

package core

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// noteTrouble tells the master why the server cannot be used, as a failure has just shown.
func (e *endpoint) noteTrouble(err error) {
	if e.isFormer() {
		return
	}
	why := troubleOf(err)
	if why == link.TroubleClosed && !e.hasAnswered() {
		why = link.TroubleUnheard
	}
	e.troubles.Note(why, e.pool.l.now)
}

// hasAnswered tells whether the server has ever said anything, to this worker or one before it.
func (e *endpoint) hasAnswered() bool { return loadWord(e.heard) != 0 || e.spoke }

// noteConnection is called when a connection has agreed to the greeting: whatever keeps connections from that is over.
func (e *endpoint) noteConnection() {
	switch e.troubles.Is() {
	case link.TroubleRefused, link.TroubleUnreached, link.TroubleName, link.TroubleHere, link.TroublePassword, link.TroubleClients,
		link.TroubleTLS, link.TroubleCertificate, link.TroubleRefusesTLS, link.TroubleNoTLS, link.TroubleHandshake, link.TroubleUngreeted,
		link.TroubleUnwelcome, link.TroubleAuthority, link.TroubleCertificateTime, link.TroubleCertificateName:
		e.troubles.End()
	}
}

// protests are the error replies that say that a server cannot do its work: for how they begin, what they mean.
var protests = []struct {
	prefix string
	is     link.Trouble
}{
	{"-OOM ", link.TroubleFull}, {"-NOAUTH ", link.TroubleWantsPassword}, {"-LOADING ", link.TroubleLoading}, {"-READONLY ", link.TroubleReadOnly},
	{"-MISCONF ", link.TroubleUnsaved}, {"-MASTERDOWN ", link.TroubleMasterDown}, {"-BUSY ", link.TroubleBusy}, {"-WRONGPASS ", link.TroublePassword},
	{memcache.Unauthenticated, link.TroubleWantsPassword}, {"SERVER_ERROR out of memory", link.TroubleFull},
	{"-ERR max number of clients ", link.TroubleClients}, {"-DENIED ", link.TroubleRefuses},
}

// protestOf returns what an error reply says about the server; TroubleUnknown: nothing, it is about the request.
func protestOf(reply []byte) link.Trouble {
	for _, p := range protests {
		if bytes.HasPrefix(reply, []byte(p.prefix)) {
			return p.is
		}
	}
	return link.TroubleUnknown
}

// noteProtest notes, and logs now and then, that the server refuses a request for what is wrong with it. The client is told by the reply.
func (e *endpoint) noteProtest(reply []byte) {
	why := protestOf(reply)
	if why == link.TroubleUnknown || e.isFormer() {
		return
	}
	e.troubles.Protest(why, e.pool.l.now)
	switch why {
	case link.TroubleFull:
		e.complainOfFull(reply)
	case link.TroubleClients:
		e.server.logLimited(logevent.ServerClients, e.pool.name, e.server.spec.Name, e.address, trimmed(reply))
	case link.TroubleUnsaved, link.TroubleBusy, link.TroubleRefuses: // the others are failures, or want something, and are logged as that
		e.complainOfProtest(reply)
	}
}

// Why what a server sends is no reply, where that is known.
var (
	errNotRedis    = errors.New("it speaks memcached's protocol, and the pool says redis: true")
	errNotMemcache = errors.New("it speaks Redis' protocol, and the pool does not say redis: true")
	errSpeaksTLS   = errors.New("it speaks TLS: set server_tls: true")
)

// strangeReply returns why b, with which no reply begins, is none: as well as that can be told, for what the parser says of it.
func strangeReply(protocol link.Protocol, b []byte, otherwise error) error {
	switch {
	case len(b) > 1 && (b[0] == tlsAlert || b[0] == tlsHandshake) && b[1] == tlsMajor:
		return errSpeaksTLS
	case protocol == link.Redis && memcache.IsError(b):
		return errNotRedis
	case protocol == link.Memcache && bytes.IndexByte([]byte("+-:$*"), b[0]) >= 0:
		return errNotMemcache
	}
	return otherwise
}

// Of the first record of a TLS connection: its type, and the version's first byte.
const (
	tlsAlert     = 21
	tlsHandshake = 22
	tlsMajor     = 3
)

// troubleOf returns what an error of a server connection says about the server.
func troubleOf(err error) link.Trouble {
	if t := (*tlsTrouble)(nil); errors.As(err, &t) {
		return t.is
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		if why := protestOf(r.reply); why != link.TroubleUnknown {
			return why
		}
		return link.TroubleRefuses
	}
	for _, known := range []struct {
		err error
		is  link.Trouble
	}{
		{errSlow, link.TroubleSlow}, {errNotRedis, link.TroubleProtocol}, {errNotMemcache, link.TroubleProtocol}, {errSpeaksTLS, link.TroubleTLS},
		{errGarbage, link.TroubleGarbage}, {errUnsolicited, link.TroubleGarbage}, {errGreeting, link.TroublePassword}, {errLogin, link.TroublePassword},
		{errPassword, link.TroubleWantsPassword},
		{unix.ECONNREFUSED, link.TroubleRefused}, {unix.ENOENT, link.TroubleRefused}, {unix.ETIMEDOUT, link.TroubleSilent}, {errSilent, link.TroubleSilent},
	} {
		if errors.Is(err, known.err) {
			return known.is
		}
	}
	switch {
	case err == io.EOF, err == unix.ECONNRESET, err == unix.EPIPE:
		return link.TroubleClosed
	case isOwnTrouble(err):
		return link.TroubleHere
	case errors.As(err, new(*nameError)):
		return link.TroubleName
	}
	return link.TroubleUnreached
}
