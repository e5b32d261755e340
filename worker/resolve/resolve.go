// Look-ups, each in a goroutine of its own, and how their outcomes reach the loop.

package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// lookupTimeout bounds one look-up.
const lookupTimeout = 5 * time.Second

// maxLookups is how many look-ups there are at a time: each needs a descriptor or two.
const maxLookups = 32

// pendingOutcomes is how many outcomes may wait for the loop; further goroutines block with theirs, the loop never does.
const pendingOutcomes = 64

// Resolver runs look-ups and passes their outcomes to the loop: a goroutine puts one into done and wakes the loop by the
// event descriptor.
type Resolver struct {
	// Host returns the addresses that a name stands for. It is called by many goroutines at once, and must be set before
	// the first Lookup if it is to be another than Go's resolver.
	Host func(ctx context.Context, name string) ([]netip.Addr, error)

	fd   int
	done chan outcome
	busy chan struct{} // an element for each look-up under way
}

// outcome is the result of a look-up.
type outcome struct {
	tell  func([]netip.AddrPort, error)
	found []netip.AddrPort
	err   error
}

// New returns a resolver that uses Go's. It has a descriptor open.
func New() (*Resolver, error) {
	fd, err := sock.Eventfd()
	if err != nil {
		return nil, fmt.Errorf("making the resolver's event descriptor: %w", err)
	}
	return &Resolver{
		Host: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		},
		fd: fd, done: make(chan outcome, pendingOutcomes), busy: make(chan struct{}, maxLookups),
	}, nil
}

// FD returns the descriptor that becomes readable when there is something to Deliver. It belongs to r.
func (r *Resolver) FD() int { return r.fd }

// Lookup begins to look up the host of address, which is "host:port". Its outcome comes with some Deliver, by found: at
// least one address, or an error, which is the operating system's own where the process has no descriptor for the look-up.
func (r *Resolver) Lookup(address string, found func([]netip.AddrPort, error)) {
	go func() {
		r.busy <- struct{}{}
		addrs, err := r.find(address)
		<-r.busy
		r.done <- outcome{found, addrs, err}
		sock.Wake(r.fd)
	}()
}

// Deliver calls found for all look-ups that have ended.
func (r *Resolver) Deliver() {
	sock.Calm(r.fd)
	for {
		select {
		case f := <-r.done:
			f.tell(f.found, f.err)
		default:
			return
		}
	}
}

func (r *Resolver) find(address string) ([]netip.AddrPort, error) {
	host, port, err := SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := r.Host(ctx, host)
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

// SplitHostPort takes "host:port" apart, where host may be a name and port is a number.
func SplitHostPort(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err
}
