// Pools of a Redis Cluster: its nodes fail over, slots move, nodes come and go, and clients that know nothing of a cluster go on.

package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// clusterPool starts Pinion with a pool of a cluster of which the configuration names some nodes.
func clusterPool(t *testing.T, seeds []string, options ...string) *operated {
	t.Helper()
	address := rig.FreeAddress(t)
	return operate(t, clusterConfig(address, seeds, options...), address)
}

func clusterConfig(address string, seeds []string, options ...string) string {
	options = append([]string{"redis: true", "cluster: true", "timeout: 1000", "failover_wait: 60000"}, options...)
	return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: options, Servers: seeds})
}

// keysOfAll returns keys of each third of the slots.
func keysOfAll(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("key:%d", i))
	}
	return keys
}

// writes has each client write each key with a value of its own, and wants each to see what was written last. A write is repeated if
// nobody knows what became of it: it was on its way when its master was replaced.
func writes(clients [2]*rig.Client, keys []string, what string) {
	for slot, c := range clients {
		for _, key := range keys {
			value, got := fmt.Sprintf("%s %d", what, slot), ""
			for range 5 {
				if got = c.Do("SET", key, value); !strings.HasSuffix(got, "; the outcome is unknown\r\n") {
					break
				}
			}
			if got != "+OK\r\n" {
				c.T.Errorf("SET %s %q: %q", key, value, got)
			}
		}
	}
	for _, c := range clients {
		for _, key := range keys {
			c.WantDo(rig.Bulk(what+" 1"), "GET", key)
		}
	}
}

// A client that knows nothing of a cluster uses all of it, while its masters are replaced one after the other: one on demand, one dies,
// and one hangs. Nobody is disconnected, and nothing fails.
func TestE2ECluster(t *testing.T) {
	t.Parallel()
	cluster := rig.ThreeMasters(t)
	p := clusterPool(t, rig.Addresses(cluster.Nodes[1], cluster.Nodes[5]))
	clients, keys := oneClientPerWorker(t, p.Proxy), keysOfAll(30)
	writes(clients, keys, "at first")
	for _, key := range keys { // they are where other clients of the cluster look for them
		cluster.Want(cluster.Owner(cluster.Slot(key)), rig.Bulk("at first 1"), "GET", key)
	}
	text, err := p.command("status")
	for i, node := range cluster.Nodes {
		want := node.Address + " is a master of "
		if i >= cluster.Masters {
			want = node.Address + " is a replica of " + cluster.Nodes[i-cluster.Masters].Address
		}
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v; the status does not say %q:\n%s", err, want, text)
		}
	}

	for i, replace := range []func(master, replica *rig.Backend){
		func(master, replica *rig.Backend) {
			if text, err := p.command("failover", "pool", master.Address); err != nil || !strings.Contains(text, replica.Address+" is the master now") {
				t.Errorf("a failover on demand: %v, %s", err, text)
			}
		},
		func(master, _ *rig.Backend) { master.Kill() },
		func(master, _ *rig.Backend) { master.Stop() },
	} {
		master, replica := cluster.Nodes[i], cluster.Nodes[i+cluster.Masters]
		replace(master, replica)
		rig.EventuallyWithin(t, failoverPatience, "failing over", func() error {
			if role := cluster.Ask(replica, "ROLE"); !strings.Contains(role, "master") {
				return errors.New(role)
			}
			return nil
		})
		writes(clients, keys, fmt.Sprint("after failover ", i))
		for _, key := range keys {
			if owner := cluster.Owner(cluster.Slot(key)); owner == replica {
				cluster.Want(replica, rig.Bulk(fmt.Sprintf("after failover %d 1", i)), "GET", key)
			}
		}
	}
	cluster.Nodes[2].Continue()
	writes(clients, keys, "in the end")
}

// Slots move, and nodes come and go.
func TestE2EClusterIsRebuilt(t *testing.T) {
	t.Parallel()
	cluster := rig.ThreeMasters(t)
	p := clusterPool(t, rig.Addresses(cluster.Nodes[0]))
	clients := oneClientPerWorker(t, p.Proxy)
	slotMoves(t, cluster, p, clients)
	nodeComesAndGoes(t, cluster, p, clients)
}

