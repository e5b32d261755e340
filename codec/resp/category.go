// The categories of Redis' access lists that each row of the table is in.

package resp

import (
	"slices"
	"strings"
)

// Categories is a set of categories.
type Categories uint32

const (
	keyspaceCategory Categories = 1 << iota
	readCategory
	writeCategory
	setCategory
	sortedSetCategory
	listCategory
	hashCategory
	stringCategory
	bitmapCategory
	hyperLogLogCategory
	geoCategory
	streamCategory
	pubSubCategory
	adminCategory
	fastCategory
	slowCategory
	blockingCategory
	dangerousCategory
	connectionCategory
	transactionCategory
	scriptingCategory
	searchCategory
	jsonCategory
	bloomCategory
	cuckooCategory
	countMinCategory
	topKCategory
	tDigestCategory
	timeSeriesCategory
)

// categoryNames are in the order of the bits, which is that of ACL CAT.
var categoryNames = []string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin",
	"fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting", "search", "json", "bloom", "cuckoo", "cms", "topk",
	"tdigest", "timeseries",
}

// CategoryNames returns the names of all categories, without the "@".
func CategoryNames() []string { return slices.Clone(categoryNames) }

// CategoryOf returns the category of that name in lower case; 0: there is none.
func CategoryOf(name string) Categories {
	if i := slices.Index(categoryNames, name); i >= 0 {
		return 1 << i
	}
	return 0
}

// Categories returns the categories that c is in.
func (c *Command) Categories() Categories { return categories[c.ID] }

// categories has an entry for each row, by ID.
var categories = categorize(table)

// ofGroup are the categories of the groups of the table all of whose rows are in one.
var ofGroup = map[string]Categories{
	"Keys": keyspaceCategory, "Strings": stringCategory, "Hashes": hashCategory, "Lists": listCategory, "Sets": setCategory,
	"Sorted sets": sortedSetCategory, "Streams": streamCategory, "Scripts and functions": scriptingCategory, "JSON": jsonCategory,
	"Time series": timeSeriesCategory, "Search": searchCategory,
}

// ofData are the groups of commands that look at data: they are reads, if they are no writes.
var ofData = []string{
	"Keys", "Strings", "Hashes", "Lists", "Sets", "Sorted sets", "Streams", "Bitmaps, HyperLogLog, geo", "Vector sets", "JSON",
	"Bloom, cuckoo, count-min, top-k, t-digest", "Time series", "Search",
}

// ofPrefix are the categories of commands whose names begin so.
var ofPrefix = map[string]Categories{
	"bf.": bloomCategory, "cf.": cuckooCategory, "cms.": countMinCategory, "topk.": topKCategory, "tdigest.": tDigestCategory,
}

// member says which rows are in a category beyond what their group says, and which are not.
type member struct {
	category Categories
	in, out  string
}

