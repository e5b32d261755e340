// What is told of replicas: as text for people and programs, and as numbers.

package master

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
)

func replicaGeneration(t *testing.T, text string) *generation {
	t.Helper()
	cfg, err := config.Parse("replicas.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := newGeneration(1, cfg, Options{}, []int{-1}, 0)
	if err := g.share(newMachine().world()); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReplicasAreTold(t *testing.T) {
	const text = `
alpha:
  listen: 127.0.0.1:22121
  redis: true
  read_from: %s
  servers:
    - 10.0.0.1:6379:1 one
    - {server: "10.0.0.2:6379:1 two", replicas: ["10.0.0.3:6379", {replica: "10.0.0.4:6379", zone: b}, "10.0.0.5:6379"]}
`
	head := totals.Head{Sentinels: func(int, int) (int, int) { return 0, 0 }}
	stats := func(g *generation) string {
		head.Topology = &g.topology
		return string(g.counters.AppendJSON(nil, head))
	}
	g := replicaGeneration(t, fmt.Sprintf(text, link.ReadFromNearest))
	g.counters.SetReplica(0, 1, 0, 0, link.ReplicaFit, 3)
	g.counters.SetReplica(0, 1, 1, 0, link.ReplicaFit, 120)
	g.counters.SetReplica(0, 1, 2, 0, link.ReplicaBehind, 999)
	want := []admin.ReplicaStatus{
		{Address: "10.0.0.3:6379", State: "fit", LagMS: 3}, {Address: "10.0.0.4:6379", Zone: "b", State: "fit", LagMS: 120}, {Address: "10.0.0.5:6379", State: "behind", LagMS: 999},
	}
	if got := g.poolStatus()[0].Servers; got[0].Replicas != nil || !reflect.DeepEqual(got[1].Replicas, want) {
		t.Errorf("status %+v", got)
	}
	for _, part := range []string{`"replicas":0, "replicas_fit":0, "replica_lag":0}`, `"replicas":3, "replicas_fit":2, "replica_lag":120}`} {
		if got := stats(g); !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
	g = replicaGeneration(t, fmt.Sprintf(text, link.ReadFromMaster))
	if got := stats(g); strings.Contains(got, `"replicas`) || g.poolStatus()[0].Servers[1].Replicas != nil {
		t.Errorf("where all is read from the master replicas are told of: %s", got)
	}
}

func TestReplicasOfNodesAreTold(t *testing.T) {
	g := replicaGeneration(t, "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  cluster: true\n  read_from: replica\n  servers:\n    - 10.0.0.1:7000\n")
	e := func(address string, role link.Role) []link.Endpoint {
		return []link.Endpoint{{Network: "tcp", Address: address, Role: role}}
	}
	g.topology.Replace(link.PoolTopology{Pool: "alpha", Version: 2, Servers: []link.ServerTopology{
		{Server: "1", Node: "a", Endpoints: e("10.0.0.1:7000", link.Primary), Slots: []link.HashRange{{First: 0, Last: 16383}}},
		{Server: "4", Node: "b", Endpoints: e("10.0.0.2:7000", link.Replica), Of: "1"},
	}})
	g.counters.SetReplica(0, 3, 0, 0, link.ReplicaLinkDown, 0)
	nodes := g.poolStatus()[0].Servers
	if want := []admin.ReplicaStatus{{Address: "10.0.0.2:7000", State: "link down"}}; !reflect.DeepEqual(nodes[0].Replicas, want) || nodes[1].Replicas != nil {
		t.Errorf("status %+v", nodes)
	}
}