// slotMoves moves a slot to another node, and clients of both workers read and write its keys before, meanwhile and afterwards: those
// that are still there, those that are gone already, and those that were never there.
func slotMoves(t *testing.T, cluster *rig.Cluster, p *operated, clients [2]*rig.Client) {
	t.Helper()
	var keys []string
	for i := range 12 {
		keys = append(keys, fmt.Sprintf("{tag}:%d", i))
	}
	writes(clients, keys, "before")
	slot := cluster.Slot("{tag}")
	from := cluster.Owner(slot)
	to := cluster.Nodes[0]
	if from == to {
		to = cluster.Nodes[1]
	}
	cluster.Move(slot, to, func() {
		writes(clients, append(keys, "{tag}:new"), "meanwhile")
	})
	writes(clients, append(keys, "{tag}:new"), "after")
	for _, key := range keys {
		cluster.Want(to, rig.Bulk("after 1"), "GET", key)
	}
	rig.Eventually(t, "the status to follow", func() error {
		text, err := p.command("status")
		if err != nil || !strings.Contains(text, fmt.Sprintf("%s is a master of 5,462 slots", to.Address)) && !strings.Contains(text, fmt.Sprintf("%s is a master of 5,463 slots", to.Address)) {
			return fmt.Errorf("%v\n%s", err, text)
		}
		return nil
	})
}

// nodeComesAndGoes has a node join and get a slot; then it gives it back and leaves: nothing is connected to it any more.
func nodeComesAndGoes(t *testing.T, cluster *rig.Cluster, p *operated, clients [2]*rig.Client) {
	t.Helper()
	node := cluster.Start(t)
	cluster.Meet(node)
	cluster.Agrees(func(_, line string) bool { return !strings.Contains(line, "handshake") })
	slot := cluster.Slot("k")
	before := cluster.Owner(slot)
	writes(clients, []string{"k"}, "before")
	cluster.Move(slot, node, func() {})
	writes(clients, []string{"k"}, "there")
	cluster.Want(node, rig.Bulk("there 1"), "GET", "k")
	cluster.Move(slot, before, func() {})
	id := cluster.ID(node)
	for _, other := range cluster.Nodes {
		if other != node {
			cluster.Want(other, "+OK\r\n", "CLUSTER", "FORGET", id)
		}
	}
	writes(clients, []string{"k"}, "back")
	rig.Eventually(t, "the end of connections to the node", func() error {
		if text, err := p.command("status"); err != nil || strings.Contains(text, node.Address) {
			return fmt.Errorf("%v\n%s", err, text)
		}
		if n := connectionsTo(node); n != 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}

// What is known of a cluster outlives a worker, a reload and an upgrade: when none of its seeds is there any more, Pinion
// goes on with the nodes that it has come to know.
func TestE2EClusterIsRemembered(t *testing.T) {
	t.Parallel()
	cluster := rig.ThreeMasters(t)
	seed := cluster.Nodes[3] // a replica
	p := clusterPool(t, rig.Addresses(seed))
	clients, keys := oneClientPerWorker(t, p.Proxy), keysOfAll(10)
	writes(clients, keys, "at first")
	seed.Kill()
	syscall.Kill(p.Workers()[0], syscall.SIGKILL)
	settled(p.Proxy, 2)
	clients = oneClientPerWorker(t, p.Proxy)
	writes(clients, keys, "after a crash")
	p.reloads(t, "")
	writes(clients, keys, "after a reload")
	if text, err := p.command("upgrade"); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, text)
	}
	writes(clients, keys, "after an upgrade")

	// Another one starts while no node of the cluster answers, and serves it when one does.
	for _, node := range cluster.Nodes {
		if node != seed {
			node.Stop()
		}
	}
	c := clusterPool(t, rig.Addresses(cluster.Nodes[0])).Dial()
	c.Send(rig.Request("SET", "k", "v"))
	for _, node := range cluster.Nodes {
		if node != seed {
			node.Continue()
		}
	}
	c.Want("+OK\r\n")
}
