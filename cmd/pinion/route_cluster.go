// pinion route in a pool of a Redis Cluster: the slot of a key follows from the key, and who has the slot only a running Pinion knows.

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/shard"
)

// clusterName is how a pool of a cluster calls what divides its keys.
const clusterName = "cluster"

// showSlots writes the table of a pool of a cluster.
func showSlots(w io.Writer, p *config.Pool, running *admin.Status, keys []string) error {
	fmt.Fprintf(w, "pool %s: the slots of a cluster, of which %s is a node\n", p.Name, strings.Join(p.Seeds, " or "))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "KEY\tSLOT\tSERVER\tHASHED PART\tWHY"+readsHeader(p))
	for _, key := range keys {
		slot := shard.Slot([]byte(key))
		address, why := slotOwner(p, slot, running)
		part := "all of it"
		if hashed := shard.SlotPart([]byte(key)); string(hashed) != key {
			part = printable(string(hashed))
		}
		reads := ""
		if p.ReadsReplicas() {
			reads = "\t" + readsText(p, runningReplicas(p, address, running))
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s%s\n", printable(key), slot, address, part, why, reads)
	}
	return t.Flush()
}

// slotOwner returns the node that has a slot, and why; or "not known", and why not.
func slotOwner(p *config.Pool, slot int, running *admin.Status) (address, why string) {
	const unknown = "not known"
	for i := range running.Pools {
		if running.Pools[i].Name != p.Name {
			continue
		}
		for _, s := range running.Pools[i].Servers {
			if s.Node == nil {
				continue
			}
			for _, r := range s.Node.Ranges {
				var first, last int
				if _, err := fmt.Sscanf(r, "%d-%d", &first, &last); err != nil || slot < first || slot > last {
					continue
				}
				why = fmt.Sprintf("slots %s, epoch %d", r, s.Node.Epoch)
				if s.Node.Stale {
					why += "; STALE, no node answers"
				}
				return s.Address, why
			}
		}
		return unknown, "the slot has no master"
	}
	return unknown, "--control asks a running Pinion"
}

// newSlotJSON is newRouteJSON for a pool of a cluster.
func newSlotJSON(p *config.Pool, running *admin.Status, key string) routeJSON {
	slot := uint32(shard.Slot([]byte(key)))
	r := routeJSON{Pool: p.Name, Key: jsonBytes(key), Distribution: clusterName, HashFunction: "crc16", Hashed: shard.SlotPart([]byte(key)),
		Slot: &slot, Slots: shard.Slots}
	if address, _ := slotOwner(p, int(slot), running); strings.Contains(address, ":") {
		r.Server, r.Address = address, address
		if p.ReadsReplicas() {
			r.ReadFrom, r.Replicas = string(p.ReadFrom), runningReplicas(p, address, running)
		}
	}
	return r
}
