// A failover of a master of a cluster that an operator wants: one of its replicas takes over, after the master has passed on all writes.

package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pinion-proxy/pinion/worker/link"
)

var (
	errUnknownNode = errors.New("the cluster has no such node any more")
	errNoReplica   = errors.New("none of its replicas answers, and is connected to it")
)

// failover has a replica of the master at server.Address take over from it, the one that has got most of it, or that at the address if it is a
// replica. It calls then, from any goroutine, with the replica's address, or the reason why none does.
func (r *clusterRunner) failover(server link.Server, then func(by string, err error)) {
	go func() {
		var replicas []string
		known, asked := false, make(chan struct{})
		look := func(f *clusterFollower, _ time.Time) {
			replicas, known = f.heirs(server.Address)
			close(asked)
		}
		select {
		case r.events <- look:
		case <-r.ctx.Done():
			then("", r.ctx.Err())
			return
		}
		select {
		case <-asked:
		case <-r.ctx.Done():
			then("", r.ctx.Err())
			return
		}
		if !known {
			then("", errUnknownNode)
			return
		}
		then(takeOver(r.ctx, replicas, r.pool))
	}()
}

// heirs returns the addresses of those that may take over from the node at an address: its replicas, or the node itself if it is one.
func (f *clusterFollower) heirs(address string) (all []string, known bool) {
	for id, n := range f.known.nodes {
		if n.address != address {
			continue
		}
		if !n.primary {
			return []string{address}, true
		}
		for _, other := range f.known.nodes {
			if !other.primary && other.of == id && !other.failed {
				all = append(all, other.address)
			}
		}
		return all, true
	}
	return nil, false
}

// takeOver has the replica take over that has got most of its master.
func takeOver(ctx context.Context, replicas []string, p *link.Pool) (by string, err error) {
	var best *server
	most := int64(-1)
	for _, address := range replicas {
		s := newServer(address, p)
		defer s.close()
		if got, connected := s.offset(ctx); connected && got > most {
			best, by, most = s, address, got
		}
	}
	if best == nil {
		return "", errNoReplica
	}
	begun := redis.NewStatusCmd(ctx, "cluster", "failover")
	best.pipeline(ctx, begun)
	if err := begun.Err(); err != nil {
		return "", fmt.Errorf("replica %s: %w", by, plain(err))
	}
	return by, nil
}

// offset returns how many bytes of its master's changes a replica has got, and whether it is connected to that.
func (s *server) offset(ctx context.Context) (bytes int64, connected bool) {
	asked := redis.NewSliceCmd(ctx, "role")
	s.pipeline(ctx, asked)
	const words = 5 // slave, host, port, state, offset
	role := asked.Val()
	if len(role) < words || role[0] != "slave" || role[3] != "connected" {
		return 0, false
	}
	bytes, ok := role[4].(int64)
	return bytes, ok
}

// logIn gives a server the login, if there is one.
func logIn(ctx context.Context, p redis.Pipeliner, login link.Login) {
	words := login.Words()
	if words == nil {
		return
	}
	args := make([]any, len(words))
	for i, word := range words {
		args[i] = word
	}
	p.Do(ctx, args...)
}

// pipeline asks something, with the password before it if there is one.
func (s *server) pipeline(ctx context.Context, asked redis.Cmder) {
	s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		logIn(ctx, p, s.login)
		return p.Process(ctx, asked)
	})
}
