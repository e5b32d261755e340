// Log lines about requests that are refused: the command, the reason, and the client, but no arguments. A client may send
// nothing else, so each pool has few lines per period.

package core

import (
	"bytes"
	"slices"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	// maxRefusals is how many lines a pool has in each logPause, no two of one kind.
	maxRefusals = 4
	// maxShownName is how many bytes are shown of the name of a command that does not exist.
	maxShownName = 32
)

// Why a request is refused.
const (
	notSupported  = "not supported by pinion"
	noSuchCommand = "no such command"
	noSuchSub     = "no such subcommand"
	malformed     = "it is malformed"
	wrongArity    = "a wrong number of arguments"
	otherDatabase = "another database than redis_db"
	severalShards = "its keys live on several servers"
	foreignKeys   = "it may name keys of other servers"
	otherServer   = "its keys live on another server than those before it in the transaction"
	notInMulti    = "not supported in a transaction"
	largeMulti    = "the transaction is larger than max_request_bytes"
	needsSolo     = "needs a pool of one server"
	deniedByPool  = "denied by the pool's configuration"
	wrongPassword = "wrong password"
	noPassword    = "the password is not given yet"
	notPermitted  = "its user has no permission"
	speaksHTTP    = "not a command but HTTP"
	speaksNoTLS   = "not TLS, which this listener speaks"
	speaksTLS     = "not a command but the beginning of TLS, which this listener does not speak"
	needsMeta     = "its server is older than memcached 1.6.10, or none"
)

// refusalKind is what two lines differ in: the name of the command, or the reason.
type refusalKind struct{ name, reason string }

// refusals is what was logged of the requests, or the handshakes, that a pool has refused, and what was not. Loop only.
type refusals struct {
	since   int64 // when the period began
	shown   [maxRefusals]refusalKind
	lines   int // logged in it: of shown, the first ones
	leftOut int // since the last line
}

// admits tells whether there is room for one more line, and counts it if there is not.
func (r *refusals) admits(now int64, kind refusalKind) bool {
	if now-r.since >= int64(logPause) {
		r.since, r.lines = now, 0
	}
	if r.lines == maxRefusals || slices.Contains(r.shown[:r.lines], kind) {
		r.leftOut++
		return false
	}
	r.shown[r.lines] = kind
	r.lines++
	return true
}

// more returns how many lines were left out since the last one.
func (r *refusals) more() int {
	n := r.leftOut
	r.leftOut = 0
	return n
}

// noteRefusal counts a request that is refused and, now and then, logs it.
func (c *client) noteRefusal(name, reason string) {
	p := c.pool
	*p.counters[link.ClientErr]++
	*p.counters[link.RefusedCommands]++
	if reason == wrongPassword {
		*p.counters[link.FailedLogins]++
	}
	kind := refusalKind{name, reason}
	if reason == noPassword { // whatever it was
		kind.name = ""
	}
	if p.refusals.admits(p.l.now, kind) {
		p.l.logAfter(p.refusals.more(), logevent.RequestRefused, p.name, name, c.id, c.peer(), reason)
	}
}

// noteUnauthenticated is noteRefusal for a request of a client that is not authenticated.
func (c *client) noteUnauthenticated(cmd *resp.Command) {
	name := "unknown command"
	if cmd != nil {
		name = cmd.Name
	}
	c.noteRefusal(name, noPassword)
}

// shownName returns the part that is logged of a name that a client has made up.
func shownName(name []byte) string { return string(name[:min(len(name), maxShownName)]) }

// noteMemcache is noteRefusal for the line at the front of b.
func (c *client) noteMemcache(b []byte) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	words := bytes.Fields(line[:min(len(line), maxShownName+1)])
	if len(words) == 0 {
		return
	}
	switch cmd := memcache.Lookup(words[0]); {
	case cmd == nil:
		c.noteRefusal(shownName(words[0]), noSuchCommand)
	case cmd.Route == memcache.Refuse:
		c.noteRefusal(cmd.Name, notSupported)
	default:
		c.noteRefusal(cmd.Name, malformed)
	}
}

// refuseShards refuses a command whose keys live on several servers.
func (c *client) refuseShards(cmd *resp.Command) []byte {
	c.noteRefusal(cmd.Name, severalShards)
	if c.pool.cluster != nil {
		return resp.AppendError(c.pool.l.scratch[:0], resp.CrossSlotKeys)
	}
	return resp.AppendCrossShard(c.pool.l.scratch[:0], cmd)
}

// noteFull logs now and then that client_connections is reached.
func (p *pool) noteFull(fd int) {
	if p.turnedAwayLogged != 0 && p.l.now-p.turnedAwayLogged < int64(logPause) {
		p.turnedAway++
		return
	}
	more := p.turnedAway
	p.turnedAwayLogged, p.turnedAway = max(p.l.now, 1), 0
	p.l.logAfter(more, logevent.ClientTurnedAway, p.name, sock.PeerAddress(fd), p.spec.ClientConnections)
}
