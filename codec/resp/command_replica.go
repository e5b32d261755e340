// Which commands a replica may answer in its primary's place.

package resp

import (
	"slices"
	"strings"
)

// primaryOnly are reads that a replica does not answer as its primary would, however fresh its data is.
var primaryOnly = []string{
	"object", "memory|usage", "json.debug|memory", // what they tell is of that server alone
	"bf.debug", "cf.debug",
	"touch",                   // changes what that server alone knows
	"hscan", "sscan", "zscan", // a cursor means nothing to another server
	"bf.scandump", "cf.scandump",
	"pfcount",    // writes what it has counted, and with that the replica's value would differ
	"tdigest",    // likewise: it compacts what it reads
	"evalsha_ro", // a replica does not know the scripts that its primary has loaded
}

// quick are the reads that Redis calls fast: what they take grows with the request, or with the logarithm of the data. To ask one again of
// another server, while the first may yet carry it out, costs nobody much. Any other may be what keeps the first one busy.
var quick = []string{
	"bitfield_ro", "exists", "expiretime", "get", "getbit", "hexists", "hget", "hlen", "hmget", "hstrlen", "llen", "mget", "pexpiretime", "pttl",
	"scard", "sismember", "smismember", "strlen", "ttl", "type", "xlen", "zcard", "zcount", "zlexcount", "zmscore", "zrank", "zrevrank", "zscore",
}

// isForReplicas tells whether a replica may answer c, which changes nothing and is not divided in another way than by key. Of XREAD it
// tells so of requests without BLOCK.
func (c *Command) isForReplicas() bool {
	if c.Write || c.Blocking && !c.BlockOption || c.Route != Forward && c.Route != Fragment || !c.HasKeys() {
		return false
	}
	family, _, _ := strings.Cut(c.Name, "|")
	if module, _, ok := strings.Cut(c.Name, "."); ok && module == "tdigest" {
		family = module
	}
	return !slices.Contains(primaryOnly, c.Name) && !slices.Contains(primaryOnly, family)
}

// HasKeys tells whether requests of c name keys.
func (c *Command) HasKeys() bool { return c.First > 0 || c.Find != nil }
