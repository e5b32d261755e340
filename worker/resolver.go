// Host names of servers, looked up beside the loop.

package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// lookupTimeout bounds one look-up.
const lookupTimeout = 5 * time.Second

// resolver runs look-ups in goroutines of their own and brings the outcome to the loop: a goroutine puts it into done and
// wakes the loop by the event descriptor.
type resolver struct {
	l    *loop
	fd   int
	done chan finding
	busy chan struct{} // an element for each look-up under way
	host func(ctx context.Context, host string) ([]netip.Addr, error)
}

// finding is the outcome of a look-up.
type finding struct {
	endpoint *endpoint
	found    []netip.AddrPort
	err      error
}

// maxLookups is how many look-ups there are at a time: each needs a descriptor or two.
const maxLookups = 32

// pendingFindings is how many outcomes may wait for the loop; later goroutines wait with theirs, the loop never does.
const pendingFindings = 64

func newResolver(l *loop) (*resolver, error) {
	fd, err := sock.Eventfd()
	if err != nil {
		return nil, fmt.Errorf("making the resolver's event descriptor: %w", err)
	}
	r := &resolver{l: l, fd: fd, done: make(chan finding, pendingFindings), busy: make(chan struct{}, maxLookups), host: lookupHost}
	_, err = l.register(fd, r)
	return r, err
}

func lookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// lookup begins to look up the host of e, whose resolved is then called on the loop.
func (r *resolver) lookup(e *endpoint) {
	address := e.address
	go func() {
		r.busy <- struct{}{}
		found, err := r.find(address)
		<-r.busy
		r.done <- finding{e, found, err}
		sock.Wake(r.fd)
	}()
}

func (r *resolver) find(address string) ([]netip.AddrPort, error) {
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := r.host(ctx, host)
	if err != nil {
		if _, own := sock.FreeDescriptor(); own != nil { // the resolver words it, and does not wrap it
			err = own
		}
		return nil, fmt.Errorf("looking up %q: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, errors.New("looking up " + host + ": no address")
	}
	found := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		found[i] = netip.AddrPortFrom(addr.Unmap(), port)
	}
	return found, nil
}

func splitHostPort(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err
}

func (r *resolver) ready(poll.Event) {
	sock.Calm(r.fd)
	for {
		select {
		case f := <-r.done:
			f.endpoint.resolved(f.found, f.err)
		default:
			return
		}
	}
}