var members = []member{
	{keyspaceCategory, "dbsize flushall flushdb swapdb", "sort sort_ro wait waitaof"},
	{listCategory, "sort sort_ro", ""},
	{setCategory, "sort sort_ro", ""},
	{sortedSetCategory, "sort sort_ro", ""},
	{readCategory, "dbsize keys lolwut memory|usage", "wait waitaof pfselftest"},
	{writeCategory, "swapdb", "eval evalsha fcall publish spublish"},
	{bitmapCategory, "bitcount bitfield bitfield_ro bitop bitpos getbit setbit", ""},
	{hyperLogLogCategory, "pfadd pfcount pfdebug pfmerge pfselftest", ""},
	{geoCategory, `geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch
		geosearchstore`, ""},
	{pubSubCategory, `psubscribe publish pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub punsubscribe
		spublish ssubscribe subscribe sunsubscribe unsubscribe`, ""},
	{adminCategory, `acl|deluser acl|dryrun acl|getuser acl|list acl|load acl|log acl|save acl|setuser acl|users bgrewriteaof bgsave
		client|kill client|list client|no-evict client|pause client|unblock client|unpause cluster|addslots cluster|addslotsrange
		cluster|bumpepoch cluster|count-failure-reports cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots
		cluster|forget cluster|meet cluster|replicas cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch
		cluster|setslot cluster|slaves config|get config|resetstat config|rewrite config|set debug failover lastsave latency|doctor
		latency|graph latency|histogram latency|history latency|latest latency|reset module|list module|load module|loadex module|unload
		monitor pfdebug pfselftest psync replconf replicaof role save shutdown slaveof slowlog|get slowlog|len slowlog|reset sync`, ""},
	{dangerousCategory, "flushall flushdb info keys migrate restore restore-asking sort sort_ro swapdb", ""}, // and all that are admin
	{blockingCategory, "blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait waitaof xread xreadgroup", "wait waitaof"},
	{connectionCategory, `asking auth client|caching client|getname client|getredir client|help client|id client|info client|kill client|list
		client|no-evict client|no-touch client|pause client|reply client|setinfo client|setname client|tracking client|trackinginfo
		client|unblock client|unpause command command|count command|docs command|getkeys command|getkeysandflags command|help command|info
		command|list echo hello host: ping post quit readonly readwrite reset select wait waitaof`, ""},
	{transactionCategory, "discard exec multi unwatch watch", ""},
	{fastCategory, `append asking auth bitfield_ro bzpopmax bzpopmin dbsize decr decrby digest discard echo exists expire expireat expiretime get
		getbit getdel getex getset hdel hello hexists hexpire hexpireat hexpiretime hget hgetdel hgetex hincrby hincrbyfloat hlen hmget hmset
		host: hpersist hpexpire hpexpireat hpexpiretime hpttl hset hsetex hsetnx hstrlen httl incr incrby incrbyfloat lastsave llen lolwut lpop
		lpush lpushx mget move multi persist pexpire pexpireat pexpiretime pfadd ping post pttl publish quit readonly readwrite renamenx reset
		role rpop rpush rpushx sadd scard select setnx sismember smismember smove spop spublish srem strlen swapdb time touch ttl type unlink
		unwatch vcard vdim vemb vgetattr vinfo vismember vlinks vrem vsetattr watch xack xackdel xadd xautoclaim xclaim xdel xdelex xlen
		xsetid zadd zcard zcount zincrby zlexcount zmscore zpopmax zpopmin zrank zrem zrevrank zscore`, ""},
}

// categorize finds out which categories each row is in. A container without its subcommand is refused, and is in those alone that its
// lists name.
func categorize(rows []Command) []Categories {
	all := make([]Categories, countRows(rows))
	for i := range rows {
		c := &rows[i]
		if len(c.Subs) == 0 {
			all[c.ID] = ofRow(c, c.Group)
		}
		for k := range c.Subs {
			all[c.Subs[k].ID] = ofRow(&c.Subs[k], c.Group)
		}
	}
	listed(rows, all)
	for i, in := range all {
		if in&adminCategory != 0 {
			in |= dangerousCategory
		}
		if in&fastCategory == 0 {
			in |= slowCategory
		}
		all[i] = in
	}
	return all
}

// ofRow returns the categories that follow from a row and its group.
func ofRow(c *Command, group string) (in Categories) {
	in = ofGroup[group]
	for prefix, category := range ofPrefix {
		if strings.HasPrefix(c.Name, prefix) {
			in |= category
		}
	}
	switch {
	case c.Write:
		in |= writeCategory
	case slices.Contains(ofData, group) && !strings.HasSuffix(c.Name, "|help"):
		in |= readCategory
	}
	return in
}

// listed adds and takes away what members says.
func listed(rows []Command, all []Categories) {
	id := map[string]uint16{}
	for i := range rows {
		id[rows[i].Name] = rows[i].ID
		for k := range rows[i].Subs {
			id[rows[i].Subs[k].Name] = rows[i].Subs[k].ID
		}
	}
	for _, m := range members {
		for _, name := range strings.Fields(m.in) {
			all[id[name]] |= m.category
		}
		for _, name := range strings.Fields(m.out) {
			all[id[name]] &^= m.category
		}
	}
}
