// Look-ups come to an end, and their outcome to the loop.

package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/sock"
)

var errNoHost = errors.New("no such host")

func newResolver(t *testing.T) *Resolver {
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close(r.FD()) })
	return r
}

func TestFind(t *testing.T) {
	addrs := map[string][]netip.Addr{
		"both.test":  {netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1")},
		"empty.test": {},
	}
	r := &Resolver{Host: func(_ context.Context, host string) ([]netip.Addr, error) {
		if found, ok := addrs[host]; ok {
			return found, nil
		}
		return nil, errNoHost
	}}
	for _, test := range []struct{ address, want string }{
		{"both.test:6379", "[[::1]:6379 127.0.0.1:6379] <nil>"},
		{"empty.test:6379", "[] looking up empty.test: no address"},
		{"none.test:6379", `[] looking up "none.test": no such host`},
		{"both.test", "[] address both.test: missing port in address"},
		{"both.test:x", `[] strconv.ParseUint: parsing "x": invalid syntax`},
		{"both.test:65536", `[] strconv.ParseUint: parsing "65536": value out of range`},
	} {
		found, err := r.find(test.address)
		if got := fmt.Sprintf("%v %v", found, err); got != test.want {
			t.Errorf("find(%q) = %s, want %s", test.address, got, test.want)
		}
	}
}

// A look-up for which there is no descriptor tells so: the resolver's own words would be about the name.
func TestFindWithoutDescriptors(t *testing.T) {
	r := &Resolver{Host: func(context.Context, string) ([]netip.Addr, error) { return nil, errNoHost }}
	feed := starve(t)
	_, err := r.find("redis.test:6379")
	feed()
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("the failure is %v", err)
	}
	if _, err := r.find("redis.test:6379"); errors.Is(err, unix.EMFILE) {
		t.Errorf("with descriptors the failure is %v", err)
	}
}

// starve leaves the process no room for more descriptors until the returned function is called.
func starve(t *testing.T) (feed func()) {
	next, err := sock.FreeDescriptor()
	if err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(limit unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.Rlimit{Cur: uint64(next), Max: old.Max})
	return func() { set(old) }
}

// awaitReadable waits until there is something to Deliver.
func awaitReadable(t *testing.T, fd int) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 20_000)
	for err == unix.EINTR {
		n, err = unix.Poll(fds, 20_000)
	}
	if n != 1 {
		t.Fatalf("no look-up ends: %v", err)
	}
}

// The loop hears of every look-up, whether it waited for one or for more than there are at a time and than may wait for it.
func TestDeliver(t *testing.T) {
	r := newResolver(t)
	r.Host = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "none.test" {
			return nil, errNoHost
		}
		return []netip.Addr{netip.MustParseAddr(host)}, nil
	}
	const count = 2*(maxLookups+pendingOutcomes) + 1
	var told []int
	for i := range count {
		address, want := fmt.Sprintf("192.0.2.%d:%d", i%256, i), fmt.Sprintf("[192.0.2.%d:%d] <nil>", i%256, i)
		if i%7 == 3 {
			address, want = fmt.Sprintf("none.test:%d", i), `[] looking up "none.test": no such host`
		}
		r.Lookup(address, func(found []netip.AddrPort, err error) {
			if got := fmt.Sprintf("%v %v", found, err); got != want {
				t.Errorf("%q: told %s, want %s", address, got, want)
			}
			told = append(told, i)
		})
	}
	for len(told) < count {
		awaitReadable(t, r.FD())
		r.Deliver()
	}
	slices.Sort(told)
	if len(slices.Compact(told)) != count || len(r.busy) > 0 {
		t.Errorf("told of %d look-ups of %d; %d are under way", len(told), count, len(r.busy))
	}
}
