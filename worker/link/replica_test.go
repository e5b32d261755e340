// Leases: what lets a worker read from a replica, and what does not.

package link

import (
	"reflect"
	"strings"
	"testing"
)

func TestLease(t *testing.T) {
	a, b := LeaseTag("10.0.0.1:6379"), LeaseTag("10.0.0.2:6379")
	lease := NewLease(a, 1_000)
	for _, test := range []struct {
		what      string
		word, tag uint64
		now       int64
		want      bool
	}{
		{"before its end", lease, a, 999, true},
		{"at its end", lease, a, 1_000, false},
		{"for another replica", lease, b, 999, false},
		{"there is none", 0, a, 0, false},
		{"there is none, for no address", 0, 0, 0, false},
		{"it ended before the clock began", NewLease(a, -5), a, 0, false},
		{"after many years", NewLease(a, 1<<39), a, 1<<39 - 1, true},
	} {
		if got := LeaseHolds(test.word, test.tag, test.now); got != test.want {
			t.Errorf("%s: %v", test.what, got)
		}
	}
}

func TestReplicaWords(t *testing.T) {
	s := openShared(t, []int{2, 1}, 2)
	s.SetReplica(1, 0, MaxReplicas-1, NewLease(7, 50), ReplicaBehind, 1234)
	if state, lag := s.Replica(1, 0, MaxReplicas-1); state != ReplicaBehind || lag != 1234 || *s.Lease(1, 0, MaxReplicas-1) != NewLease(7, 50) {
		t.Errorf("the replica is %v by %d ms", state, lag)
	}
	if state, _ := s.Replica(0, 1, 0); state != ReplicaUnknown || state.String() != "unknown" || ReplicaState(200).String() != "unknown" {
		t.Errorf("one that nobody has looked at is %v", state)
	}
	before := withoutDirectory(s)
	old, err := OpenShared(before.memory(), []int{2, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if old.Lease(1, 0, 0) != nil {
		t.Error("a build without leases has one")
	}
	old.SetReplica(1, 0, 0, 1, ReplicaFit, 0)
	if state, _ := old.Replica(1, 0, 0); state != ReplicaUnknown {
		t.Errorf("a build without leases tells that a replica is %v", state)
	}
}

func TestStaticReplicas(t *testing.T) {
	topology := StaticTopology([]Pool{{Name: "alpha", Servers: []Server{{Name: "a", Network: "tcp", Address: "10.0.0.1:6379", Zone: "x",
		Replicas: []ReplicaAddress{{"tcp", "10.0.0.2:6379", "y"}, {"unix", "/r", ""}}}}}})
	s := topology.Pools[0].Server("a")
	if got := s.Replicas(); len(got) != 2 || got[0] != (Endpoint{"tcp", "10.0.0.2:6379", Replica, "y"}) || got[1].Address != "/r" {
		t.Errorf("replicas %v", got)
	}
	if e, ok := topology.Pools[0].Primary("a"); !ok || e.Address != "10.0.0.1:6379" || e.Zone != "x" {
		t.Errorf("primary %v", e)
	}
}

// The names by which builds tell each other of replicas are for good, and say nothing where there are none.
func TestReplicaFieldNames(t *testing.T) {
	with := Spec{Zone: "a", Pools: []Pool{{Name: "p", ReadFrom: ReadFromNearest, MaxReplicaLag: 5, ReadYourWrites: 6,
		Servers: []Server{{Name: "s", Zone: "b", Replicas: []ReplicaAddress{{"tcp", "h:1", "c"}}}}}}}
	with.Topology = StaticTopology(with.Pools)
	without := Spec{Pools: []Pool{{Name: "p", Servers: []Server{{Name: "s"}}}}}
	without.Topology = StaticTopology(without.Pools)
	for _, part := range []string{`"Zone":"a"`, `"ReadFrom":"nearest"`, `"MaxReplicaLag":5`, `"ReadYourWrites":6`, `"Zone":"b"`,
		`"Replicas":[{"Network":"tcp","Address":"h:1","Zone":"c"}]`, `{"network":"tcp","address":"h:1","role":"replica","zone":"c"}`} {
		if text := string(with.Text()); !strings.Contains(text, part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	for _, part := range []string{"Zone", "ReadFrom", "Lag", "Writes", "Replicas", "zone"} {
		if text := string(without.Text()); strings.Contains(text, part) {
			t.Errorf("%s is in %s", part, text)
		}
	}
	if again, err := ParseSpec(with.Text()); err != nil || !reflect.DeepEqual(again, &with) {
		t.Errorf("it is read again as %+v, %v", again, err)
	}
	for i, name := range []string{"lease_0", "replica_7"} {
		if l := newLayout([]int{1}, 1); l.find(ofServer, name).block == nil {
			t.Errorf("%d: there is no word %s", i, name)
		}
	}
}
