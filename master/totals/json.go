// The text of the statistics port: nutcracker's JSON, byte for byte in names, order and spacing (src/nc_stats.c), with counters of
// our own behind its own. It is always current: the counters are words in memory that the workers write.

package totals

import (
	"encoding/json"
	"strconv"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Head are the fields before the counters.
type Head struct {
	Source    string // name of the host
	Version   string
	Uptime    int64 // s
	Timestamp int64 // s since the epoch
	Topology  *link.Topology

	// Sentinels tells how many sentinels say where a server that fails over is, and how many of them name its address.
	Sentinels func(pool, server int) (asked, agree int)
}

// AppendJSON appends the text. The service stays "nutcracker": tools look for it.
func (c *Counters) AppendJSON(b []byte, h Head) []byte {
	b = append(b, `{"service":"nutcracker", "source":`...)
	b = appendString(b, h.Source)
	b = append(b, `, "version":`...)
	b = appendString(b, h.Version)
	b = append(b, `, "uptime":`...)
	b = strconv.AppendInt(b, h.Uptime, 10)
	b = append(b, `, "timestamp":`...)
	b = strconv.AppendInt(b, h.Timestamp, 10)
	b = append(b, ", "...)
	b = appendCounters(b, link.WorkerStatistics, c.SumWorker)
	for pool := range c.Pools {
		b = append(b, separator(pool)...)
		b = c.appendPool(b, pool, &h)
	}
	return append(b, "}\n"...)
}

func (c *Counters) appendPool(b []byte, pool int, h *Head) []byte {
	b = appendString(b, c.Pools[pool].Name)
	b = append(b, ": {"...)
	b = appendCounters(b, link.PoolStatistics, func(counter int) uint64 {
		if counter == link.ClientConnections {
			return c.Clients(pool)
		}
		return c.SumPool(pool, counter)
	})
	if c.Pools[pool].IsCluster() {
		return append(c.appendNodes(b, pool, h.Topology.Pool(c.Pools[pool].Name)), '}')
	}
	for server := range c.Pools[pool].Servers {
		b = append(b, separator(server)...)
		b = c.appendServer(b, pool, server, c.Pools[pool].Servers[server].Name)
		if c.Pools[pool].Discovers() {
			b = appendFollowed(b, h.Topology.Pool(c.Pools[pool].Name).Server(c.Pools[pool].Servers[server].Name))
			b = appendSentinels(b, h, pool, server)
		}
		if c.Pools[pool].ReadsReplicas() {
			b = c.appendReplicas(b, pool, h.Topology.Pool(c.Pools[pool].Name), c.Pools[pool].Servers[server].Name)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendServer appends a server but for its last brace.
func (c *Counters) appendServer(b []byte, pool, server int, name string) []byte {
	b = append(appendString(b, name), ": {"...)
	return appendCounters(b, link.ServerCounters[:], func(counter int) uint64 { return c.SumServer(pool, server, counter) })
}

// appendNodes appends the nodes of a cluster, by their addresses.
func (c *Counters) appendNodes(b []byte, pool int, t *link.PoolTopology) []byte {
	for i := range t.Servers {
		s := &t.Servers[i]
		place, ok := link.PlaceIndex(s.Server)
		if !ok || len(s.Endpoints) == 0 || place >= len(c.Pools[pool].Servers) {
			continue
		}
		b = append(b, separator(i)...)
		b = c.appendServer(b, pool, place, s.Endpoints[0].Address)
		b = appendFollowed(b, s)
		b = append(b, `, "slots":`...)
		b = strconv.AppendInt(b, int64(s.SlotCount()), 10)
		replica := byte('0')
		if s.Endpoints[0].Role == link.Replica {
			replica = '1'
		}
		b = append(b, `, "replica":`...)
		b = append(b, replica)
		b = append(c.appendReplicas(b, pool, t, s.Server), '}')
	}
	return b
}

// appendFollowed appends what sentinels or a cluster say of a server that fails over, as numbers like all that servers have.
func appendFollowed(b []byte, s *link.ServerTopology) []byte {
	b = append(b, `, "epoch":`...)
	b = strconv.AppendUint(b, s.Epoch, 10)
	for _, at := range []struct {
		name   string
		millis int64
	}{{"moved_at", s.MovedAt}, {"said_at", s.SaidAt}, {"switched_at", s.SwitchedAt}} {
		b = append(b, `, "`...)
		b = append(b, at.name...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, at.millis, 10)
	}
	stale := byte('0')
	if s.Stale {
		stale = '1'
	}
	b = append(b, `, "stale":`...)
	return append(b, stale)
}

// appendSentinels appends how many sentinels are asked about a server, and agree.
func appendSentinels(b []byte, h *Head, pool, server int) []byte {
	asked, agree := h.Sentinels(pool, server)
	b = append(b, `, "sentinels":`...)
	b = strconv.AppendInt(b, int64(asked), 10)
	b = append(b, `, "sentinels_agree":`...)
	return strconv.AppendInt(b, int64(agree), 10)
}

// separator is what nutcracker puts before the i-th object of a level: a space follows the comma only after a counter.
func separator(i int) string {
	if i == 0 {
		return ", "
	}
	return ","
}

func appendCounters(b []byte, infos []link.CounterInfo, sum func(counter int) uint64) []byte {
	for i, info := range infos {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '"')
		b = append(b, info.Name...)
		b = append(b, `":`...)
		b = strconv.AppendUint(b, sum(i), 10)
	}
	return b
}

// appendString appends s as a JSON string. A name is mostly plain; one that is not would break nutcracker's own output.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has a form
	return append(b, text...)
}
