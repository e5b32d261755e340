// Unused addresses on loopback.

package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below those that the kernel gives to outgoing connections, so that none of ours sits on one, and
// from below those that the end-to-end tests of pinion give away, which may run at the same time.
const (
	lowestPort  = 10_000
	highestPort = 12_000
)

// FreeAddresses returns n different addresses of 127.0.0.1 that nobody listens on. They are not reserved, so they are
// to be used soon.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for range highestPort - lowestPort {
		if len(addresses) == n {
			return addresses, nil
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(highestPort-lowestPort)))
		if err != nil {
			continue
		}
		defer l.Close() // only after all are chosen, which makes them differ
		addresses = append(addresses, l.Addr().String())
	}
	return nil, errors.New("no free port on 127.0.0.1")
}
