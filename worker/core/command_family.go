// Which family a request is counted in.

package core

import (
	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// familyOfGroup is the family of each heading of the command table.
var familyOfGroup = map[string]link.CommandFamily{
	"Keys": link.KeyCommands, "Strings": link.StringCommands, "Hashes": link.HashCommands, "Lists": link.ListCommands, "Sets": link.SetCommands,
	"Sorted sets": link.SortedSetCommands, "Streams": link.StreamCommands, "Bitmaps, HyperLogLog, geo": link.BitmapCommands,
	"Vector sets": link.VectorSetCommands, "Scripts and functions": link.ScriptCommands, "JSON": link.JSONCommands,
	"Bloom, cuckoo, count-min, top-k, t-digest": link.SketchCommands, "Time series": link.TimeSeriesCommands, "Search": link.SearchCommands,
	"Connection": link.ConnectionCommands, "Server": link.ServerCommands,
}

// families has the family of each command of Redis, by its ID.
var families = familiesOf(resp.Commands())

func familiesOf(commands []*resp.Command) []link.CommandFamily {
	all := make([]link.CommandFamily, resp.NumCommands)
	for _, c := range commands {
		family := familyOfGroup[c.Group]
		all[c.ID] = family
		for i := range c.Subs {
			all[c.Subs[i].ID] = family
		}
	}
	return all
}

// countCommand counts a request for a command of Redis.
func (p *pool) countCommand(cmd *resp.Command) { p.countFamily(families[cmd.ID]) }

func (p *pool) countFamily(f link.CommandFamily) { *p.counters[link.FirstCommandFamily+int(f)]++ }

// familyOfMemcache returns the family of a command of memcached.
func familyOfMemcache(cmd *memcache.Command) link.CommandFamily {
	if cmd.HasData {
		return link.Stores
	}
	switch cmd.Name {
	case "get", "gets", "gat", "gats", "mg":
		return link.Retrievals
	case "delete", "md":
		return link.Deletions
	case "incr", "decr", "ma":
		return link.Arithmetic
	case "touch":
		return link.Touches
	}
	return link.OtherRequests
}
