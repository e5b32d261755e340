// Topologies: what is newer replaces what is older, and only where servers may move.

package link

import (
	"errors"
	"reflect"
	"strconv"
	"testing"
)

func TestTopology(t *testing.T) {
	pools := []Pool{
		{Name: "alpha", Servers: []Server{{Name: "a", Network: "tcp", Address: "10.0.0.1:6379", Weight: 1}, {Name: "b", Network: "unix", Address: "/b"}}},
		{Name: "beta"},
	}
	topology := StaticTopology(pools)
	if p := topology.Pool("alpha"); p.Version != 1 || p.Discovers || len(p.Servers) != 2 || topology.Pool("gamma") != nil {
		t.Errorf("of the configuration: %+v", topology)
	}
	if e, ok := topology.Pool("alpha").Primary("b"); !ok || e != (Endpoint{Network: "unix", Address: "/b", Role: Primary}) {
		t.Errorf("b is at %+v, %v", e, ok)
	}
	newer := func(version uint64) PoolTopology {
		return PoolTopology{Pool: "alpha", Version: version, Servers: []ServerTopology{{Server: "a", Endpoints: []Endpoint{
			{Network: "tcp", Address: "10.0.0.2:6379", Role: Replica}, {Network: "tcp", Address: "10.0.0.3:6379", Role: Primary},
		}}, {Server: "b", Endpoints: []Endpoint{{Network: "unix", Address: "/b", Role: Replica}}}}}
	}
	if topology.Replace(newer(9)) {
		t.Error("a pool moves that discovers nothing")
	}
	topology.Pools[0].Discovers = true
	for _, step := range []struct {
		version uint64
		news    bool
	}{{1, false}, {3, true}, {3, false}, {2, false}, {4, true}} {
		if topology.Replace(newer(step.version)) != step.news {
			t.Errorf("version %d is news: %v", step.version, !step.news)
		}
	}
	if topology.Replace(PoolTopology{Pool: "gamma", Version: 9}) {
		t.Error("a pool that is not there moves")
	}
	p := topology.Pool("alpha")
	if e, ok := p.Primary("a"); !ok || e.Address != "10.0.0.3:6379" || !p.Discovers {
		t.Errorf("a is at %+v, %v", e, ok)
	}
	if e, ok := p.Primary("b"); ok {
		t.Errorf("b, which has no primary, is at %+v", e)
	}
	var addresses []string
	for e := range topology.Endpoints {
		addresses = append(addresses, e.Address)
	}
	if want := []string{"10.0.0.2:6379", "10.0.0.3:6379", "/b"}; !reflect.DeepEqual(addresses, want) {
		t.Errorf("there are %q, want %q", addresses, want)
	}
}

// Nobody knows yet where the servers of a pool with sentinels are.
func TestTopologyOfSentinels(t *testing.T) {
	topology := StaticTopology([]Pool{{Name: "alpha", Sentinels: []string{"10.0.0.9:26379"}, Servers: []Server{{Name: "a", Network: Sentinel, Address: "mymaster"}}}})
	p := topology.Pool("alpha")
	if e, ok := p.Primary("a"); ok || !p.Discovers || p.Server("a") == nil || p.Server("b") != nil {
		t.Errorf("a is at %+v of %+v", e, p)
	}
}

// In a cluster nobody has a place at first, and what is newer replaces all of it.
func TestTopologyOfCluster(t *testing.T) {
	pool := Pool{Name: "alpha", Seeds: []string{"10.0.0.1:7000"}, Servers: Places()}
	topology := StaticTopology([]Pool{pool})
	p := topology.Pool("alpha")
	if !p.Cluster || !p.Discovers || p.Located() || len(p.Servers) != 0 || !pool.Discovers() {
		t.Errorf("at first: %+v", p)
	}
	joined := ServerTopology{Server: PlaceName(1), Node: "b", Endpoints: []Endpoint{{Network: "tcp", Address: "10.0.0.2:7000", Role: Primary}}}
	if !topology.Replace(PoolTopology{Pool: "alpha", Version: 2, Servers: []ServerTopology{joined}}) || p.Located() {
		t.Errorf("with a node without slots: %+v", p)
	}
	joined.Slots = []HashRange{{0, HashSlots - 1}}
	if !topology.Replace(PoolTopology{Pool: "alpha", Version: 3, Servers: []ServerTopology{joined}}) || !p.Located() || !p.Cluster {
		t.Errorf("with one that has all slots: %+v", p)
	}
}

// A specification is short however many places there are, and brings them.
func TestSpecOfCluster(t *testing.T) {
	spec := Spec{Pools: []Pool{
		{Name: "alpha", Servers: []Server{{Name: "a", Network: "tcp", Address: "10.0.0.1:6379", Weight: 1}}},
		{Name: "beta", Seeds: []string{"10.0.0.1:7000"}, Servers: Places()},
	}}
	text := spec.Text()
	got, err := ParseSpec(text)
	if err != nil || !reflect.DeepEqual(got, &spec) {
		t.Errorf("%+v arrives as %+v, %v", spec, got, err)
	}
	if len(text) > 4096 {
		t.Errorf("it takes %d bytes", len(text))
	}
}

func TestPlaces(t *testing.T) {
	places := Places()
	for i, s := range places {
		if index, ok := PlaceIndex(s.Name); !ok || index != i || s.Network != ClusterNode || len(s.Name) != len(strconv.Itoa(i+1)) {
			t.Fatalf("place %d is %+v, of index %d, %v", i, s, index, ok)
		}
	}
	for _, name := range []string{"", "0", "01", "+1", "-1", "257", "a"} {
		if index, ok := PlaceIndex(name); ok {
			t.Errorf("%q is place %d", name, index)
		}
	}
}

func TestCriticalFields(t *testing.T) {
	for path, known := range map[string]bool{
		"Slots": true, "Pools.Servers.Weight": true, "Topology.pools.discovers": true, "Pools.Servers": true,
		"slots": false, "Tomorrow": false, "Pools.Tomorrow": false, "Slots.Tomorrow": false, "Topology.Pools": false, "": false,
	} {
		_, err := ParseSpec([]byte(`{"Slots":1,"Critical":["` + path + `"]}`))
		if known && err != nil || !known && !errors.Is(err, ErrCritical) {
			t.Errorf("%q: %v", path, err)
		}
	}
	var body MoveClientsBody
	if err := ParseBody(Message{MoveClients, []byte(`{"patience":5,"tomorrow":true}`)}, &body); err != nil || body.Patience != 5 {
		t.Errorf("with a field that is not known: %v, %v", body, err)
	}
	if err := ParseBody(Message{MoveClients, []byte(`{"tomorrow":true,"critical":["tomorrow"]}`)}, &body); !errors.Is(err, ErrCritical) {
		t.Errorf("with a critical one: %v", err)
	}
}
