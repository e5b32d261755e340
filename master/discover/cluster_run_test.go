// Nodes of a cluster as they are on the wire, played by the test.

package discover

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

// isNode has a fake be a node of a cluster of two, itself and another one; both have a part of the slots. It says of no node where that
// is but itself.
func (f *fake) isNode(self, other *fake, epoch int, ownSlots, otherSlots string) {
	id := func(f *fake) string { return fmt.Sprintf("%040x", portOf(f)) }
	line := func(f *fake, flags string, epoch int, slots string) string {
		return fmt.Sprintf("%s 127.0.0.1:%d@1 %s - 0 0 %d connected %s\n", id(f), portOf(f), flags, epoch, slots)
	}
	nodes := line(self, "myself,master", epoch, ownSlots) + line(other, "master", 1, otherSlots)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies["AUTH PASSWORD"] = "+OK\r\n"
	f.replies["CLUSTER NODES"] = fmt.Sprintf("$%d\r\n%s\r\n", len(nodes), nodes)
	f.replies["CLUSTER SLOTS"] = fmt.Sprintf("*1\r\n*3\r\n:0\r\n:5\r\n*4\r\n$-1\r\n:%d\r\n$40\r\n%s\r\n*0\r\n", portOf(self), id(self))
}

func portOf(f *fake) (port int) {
	_, text, _ := net.SplitHostPort(f.address)
	fmt.Sscan(text, &port)
	return port
}

// untilSlots waits until a node has so many slots, as is told.
func (h *heard) untilSlots(node *fake, n int) {
	h.t.Helper()
	h.until(fmt.Sprintf("that %s has %d slots", node.address, n), func(news News) bool {
		for _, s := range news.Servers {
			if s.Endpoints[0].Address == node.address {
				return s.SlotCount() == n
			}
		}
		return false
	})
}

// One seed of three is no node of a cluster. What the others say is known, and what they say later.
func TestFollowCluster(t *testing.T) {
	one, two, plain := newFake(t), newFake(t), newFake(t)
	plain.replies["CLUSTER NODES"] = "-ERR This instance has cluster support disabled\r\n"
	plain.replies["CLUSTER SLOTS"] = plain.replies["CLUSTER NODES"]
	one.isNode(one, two, 2, "0-99", "100-16383")
	two.isNode(two, one, 1, "100-16383", "0-99")
	p := &link.Pool{Name: "p", Password: "password", Seeds: []string{one.address, plain.address}, Servers: link.Places()}
	h := &heard{t, make(chan News, 1000)}
	f := Follow(p, nil, func(n News) { h.news <- n })
	t.Cleanup(f.Stop)
	h.untilSlots(two, 16284)
	<-f.Located
	h.until("that one is no node", func(n News) bool {
		return strings.Contains(strings.Join(n.Problems, ""), "it is no node of a Redis Cluster")
	})

	one.isNode(one, two, 3, "0-199", "200-16383")
	two.isNode(two, one, 1, "200-16383", "0-199")
	f.Doubt(link.Server{})
	h.untilSlots(one, 200)
}
