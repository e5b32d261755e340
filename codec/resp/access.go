// What commands do to their keys, and with channels, as far as Redis' access lists tell that apart.

package resp

import (
	"slices"
	"strings"
)

// Access is what a command does to a key: 0 = it learns of it, such as its length, without reading or changing its value.
type Access uint8

const (
	Reads Access = 1 << iota
	Writes
)

// Channels is what the arguments of a command have to do with channels.
type Channels uint8

const (
	NoChannels      Channels = iota
	NamesChannels            // the arguments behind the name, or the first of them, are channels
	PatternChannels          // they are patterns of channels
)

// KeyAccess returns what a request of c, which has count arguments of which args are the first, does to the key that is argument number i.
func (c *Command) KeyAccess(b []byte, args []Span, count, i int) Access {
	a := &accesses[c.ID]
	switch {
	case c.Name == "set" && i == 1:
		return a.first | readIf(len(args) < count || has(b, args[min(3, len(args)):], "get"))
	case c.Name == "bitfield" && i == 1 && len(args) < count: // nobody knows what follows
		return Reads | Writes
	case c.Name == "bitfield" && i == 1:
		return bitfieldAccess(b, args)
	case c.First > 0 && i == c.First:
		return a.first
	}
	return a.others
}

// Channels returns what the arguments of c are.
func (c *Command) Channels() Channels { return accesses[c.ID].channels }

// ChannelArgs returns which of the count arguments of a request of c are channels: those from 1 to this one.
func (c *Command) ChannelArgs(count int) (last int) {
	if c.Route == Forward {
		return 1 // PUBLISH and SPUBLISH, whose message follows
	}
	return count - 1
}

// ReachesUnnamedKeys tells whether requests of c touch keys that nothing in them tells, whatever their arguments: of indexes of the
// search module, or those that a filter of time series finds. So do a few whose keys the table does not know, as they are for the
// only server of a pool.
func (c *Command) ReachesUnnamedKeys() bool { return accesses[c.ID].unnamed }

// access is what a row of the table does to its keys.
type access struct {
	first, others Access
	channels      Channels
	unnamed       bool
}

// accesses has an entry for each row, by ID.
var accesses = accessesOf(table)

// Of a row that no list has, a write reads and writes its keys, and any other reads them: nobody gets at more by that than is right.
var (
	learning = strings.Fields(`bf.card bf.info cf.info cms.info exists hexists hlen hstrlen json.debug|memory json.arrlen json.objlen json.strlen json.type
		llen memory|usage object|encoding object|freq object|idletime object|refcount scard sismember strlen tdigest.info topk.info
		touch type vcard vdim vinfo watch xlen zcard`)
	onlyWriting = strings.Fields(`append bf.loadchunk bf.reserve cf.loadchunk cf.reserve cms.initbydim cms.initbyprob del expire expireat
		geoadd hdel hexpire hexpireat hmset hpersist hpexpire hpexpireat hset hsetex hsetnx json.del json.forget json.merge json.mset json.set
		linsert lpush lpushx lrem lset ltrim mset msetex msetnx persist pexpire pexpireat pfadd psetex restore restore-asking rpush rpushx
		sadd set setex setnx setrange srem tdigest.add tdigest.create tdigest.reset topk.reserve ts.add ts.alter ts.create ts.createrule
		ts.del ts.deleterule ts.madd unlink xack xackdel xadd xautoclaim xclaim xdel xdelex xgroup|create xgroup|createconsumer
		xgroup|delconsumer xgroup|destroy xgroup|setid xsetid xtrim zadd zrem zremrangebylex zremrangebyrank zremrangebyscore`)
	onlyReading   = strings.Fields("pfdebug xreadgroup")
	writingFirst  = strings.Fields("bitop cms.merge geosearchstore sdiffstore sinterstore sunionstore tdigest.merge zdiffstore zinterstore zrangestore zunionstore")
	writingOthers = strings.Fields("blmove brpoplpush lmove rename renamenx rpoplpush smove") // of what they take from the first
	readingFirst  = strings.Fields("copy georadius georadiusbymember sort")                   // and write others
	unnamed       = strings.Fields("migrate pfdebug restore-asking stralgo ts.mget ts.mrange ts.mrevrange ts.queryindex")
)

func accessesOf(rows []Command) []access {
	all := make([]access, countRows(rows))
	for i := range rows {
		all[rows[i].ID] = accessOf(&rows[i], rows[i].Group)
		for k := range rows[i].Subs {
			all[rows[i].Subs[k].ID] = accessOf(&rows[i].Subs[k], rows[i].Group)
		}
	}
	return all
}

func accessOf(c *Command, group string) access {
	is := func(names []string) bool { return slices.Contains(names, c.Name) }
	a := access{first: Reads, others: Reads, unnamed: is(unnamed) || group == "Search" && c.Route == Solo}
	switch {
	case is(learning):
		a.first, a.others = 0, 0
	case is(onlyWriting):
		a.first, a.others = Writes, Writes
	case is(onlyReading):
	case is(writingFirst):
		a.first = Writes
	case is(writingOthers):
		a.first, a.others = Reads|Writes, Writes
	case is(readingFirst):
		a.others = Writes
	case c.Name == "pfmerge":
		a.first = Reads | Writes
	case c.Write:
		a.first, a.others = Reads|Writes, Reads|Writes
	}
	switch c.Name {
	case "publish", "spublish", "subscribe", "ssubscribe":
		a.channels = NamesChannels
	case "psubscribe":
		a.channels = PatternChannels
	}
	return a
}

func readIf(reads bool) Access {
	if reads {
		return Reads
	}
	return 0
}

// has tells whether one of some arguments is a word.
func has(b []byte, args []Span, lowerCase string) bool {
	for _, a := range args {
		if equalFold(a.Of(b), lowerCase) {
			return true
		}
	}
	return false
}

// bitfieldAccess returns Reads for a BITFIELD of nothing but GET.
func bitfieldAccess(b []byte, args []Span) Access {
	for i := 2; i < len(args); {
		switch opt := args[i].Of(b); {
		case equalFold(opt, "get"):
			i += 3
		case equalFold(opt, "set"), equalFold(opt, "incrby"):
			return Reads | Writes
		case equalFold(opt, "overflow"):
			i += 2
		default:
			return Reads | Writes
		}
	}
	return Reads
}

// SortsByPattern tells whether the first option of a SORT that finds keys by a pattern is BY, and not GET.
func (c *Command) SortsByPattern(b []byte, args []Span) bool {
	for i := 2; i+1 < len(args); i++ {
		switch opt := args[i].Of(b); {
		case equalFold(opt, "limit"):
			i += 2
		case equalFold(opt, "store"):
			i++
		case equalFold(opt, "by"), equalFold(opt, "get"):
			i++
			if hasStar(args[i].Of(b)) {
				return equalFold(opt, "by")
			}
		}
	}
	return false
}
