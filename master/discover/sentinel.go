// One sentinel, by the library.

package discover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// patience is how long a sentinel or a server has to accept a connection, and to answer.
	patience = 300 * time.Millisecond
	// askEvery is the time between two questions, and askSpread what is added at random, so that proxies that have started at
	// once do not ask at once.
	askEvery  = time.Second
	askSpread = 100 * time.Millisecond
	// meetEvery is after how many questions a sentinel is asked for the others that it knows.
	meetEvery = 10

	// leadPatience is how long a sentinel has to say whether it leads a failover.
	leadPatience = 3 * time.Second

	switchMaster = "+switch-master"
)

// sentinel asks one sentinel, and hears what it publishes. It belongs to one goroutine, but for reached.
type sentinel struct {
	address  string
	pool     *link.Pool
	askNow   <-chan struct{}
	answered func(answer)
	switched func(master string)

	client    *redis.Client
	published *redis.PubSub // nil: it has not answered the last question
	heard     <-chan any
	reached   atomic.Pointer[string] // the address that the latest connection has led to
	asked     int
}

// run asks each second, whenever askNow says so (then for all that it may tell), and each time that the subscription begins anew: what was published before is
// not repeated.
func (s *sentinel) run(ctx context.Context) {
	o := options(s.address)
	o.Username, o.Password = s.pool.SentinelUser, s.pool.SentinelPassword
	connect := dialer(sentinelClient(s.pool))
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := connect(ctx, network, address)
		if err == nil {
			to := conn.RemoteAddr().String()
			s.reached.Store(&to)
		}
		return conn, err
	}
	s.client = redis.NewClient(o)
	defer s.client.Close()
	defer s.unsubscribe()
	for {
		if s.ask(ctx) {
			s.subscribe(ctx)
		} else {
			s.unsubscribe()
		}
		s.wait(ctx)
		if ctx.Err() != nil {
			return
		}
	}
}

// wait waits until it is time to ask again.
func (s *sentinel) wait(ctx context.Context) {
	again := time.NewTimer(askEvery + rand.N(askSpread))
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-s.heard:
			if m, ok := event.(*redis.Message); ok {
				s.publishes(m.Payload)
				continue
			}
			return
		case <-s.askNow:
			s.asked = 0
			return
		case <-again.C:
			return
		}
	}
}

// subscribe subscribes to what the sentinel publishes, if it is not done. The library does so again where the connection is lost,
// ten times a second: only as long as the sentinel answers otherwise.
func (s *sentinel) subscribe(ctx context.Context) {
	if s.published == nil {
		s.published = s.client.Subscribe(ctx, switchMaster)
		s.heard = s.published.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(time.Second), redis.WithChannelPingTimeout(patience),
			redis.WithChannelReconnectTimeout(patience))
	}
}

func (s *sentinel) unsubscribe() {
	if s.published != nil {
		s.published.Close()
		s.published, s.heard = nil, nil
	}
}

// publishes is called with what the sentinel publishes: the name of the master, and its old and its new address.
func (s *sentinel) publishes(payload string) {
	const words = 5
	if fields := strings.Fields(payload); len(fields) == words {
		s.switched(fields[0])
	}
}

// ask asks for each master where it is, and now and then for its replicas and the other sentinels. It tells whether there was an
// answer.
func (s *sentinel) ask(ctx context.Context) bool {
	type question struct {
		epoch    *redis.MapStringStringCmd
		address  *redis.StringSliceCmd
		peers    *redis.MapStringStringSliceCmd
		replicas *redis.MapStringStringSliceCmd
	}
	masters := map[string]*question{}
	id := redis.NewStringCmd(ctx, "sentinel", "myid")
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, server := range s.pool.Servers {
			name := server.Address
			// the epoch first: should a failover come between the two, then an old epoch is said of the new address, and not a new
			// one of the old address, which would count
			q := &question{
				epoch:   redis.NewMapStringStringCmd(ctx, "sentinel", "master", name),
				address: redis.NewStringSliceCmd(ctx, "sentinel", "get-master-addr-by-name", name),
			}
			masters[name] = q
			p.Process(ctx, q.epoch)
			p.Process(ctx, q.address)
			if s.asked%meetEvery == 0 {
				q.peers = redis.NewMapStringStringSliceCmd(ctx, "sentinel", "sentinels", name)
				q.replicas = redis.NewMapStringStringSliceCmd(ctx, "sentinel", "replicas", name)
				p.Process(ctx, q.peers)
				p.Process(ctx, q.replicas)
			}
		}
		return p.Process(ctx, id)
	})
	if ctx.Err() != nil {
		return false
	}
	a := answer{from: s.address}
	var said redis.Error
	if err != nil && (!errors.As(err, &said) || redis.IsAuthError(err)) {
		a.failure = plain(err)
		s.answered(a)
		return false
	}
	s.asked++
	if to := s.reached.Load(); to != nil {
		a.reached = *to
	}
	if id.Err() == nil {
		a.id = id.Val()
	}
	for name, q := range masters {
		said := statementOf(ctx, name, q.epoch, q.address)
		if q.replicas != nil && q.replicas.Err() == nil {
			said.replicas = replicasOf(ctx, q.replicas.Val())
		}
		a.masters = append(a.masters, said)
		if q.peers != nil && q.peers.Err() == nil {
			a.others = append(a.others, workingPeers(q.peers.Val())...)
		}
	}
	s.answered(a)
	return true
}

