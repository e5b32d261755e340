//go:build fault

// Worlds in which clients encrypt, and in which they are users who may do more or less. What is drawn for that has dice of its own, so that the
// other worlds are as they were.

package core

import (
	"crypto/tls"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// faultyUser is the one of these worlds who may do all; everybody else is the default user, who may not do what deniedToDefault names.
const faultyUser = "app"

// mostWrongLogins is how many wrong passwords a pool sees: after more, right ones would be refused, too.
const mostWrongLogins = 10

var deniedToDefault = map[string]bool{"incr": true, "echo": true}

// secure has the clients of a pool encrypt, or be users, in some worlds.
func (w *faultyWorld) secure(p *faultyPool, spec *link.Pool) {
	if w.secured.IntN(3) == 0 {
		spec.TLS, p.encrypted = frontTLS(), true
	}
	if p.protocol == link.Redis && w.secured.IntN(3) == 0 {
		spec.Users, p.users = []string{"default on nopass ~* &* +@all -incr -echo", faultyUser + " on >secret ~* &* +@all"}, true
	}
}

// encryptFronts has the listeners of pools whose clients encrypt do so.
func (w *faultyWorld) encryptFronts() {
	for _, l := range w.workers {
		for _, ln := range l.listeners {
			ln.spec.TLS = w.pools[ln.pool.index].encrypted
		}
	}
}

// beginTLS has a client begin the handshake, if its pool is one of those.
func (c *faultyClient) beginTLS(w *faultyWorld) {
	if !c.pool.encrypted {
		return
	}
	config := believing()
	if c.old = w.secured.IntN(4) == 0; c.old {
		config.MaxVersion = tls.VersionTLS12
	}
	c.tls, c.rest = newTLSClient(config)
}

// shakes tells whether the handshake is under way. Nothing of that is cut or fails, as the sizes of its messages differ from run to run.
func (c *faultyClient) shakes() bool {
	return c.tls != nil && c.tls.records == nil && c.tls.failure == nil
}

// sendTLS is send for a client that encrypts: records, or pieces of them.
func (c *faultyClient) sendTLS(w *faultyWorld, all bool) (busy bool) {
	if c.shakes() {
		return c.push()
	}
	if len(c.rest) == 0 && len(c.asks) > 0 && c.tls.failure == nil {
		b := c.asks
		if !all {
			b = b[:w.random.IntN(min(len(b), 1<<w.random.IntN(18)))+1]
		}
		if !c.old && w.secured.IntN(20) == 0 {
			w.happens("%s changes its key", c.name)
			c.rest = append(c.rest, c.tls.keyUpdate(w.t)...)
		}
		c.tls.say = append(c.tls.say, b...)
		c.asks = c.asks[len(b):]
		c.tls.seal(c.peer)
		w.happens("%s seals %.60q… %d", c.name, b, len(b))
	}
	b := c.rest
	if !all && len(b) > 0 {
		b = b[:w.random.IntN(len(b))+1]
	}
	n, err := sock.Send(c.fd, b)
	w.happens("%s sends %d of %d sealed", c.name, n, len(c.rest))
	c.rest = slices.Delete(c.rest, 0, n)
	if err != nil && err != unix.EAGAIN {
		c.asks, c.rest = nil, nil
	}
	return n > 0
}

// spoil has a client send a record that nobody has sealed.
func (c *faultyClient) spoil(w *faultyWorld) {
	if c.tls == nil || c.shakes() || c.ends {
		return
	}
	w.breaks("client spoils a record", "%s", c.name)
	c.rest = append(c.rest, "\x17\x03\x03\x00\x20is this good or what do you think"...)
	c.ends, c.asks = true, nil
}

// checkTLS finds that a client has got what it could not open.
func (c *faultyClient) checkTLS(w *faultyWorld) {
	if c.tls == nil || c.tls.failure == nil || errors.Is(c.tls.failure, tlsrec.ErrClosed) {
		return
	}
	var alert tlsrec.RemoteAlert
	if !errors.As(c.tls.failure, &alert) || !c.victim && !c.ends {
		w.t.Fatalf("TLS of %s fails: %v", c.name, c.tls.failure)
	}
}

// askUser says something that is about who the client is, in a pool with users, and tells whether it has.
func (c *faultyClient) askUser(w *faultyWorld) bool {
	s := &c.session
	if !c.pool.users || c.plain || s.silent || s.monitors || s.isBound() {
		return false
	}
	switch w.secured.IntN(16) {
	case 0, 1:
		c.user = faultyUser
		c.say(wait{want: okReply}, "AUTH", faultyUser, "secret")
	case 2:
		c.user = acl.DefaultUser
		c.say(wait{want: okReply}, "AUTH", acl.DefaultUser, "anything")
	case 3:
		if c.pool.wrongLogins == mostWrongLogins {
			return false
		}
		c.pool.wrongLogins++
		c.say(wait{want: resp.AppendError(nil, resp.WrongPass)}, "AUTH", faultyUser, "wrong")
	case 4, 5:
		c.say(wait{want: resp.AppendBulkString(nil, c.user)}, "ACL", "WHOAMI")
	default:
		return false
	}
	return true
}

// denied returns the error to a request that the client may not send; nil: it may. No server gets one.
func (c *faultyClient) denied(w *faultyWorld, name string, keys []string) []byte {
	if !c.pool.users || c.user == faultyUser || !deniedToDefault[name] {
		return nil
	}
	w.denied[keys[0]] = true
	return resp.AppendError(nil, "NOPERM this user has no permissions to run the '"+name+"' command")
}

// heldByTLS is how many bytes are held for the record layer of an idle client.
var heldByTLS = sync.OnceValue(func() int64 {
	now := int64(0)
	m := memory.New(&timer.Heap{}, &now)
	s := stream.New(-1)
	s.AwaitTLS(stream.NewLoop(m, 0, maxTurnBytes), &tls.Config{})
	return m.Held()
})
