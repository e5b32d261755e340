// A Redis Cluster: masters that divide the slots, each with a replica.

package rig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

// HashSlots is how many slots a cluster has.
const HashSlots = 16384

// Cluster is the nodes of a Redis Cluster. Nodes[i] for i below Masters begin as masters, with equal parts of the slots; the others
// are their replicas, in order.
type Cluster struct {
	T       testing.TB
	Masters int
	Nodes   []*Backend

	busPorts map[string]string // by address
}

// ThreeMasters starts a cluster of three masters with a replica each, and waits until all agree who is who.
func ThreeMasters(t testing.TB) *Cluster {
	t.Helper()
	const masters = 3
	c := &Cluster{T: t, Masters: masters, busPorts: map[string]string{}}
	for range 2 * masters {
		c.Start(t)
	}
	for i, node := range c.Nodes[:masters] {
		args := []string{"CLUSTER", "ADDSLOTS"}
		for slot := i * HashSlots / masters; slot < (i+1)*HashSlots/masters; slot++ {
			args = append(args, strconv.Itoa(slot))
		}
		c.Want(node, "+OK\r\n", args...)
		c.Want(node, "+OK\r\n", "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range c.Nodes[1:] {
		c.Meet(node)
	}
	for i, node := range c.Nodes[masters:] {
		Eventually(t, "replicating", func() error { // it must have heard of its master first
			if got := c.Ask(node, "CLUSTER", "REPLICATE", c.ID(c.Nodes[i])); got != "+OK\r\n" {
				return errors.New(got)
			}
			return nil
		})
	}
	c.Agrees(func(id, line string) bool {
		return !strings.Contains(line, "handshake") && strings.Contains(line, " connected")
	})
	for _, node := range c.Nodes[masters:] {
		Eventually(t, "synchronizing a replica", func() error {
			if info := c.Ask(node, "INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
				return errors.New(info)
			}
			return nil
		})
	}
	return c
}

// Start starts one more node, which is of no cluster yet.
func (c *Cluster) Start(t testing.TB) *Backend {
	t.Helper()
	// a node is down after five seconds: on a busy machine one that works may be silent for one or two
	bus := strconv.Itoa(FreePort(t))
	node := RedisServerTCP(t, FreeAddress(t), "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "5000",
		"--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no") // a master without slots stays one
	c.busPorts[node.Address] = bus
	c.Nodes = append(c.Nodes, node)
	return node
}

// Meet has a node join the cluster of the first one that lives.
func (c *Cluster) Meet(node *Backend) {
	c.T.Helper()
	for _, other := range c.Nodes {
		if other != node && !other.Ended() {
			host, port, _ := net.SplitHostPort(node.Address)
			c.Want(other, "+OK\r\n", "CLUSTER", "MEET", host, port, c.busPorts[node.Address])
			return
		}
	}
}

// Ask returns the reply of a node, over a connection of its own.
func (c *Cluster) Ask(node *Backend, args ...string) string {
	c.T.Helper()
	conn := node.Dial()
	defer conn.Conn.Close()
	return conn.Do(args...)
}

// Want wants a node to reply so.
func (c *Cluster) Want(node *Backend, reply string, args ...string) {
	c.T.Helper()
	if got := c.Ask(node, args...); got != reply {
		c.T.Errorf("%s: %q: got %q, want %q", node.Address, args, got, reply)
	}
}

// ID returns the id of a node.
func (c *Cluster) ID(node *Backend) string {
	c.T.Helper()
	_, id, _ := strings.Cut(c.Ask(node, "CLUSTER", "MYID"), "\r\n")
	return strings.TrimSpace(id)
}

// Agrees waits until each node that lives names all others that do, says that the cluster works, and has a line about each that
// is as it should be.
func (c *Cluster) Agrees(is func(id, line string) bool) {
	c.T.Helper()
	var living []*Backend
	for _, node := range c.Nodes {
		if !node.Ended() {
			living = append(living, node)
		}
	}
	EventuallyWithin(c.T, 3*Patience, "agreeing", func() error {
		for _, node := range living {
			info, nodes := c.Ask(node, "CLUSTER", "INFO"), c.Ask(node, "CLUSTER", "NODES")
			if !strings.Contains(info, "cluster_state:ok") {
				return fmt.Errorf("%s says\n%s%s", node.Address, info, nodes)
			}
			for _, other := range living {
				id := c.ID(other)
				_, line, found := strings.Cut(nodes, id)
				line, _, _ = strings.Cut(line, "\n")
				if !found || !is(id, line) {
					return fmt.Errorf("%s says of %s\n%s", node.Address, other.Address, nodes)
				}
			}
		}
		return nil
	})
}

// Addresses returns those of some nodes, as lines of a pool.
func Addresses(nodes ...*Backend) (all []string) {
	for _, node := range nodes {
		all = append(all, node.Address)
	}
	return all
}

// Owner returns the node that has a slot, as one that lives says.
func (c *Cluster) Owner(slot int) *Backend {
	c.T.Helper()
	for _, asked := range c.Nodes {
		if asked.Ended() {
			continue
		}
		for line := range strings.Lines(c.Ask(asked, "CLUSTER", "NODES")) {
			fields := strings.Fields(line)
			if len(fields) < 9 || !strings.Contains(fields[2], "master") {
				continue
			}
			address, _, _ := strings.Cut(fields[1], "@")
			for _, r := range fields[8:] {
				first, last, isRange := strings.Cut(r, "-")
				if !isRange {
					last = first
				}
				if slot < Atoi(first) || slot > Atoi(last) || strings.HasPrefix(r, "[") {
					continue
				}
				for _, node := range c.Nodes {
					if node.Address == address {
						return node
					}
				}
			}
		}
	}
	c.T.Fatalf("slot %d has no master", slot)
	return nil
}

// Slot returns the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.T.Helper()
	for _, node := range c.Nodes {
		if !node.Ended() {
			return Atoi(strings.TrimSpace(strings.TrimPrefix(c.Ask(node, "CLUSTER", "KEYSLOT", key), ":")))
		}
	}
	c.T.Fatal("no node lives")
	return 0
}

// Move moves a slot with all its keys to another node. meanwhile is called when the slot is half-way: the source still has it, and
// the target imports.
func (c *Cluster) Move(slot int, to *Backend, meanwhile func()) {
	c.T.Helper()
	from, number := c.Owner(slot), strconv.Itoa(slot)
	source, target := from.Dial(), to.Dial()
	defer source.Conn.Close()
	defer target.Conn.Close()
	target.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "IMPORTING", c.ID(from))
	source.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "MIGRATING", c.ID(to))
	host, port, _ := net.SplitHostPort(to.Address)
	for moved := 0; ; moved++ {
		const half = 5
		if moved == half {
			meanwhile()
		}
		_, rest, _ := strings.Cut(source.Do("CLUSTER", "GETKEYSINSLOT", number, "1"), "\r\n")
		_, key, found := strings.Cut(rest, "\r\n")
		if !found {
			break
		}
		source.WantDo("+OK\r\n", "MIGRATE", host, port, strings.TrimSuffix(key, "\r\n"), "0", "5000")
	}
	target.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "NODE", c.ID(to))
	source.WantDo("+OK\r\n", "CLUSTER", "SETSLOT", number, "NODE", c.ID(to))
}
