// Who listens, as the kernel says it.

package sock

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListeningTCP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		fd, err := ListenTCP(netip.MustParseAddrPort(address), 8, false)
		if err == unix.EADDRNOTAVAIL { // no IPv6 here
			continue
		}
		opened(t, fd, err)
		bound := netip.MustParseAddrPort(LocalAddress(fd))
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil {
			t.Fatal(err)
		}
		found := 0
		err = ListeningTCP(func(port uint16, inode uint32) {
			if port == bound.Port() && uint64(inode) == stat.Ino {
				found++
			}
		})
		if found != 1 || err != nil {
			t.Errorf("%s is found %d times, %v", bound, found, err)
		}
	}
}
