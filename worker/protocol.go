// Where the two protocols differ for the loop: measuring replies, merging them, wording errors.

package worker

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

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

func (p *pool) mergeRedis(dst []byte, f *fanout, replies [][]byte) []byte {
	return resp.MergeReplies(dst, f.redis, f.owner, replies, p.spec.MGetErrors == link.MGetErrorsPerKey)
}

// tolerates tells whether a request that went out as several has a reply worth something when a fragment of it has failed.
func (p *pool) tolerates(f *fanout) bool {
	return p.spec.MGetErrors == link.MGetErrorsPerKey && f.redis != nil && f.redis.Merge == resp.MergeArray
}

func mergeMemcache(dst []byte, f *fanout, replies [][]byte) []byte {
	return memcache.MergeReplies(dst, f.line, &f.memcache, f.keys, f.owner, replies)
}

// redisError words what a client is told of a server connection that failed.
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
	}
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.reply
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

// foreignCause words an error for clients. What the server said stays in the log: it may name what is not theirs to know.
func foreignCause(err error) string {
	for _, known := range []error{errGarbage, errUnasked, errGreeting, errMemory, errNoMemory, errReplyMemory} {
		if errors.Is(err, known) {
			return known.Error()
		}
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

	memcacheRefused  = []byte(memcache.ConnectionRefused)
	memcacheTimeout  = []byte(memcache.ConnectionTimedOut)
	memcacheReset    = []byte(memcache.ConnectionReset)
	memcachePipe     = []byte(memcache.BrokenPipe)
	memcacheHostDown = []byte(memcache.HostIsDown)
)