// plain returns the cause of an error without the addresses that it names.
func plain(err error) error {
	var op *net.OpError
	var number syscall.Errno
	switch cause, flaw := certs.Explain(err); {
	case flaw != nil:
		return errors.New(flaw.Message)
	case cause == certs.Plaintext:
		return errors.New("speaks no TLS")
	case errors.As(err, &number):
		return number
	case errors.As(err, &op) && op.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer")
	case op != nil:
		return op.Err
	}
	return err
}

func statementOf(ctx context.Context, master string, facts *redis.MapStringStringCmd, address *redis.StringSliceCmd) statement {
	s := statement{master: master}
	for _, err := range []error{facts.Err(), address.Err()} {
		if err != nil {
			s.failure = err
			return s
		}
	}
	const words = 2 // host and port
	epoch, err := strconv.ParseUint(facts.Val()["config-epoch"], 10, 64)
	if err != nil || len(address.Val()) != words {
		s.failure = fmt.Errorf("says epoch %q, address %q", facts.Val()["config-epoch"], address.Val())
		return s
	}
	s.place = placeOf(ctx, address.Val()[0], address.Val()[1])
	s.place.epoch = epoch
	s.changing = strings.Contains(facts.Val()["flags"], "failover_in_progress")
	if millis, err := strconv.Atoi(facts.Val()["down-after-milliseconds"]); err == nil {
		s.downAfter = time.Duration(millis) * time.Millisecond
	}
	return s
}

// keyOf returns an address that is the same whether a host is called by its name or not. Where a name cannot be looked up, it
// is its own key.
func keyOf(ctx context.Context, host, port string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(host, port)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return net.JoinHostPort(host, port)
	}
	least := found[0].Unmap()
	for _, addr := range found {
		if addr = addr.Unmap(); addr.Less(least) {
			least = addr
		}
	}
	return net.JoinHostPort(least.String(), port)
}

// workingPeers returns the sentinels of which another one says that they work.
func workingPeers(all []map[string]string) (peers []peer) {
	for _, p := range all {
		if p["ip"] == "" || p["port"] == "" || strings.Contains(p["flags"], "s_down") || strings.Contains(p["flags"], "disconnected") {
			continue
		}
		peers = append(peers, peer{net.JoinHostPort(p["ip"], p["port"]), p["runid"]})
	}
	return peers
}

// replicasOf returns where the replicas are of which a sentinel tells. It goes on to tell of those that are gone: where there are more than can
// be read from, they are left out.
func replicasOf(ctx context.Context, all []map[string]string) []place {
	replicas := []place{}
	for _, r := range all {
		gone := strings.Contains(r["flags"], "s_down") || strings.Contains(r["flags"], "disconnected")
		if r["ip"] != "" && r["port"] != "" && !(gone && len(all) > link.MaxReplicas) {
			replicas = append(replicas, placeOf(ctx, r["ip"], r["port"]))
		}
	}
	return replicas
}

// placeOf returns a place of which no epoch is known.
func placeOf(ctx context.Context, host, port string) place {
	return place{address: net.JoinHostPort(host, port), key: keyOf(ctx, host, port)}
}

// askToLead asks a sentinel to lead a failover. Of those that can, it is one in which the master itself passes its writes on, so that
// none are lost: Valkey's, since version 9. sent tells that it may have begun, although there is an error.
func askToLead(ctx context.Context, p *link.Pool, master, address string) (err error, sent bool) {
	o := options(address)
	o.Dialer, o.PoolSize, o.ReadTimeout = dialer(sentinelClient(p)), 1, leadPatience
	o.Username, o.Password = p.SentinelUser, p.SentinelPassword
	client := redis.NewClient(o)
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return plain(err), false
	}
	err = client.Do(ctx, "sentinel", "failover", master, "coordinated").Err()
	if isUnknownOption(err) {
		err = client.Do(ctx, "sentinel", "failover", master).Err()
	}
	var said redis.Error
	if err != nil && !errors.As(err, &said) {
		return fmt.Errorf("%w; it may have begun", plain(err)), true
	}
	return err, err != nil && strings.HasPrefix(err.Error(), "INPROG")
}

// isUnknownOption tells whether a sentinel knows no other failovers than its own.
func isUnknownOption(err error) bool {
	var said redis.Error
	if !errors.As(err, &said) {
		return false
	}
	text := strings.ToLower(said.Error())
	for _, sign := range []string{"arguments", "unknown", "syntax"} {
		if strings.HasPrefix(text, "err ") && strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
