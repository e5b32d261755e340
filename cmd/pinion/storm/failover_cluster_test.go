//go:build failover

// The nodes of a cluster, on trial.

package storm_test

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// clusterTrial is a cluster of three masters with a replica each, of which the first one's slots are what befalls.
type clusterTrial struct {
	*trial
	*rig.Cluster
	slots map[int]bool // of keys that clients write
	voted time.Time    // when there was a failover in good order
}

const nodeTimeout = 1500 * time.Millisecond

func newClusterTrial(t *testing.T) *clusterTrial {
	c := &clusterTrial{Cluster: rig.ThreeMasters(t), slots: map[int]bool{}}
	for _, node := range c.Nodes {
		c.Want(node, "+OK\r\n", "CONFIG", "SET", "cluster-node-timeout", fmt.Sprint(nodeTimeout.Milliseconds()))
	}
	c.trial = newTrial(t, []string{"cluster: true"}, c.Nodes[0].Address, c.Nodes[4].Address)
	const moved, first, second = 1000, rig.HashSlots / 3, 2 * rig.HashSlots / 3
	var own, middle, other []string
	for i := 0; len(own) < counters || len(middle) < 2 || len(other) < 3; i++ {
		key := fmt.Sprintf("{%d}", i)
		switch slot := c.Slot(key); {
		case slot < moved && len(own) < counters:
			own = append(own, key)
			c.slots[slot] = true
		case slot > first && slot < second:
			middle = append(middle, key)
		case slot > second:
			other = append(other, key)
		}
	}
	c.witness(own, other, append(own[:2:2], middle[0], other[0], other[1]))
	return c
}

// becomesMaster waits until a node is the master of what it was a replica of.
func (c *clusterTrial) becomesMaster(node *rig.Backend) {
	rig.Eventually(c.T, "another master", func() error {
		if role := c.Ask(node, "ROLE"); !strings.Contains(role, "master") {
			return errors.New(role)
		}
		return nil
	})
}

// failover has a replica take over in good order. Other masters do not vote for it right after they have voted, and while they do not, its
// master pauses.
func (c *clusterTrial) failover(replica *rig.Backend) {
	const patience, between = 6 * time.Second, 2 * nodeTimeout // of Redis, for a failover, and for two of one master's
	time.Sleep(between - time.Since(c.voted))
	var asked time.Time
	rig.Eventually(c.T, "failing over", func() error {
		role := c.Ask(replica, "ROLE")
		if strings.Contains(role, "master") {
			return nil
		}
		if time.Since(asked) > patience {
			asked = time.Now()
			role += c.Ask(replica, "CLUSTER", "FAILOVER")
		}
		return errors.New(role)
	})
	c.voted = time.Now()
}

// follows waits until a replica has what its master has, and its cluster agrees about it.
func (c *clusterTrial) follows(replica *rig.Backend) {
	rig.Eventually(c.T, "following", func() error {
		if info := c.Ask(replica, "INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
			return errors.New(info)
		}
		return nil
	})
	c.Agrees(func(_, line string) bool {
		return !strings.Contains(line, "fail") && strings.Contains(line, " connected")
	})
}

// reshard moves the first so many slots from one node to another one. Where clients write it stays half-way for a moment.
func (c *clusterTrial) reshard(from, to *rig.Backend, slots int) {
	source, target := from.Dial(), to.Dial()
	defer source.Conn.Close()
	defer target.Conn.Close()
	fromID, toID := c.ID(from), c.ID(to)
	host, port, _ := net.SplitHostPort(to.Address)
	for slot := range slots {
		number := strconv.Itoa(slot)
		target.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "IMPORTING", fromID)
		source.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "MIGRATING", toID)
		for {
			keys := rig.Elements(c.T, source.Do("CLUSTER", "GETKEYSINSLOT", number, "1"))
			if len(keys) == 0 {
				break
			}
			source.Do("MIGRATE", host, port, rig.Text(c.T, keys[0]), "0", "5000") // NOKEY: a client has been quicker
			time.Sleep(2 * time.Millisecond)
		}
		if c.slots[slot] {
			time.Sleep(50 * time.Millisecond)
		}
		target.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "NODE", toID)
		source.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "NODE", toID)
	}
}

// restart has a node that was killed be there again at another address, with what it knows of its cluster.
func (c *clusterTrial) restart(node *rig.Backend) *rig.Backend {
	dir := rig.Text(c.T, rig.Elements(c.T, c.Ask(node, "CONFIG", "GET", "dir"))[1])
	node.Kill()
	address := rig.FreeAddress(c.T)
	host, port, _ := net.SplitHostPort(address)
	p := rig.Start(c.T, rig.Program(c.T, "redis-server"), "--bind", host, "--port", port, "--dir", dir, "--save", "", "--cluster-enabled", "yes",
		"--cluster-port", strconv.Itoa(rig.FreePort(c.T)), "--cluster-node-timeout", fmt.Sprint(nodeTimeout.Milliseconds()), "--loglevel", "warning")
	again := &rig.Backend{Process: p, Network: "tcp", Address: address, Read: rig.ReadRESP}
	again.Answers("tcp", address)
	c.Nodes = append(c.Nodes, again)
	return again
}

func TestMeasureCluster(t *testing.T) {
	for _, scenario := range []struct {
		name  string
		loses bool
		again bool // all is as it was
		fail  func(c *clusterTrial, master, replica *rig.Backend)
	}{
		{"CLUSTER FAILOVER there and back", false, true, func(c *clusterTrial, master, replica *rig.Backend) {
			c.failover(replica)
			c.switched = time.Now()
			c.follows(master)
			c.failover(master)
			c.follows(replica)
		}},
		{"kill -9", true, false, func(c *clusterTrial, master, replica *rig.Backend) {
			master.Kill()
			c.becomesMaster(replica)
			c.switched = time.Now()
		}},
		{"SIGSTOP 6 s and SIGCONT", true, false, func(c *clusterTrial, master, replica *rig.Backend) {
			master.Stop()
			c.becomesMaster(replica)
			c.switched = time.Now()
			time.Sleep(6*time.Second - time.Since(c.fault))
			master.Continue()
			c.follows(master)
		}},
		{"1,000 slots there and back", false, true, func(c *clusterTrial, master, _ *rig.Backend) {
			c.reshard(master, c.Nodes[1], 1000)
			c.switched = time.Now()
			c.reshard(c.Nodes[1], master, 1000)
		}},
		{"a node at another address", false, false, func(c *clusterTrial, master, replica *rig.Backend) {
			c.failover(replica)
			c.switched = time.Now()
			c.follows(master)
			again := c.restart(master)
			c.follows(again)
			c.failover(again)
		}},
		{"a node comes and goes", false, true, func(c *clusterTrial, master, _ *rig.Backend) {
			node := c.Start(c.T)
			c.Meet(node)
			c.Agrees(func(_, line string) bool { return !strings.Contains(line, "handshake") })
			const slots = 300
			c.reshard(master, node, slots)
			c.switched = time.Now()
			time.Sleep(time.Second)
			c.reshard(node, master, slots)
			id := c.ID(node)
			for _, other := range c.Nodes {
				if other != node && !other.Ended() {
					c.Want(other, "+OK\r\n", "CLUSTER", "FORGET", id)
				}
			}
			node.Kill()
		}},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			c := newClusterTrial(t)
			c.loses = scenario.loses
			c.run(func() {
				scenario.fail(c, c.Nodes[0], c.Nodes[c.Masters])
				for scenario.again && !c.hasChanged() {
					scenario.fail(c, c.Nodes[0], c.Nodes[c.Masters])
				}
			})
		})
	}
}
