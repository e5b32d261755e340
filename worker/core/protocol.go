// Where the two protocols differ for the loop: processing requests, measuring replies, wording errors.

package core

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// protocol is what a pool speaks. Loop only.
type protocol struct {
	processRequests   func(c *client, b []byte) (used int)                         // the requests at the front of b
	consume           func(b []byte, p progress) (n int, next progress, err error) // the reply at the front of b
	newFanoutProtocol func(p *pool) fanoutProtocol
	errorText         func(err error) []byte                         // what a client is told of a server connection that failed
	appendOutcome     func(dst, failure []byte, unknown bool) []byte // the error reply to a request of which the client is to know whether it may have been executed
	ping              []byte                                         // asks an ejected server whether it serves
}

var redisProtocol = protocol{
	processRequests: (*client).processRedis,
	consume:         consumeRedis,
	newFanoutProtocol: func(p *pool) fanoutProtocol {
		return &redisFanout{errorsPerKey: p.spec.MGetErrors == link.MGetErrorsPerKey}
	},
	errorText:     redisError,
	appendOutcome: resp.AppendOutcome,
	ping:          []byte("*1\r\n$4\r\nPING\r\n"),
}

var memcacheProtocol = protocol{
	processRequests:   (*client).processMemcache,
	consume:           consumeMemcache,
	newFanoutProtocol: func(*pool) fanoutProtocol { return new(memcacheFanout) },
	errorText:         memcacheError,
	appendOutcome:     memcache.AppendOutcome,
	ping:              []byte("version\r\n"),
}

// progress is the Progress of either codec: how far into incomplete bytes the last look came.
type progress struct{ pos, more, scan int }

func (p progress) redis() resp.Progress        { return resp.Progress{Pos: p.pos, Left: p.more, Scan: p.scan} }
func (p progress) memcache() memcache.Progress { return memcache.Progress{Pos: p.pos, Scan: p.scan} }

// requestProgress is progress into a request, in less space, since every client has one: no request is longer than 2 GiB.
type requestProgress struct {
	pos  int32
	more int32 // Redis: values that begin at pos or later; memcached: the line is known not to end before this offset
}

func (p requestProgress) redis() resp.Progress {
	return resp.Progress{Pos: int(p.pos), Left: int(p.more)}
}

func (p requestProgress) memcache() memcache.Progress {
	return memcache.Progress{Pos: int(p.pos), Scan: int(p.more)}
}

func consumeRedis(b []byte, p progress) (int, progress, error) {
	n, next, err := resp.ConsumeReply(b, p.redis())
	return n, progress{next.Pos, next.Left, next.Scan}, err
}

func consumeMemcache(b []byte, p progress) (int, progress, error) {
	n, next, err := memcache.ConsumeReply(b, p.memcache())
	return n, progress{pos: next.Pos, scan: next.Scan}, err
}

// redisError returns what a client is told about a server connection that failed.
func redisError(err error) []byte {
	switch {
	case err == unix.ECONNREFUSED:
		return redisRefused
	case err == unix.ETIMEDOUT:
		return redisTimeout
	case err == unix.ECONNRESET || err == io.EOF:
		return redisReset
	case err == unix.EPIPE:
		return redisPipe
	case errors.Is(err, unix.EHOSTDOWN):
		return redisHostDown
	case err == errNoRESP3:
		return redisNoProto
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.reply
	}
	if db := (*noDatabase)(nil); errors.As(err, &db) {
		return resp.AppendError(nil, resp.NoServerDB)
	}
	return resp.AppendError(nil, "ERR "+foreignCause(err))
}

// memcacheError is redisError for memcached.
func memcacheError(err error) []byte {
	switch {
	case err == unix.ECONNREFUSED:
		return memcacheRefused
	case err == unix.ETIMEDOUT:
		return memcacheTimeout
	case err == unix.ECONNRESET || err == io.EOF:
		return memcacheReset
	case err == unix.EPIPE:
		return memcachePipe
	case errors.Is(err, unix.EHOSTDOWN):
		return memcacheHostDown
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.reply
	}
	return []byte("SERVER_ERROR " + foreignCause(err) + "\r\n")
}

// foreignCause words an error for clients. What the server said is only logged: it may name what clients should not know.
func foreignCause(err error) string {
	for _, known := range []error{errGarbage, errUnsolicited, errGreeting, errLogin, errServerDown, errMemory, errNoMemory, errReplyMemory} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if errors.As(err, new(*tlsTrouble)) { // what exactly the log says, and no client needs to know
		return "TLS with the server has failed"
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] // as strerror words it
}

var (
	redisRefused  = resp.AppendError(nil, resp.ConnectionRefused)
	redisTimeout  = resp.AppendError(nil, resp.ConnectionTimeout)
	redisReset    = resp.AppendError(nil, resp.ConnectionReset)
	redisPipe     = resp.AppendError(nil, resp.BrokenPipe)
	redisHostDown = resp.AppendError(nil, resp.HostDown)
	redisNoProto  = resp.AppendError(nil, resp.NoServerProto)

	memcacheRefused  = []byte(memcache.ConnectionRefused)
	memcacheTimeout  = []byte(memcache.ConnectionTimedOut)
	memcacheReset    = []byte(memcache.ConnectionReset)
	memcachePipe     = []byte(memcache.BrokenPipe)
	memcacheHostDown = []byte(memcache.HostIsDown)
)
