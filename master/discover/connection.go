// Connections to sentinels and servers, by the library: with short patience, since either may hang.

package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// silent takes the library's log lines.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func silence() { redis.SetLogger(silent{}) }

// options returns those that suit who may hang: nothing is tried twice, since it is asked again soon.
func options(address string) *redis.Options {
	quiet()
	return &redis.Options{
		Addr: address, Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 4,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// dialer returns a function that connects, encrypted if the client says so.
func dialer(c *certs.Client) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if conn, err = c.Secure(ctx, conn, address); err != nil {
			return nil, err
		}
		return &bounded{Conn: conn}, nil
	}
}

// sentinelClient returns how a pool's sentinels are connected to: like its servers, unless it says otherwise.
func sentinelClient(p *link.Pool) *certs.Client {
	if p.SentinelPlaintext {
		return nil
	}
	return certs.NewClient(p.ServerTLS)
}

// dial connects, but not to itself: that means that nobody listens there.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, network, address)
	if err == nil && conn.LocalAddr().String() == conn.RemoteAddr().String() {
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return conn, err
}

// server is a server that is asked what it is.
type server struct {
	client *redis.Client
	login  link.Login
}

func newServer(address string, p *link.Pool) *server {
	o := options(address)
	o.Dialer, o.PoolSize = dialer(certs.NewClient(p.ServerTLS)), 1
	return &server{redis.NewClient(o), p.ServerLogin()}
}

func (s *server) close() { s.client.Close() }

// role asks the server what it is and, if it is a replica, of whom. One that needs no password is told it all the same, and asked.
func (s *server) role(ctx context.Context) (says role, of place) {
	asked := redis.NewSliceCmd(ctx, "role")
	s.pipeline(ctx, asked)
	words, err := asked.Result()
	if errors.Is(err, syscall.ECONNREFUSED) {
		return roleGone, of
	}
	if err != nil || len(words) == 0 {
		return roleUnknown, of
	}
	const hostAndPort = 3 // behind the role
	switch {
	case words[0] == "master":
		return roleMaster, of
	case words[0] == "slave" && len(words) >= hostAndPort:
		return roleReplica, placeOf(ctx, fmt.Sprint(words[1]), fmt.Sprint(words[2]))
	case words[0] == "slave":
		return roleReplica, of
	}
	return roleUnknown, of
}
