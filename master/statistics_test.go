// What is said when the statistics port cannot be opened.

package master

import (
	"fmt"
	"net"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
)

func TestListenStatsErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for address, want := range map[string]string{
		"127.0.0.1": fmt.Sprintf(`listening on "127.0.0.1:%d" (statistics): address already in use; `+
			`choose another port with -s, or statistics in the file`, port),
		"192.0.2.1": fmt.Sprintf(`listening on "192.0.2.1:%d" (statistics): cannot assign requested address; `+
			`no interface of this machine has that address; choose another with -a, or statistics in the file`, port),
	} {
		m := &master{world: newWorld(nil), opts: Options{StatsAddr: address, StatsPort: port}, statistics: statistics{fd: -1}}
		m.generations.serving = &generation{config: &config.Config{}}
		m.world.aside = func(work func() func()) { work()() }
		m.listenStats(tryOnce, func(err error) {
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// nutcracker, to which the port may be given back, binds 0.0.0.0 and not all of IPv6, too.
func TestListenStatistics(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "127.0.0.1", "localhost"} {
		l, err := listenStatistics(net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if ip := l.Addr().(*net.TCPAddr).AddrPort().Addr(); host != "localhost" && ip.String() != host {
			t.Errorf("%s: %s", host, ip)
		}
	}
}
