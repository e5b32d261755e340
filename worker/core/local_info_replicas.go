// INFO of replicas that are read from: which there are, and what was last found of them.

package core

import (
	"fmt"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// replicasInfo returns one text for each replica of the server, of a cluster for those of the node; none if nothing is read from them.
func (s *server) replicasInfo() (texts []string) {
	p := s.pool
	if !p.spec.ReadsReplicas() {
		return nil
	}
	t := p.l.spec.Topology.Pool(p.name)
	add := func(e link.Endpoint, server, number int) {
		state, lag := p.l.shared.Replica(p.index, server, number)
		texts = append(texts, fmt.Sprintf("address=%s,role=%s,zone=%s,state=%s,lag_ms=%d", e.Address, e.Role, e.Zone, strings.ReplaceAll(state.String(), " ", "_"), lag))
	}
	if !p.spec.IsCluster() {
		if known := t.Server(s.spec.Name); known != nil {
			for number, e := range known.Replicas() {
				add(e, s.index, number)
			}
		}
		return texts
	}
	for i := range t.Servers {
		of := &t.Servers[i]
		place, ok := link.PlaceIndex(of.Server)
		if replicas := of.Replicas(); ok && of.Of == link.PlaceName(s.index) && len(replicas) > 0 {
			add(replicas[0], place, 0)
		}
	}
	return texts
}
