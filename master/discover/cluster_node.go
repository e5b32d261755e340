// One node of a Redis Cluster, by the library: asked with short patience, since it may hang.

package discover

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// askPause is the time between two questions to a node at least, however often it is said that what is known is stale.
const askPause = 100 * time.Millisecond

// node asks one node. It belongs to one goroutine.
type node struct {
	address string
	pool    *link.Pool
	askNow  <-chan struct{}
	every   func() time.Duration // how long until it is asked again
	said    func(*view, error)
	client  *redis.Client
}

// run asks now and then, and soon whenever askNow says so.
func (n *node) run(ctx context.Context) {
	o := options(n.address)
	o.Dialer, o.PoolSize = dialer(certs.NewClient(n.pool.ServerTLS)), 1
	n.client = redis.NewClient(o)
	defer n.client.Close()
	for ctx.Err() == nil {
		v, err := n.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		n.said(v, err)
		n.wait(ctx)
	}
}

// wait waits until it is time to ask again.
func (n *node) wait(ctx context.Context) {
	again, pause := time.NewTimer(n.every()), time.NewTimer(askPause)
	defer again.Stop()
	defer pause.Stop()
	now, paused := (<-chan struct{})(nil), false
	for {
		if paused {
			now = n.askNow
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
			paused = true
		case <-now:
			return
		case <-again.C:
			return
		}
	}
}

// ask asks what the cluster is. One that needs no password is told it all the same, and asked.
func (n *node) ask(ctx context.Context) (*view, error) {
	nodes, slots := redis.NewStringCmd(ctx, "cluster", "nodes"), redis.NewCmd(ctx, "cluster", "slots")
	n.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		logIn(ctx, p, n.pool.ServerLogin())
		p.Process(ctx, nodes)
		return p.Process(ctx, slots)
	})
	for _, err := range []error{nodes.Err(), slots.Err()} {
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "cluster support disabled"):
			return nil, errNoCluster
		default:
			return nil, plain(err)
		}
	}
	host, _, err := net.SplitHostPort(n.address)
	if err != nil {
		return nil, errors.New("it is no address")
	}
	return parseView(host, nodes.Val(), slots.Val())
}
