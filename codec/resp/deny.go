// What a pool's configuration may deny its clients: commands by name, by subcommand, and in groups.

package resp

import (
	"maps"
	"slices"
	"strings"
)

// DenyDefault is the name for what is denied where a configuration says nothing: deniedByDefault.
const DenyDefault = "default"

// deniedByDefault is what no application of several that share a cache has to do with. It reaches beyond the pool's keys (FLUSHALL: into other
// databases of the servers), changes a server for all or stops it, brings its data elsewhere, or lets everybody wait.
var deniedByDefault = []string{
	"acl|deluser", "acl|load", "acl|save", "acl|setuser", "bgrewriteaof", "bgsave", "client|pause", "cluster|addslots", "cluster|addslotsrange",
	"cluster|bumpepoch", "cluster|delslots", "cluster|delslotsrange", "cluster|failover", "cluster|flushslots", "cluster|forget",
	"cluster|meet", "cluster|replicate", "cluster|reset", "cluster|saveconfig", "cluster|set-config-epoch", "cluster|setslot",
	"config|resetstat", "config|rewrite", "config|set", "debug", "failover", "flushall", "latency|reset", "memory|purge", "migrate",
	"module|load", "module|loadex", "module|unload", "pfdebug", "pfselftest", "replicaof", "restore-asking", "save", "shutdown", "slaveof",
	"slowlog|reset",
}

// groups are the categories of Redis' access lists that a configuration may name, without the "@". Their members are those of Redis;
// containers stand for all of their subcommands.
var groups = map[string]func(c *Command) bool{
	"admin": among(`acl|deluser acl|dryrun acl|getuser acl|list acl|load acl|log acl|save acl|setuser acl|users bgrewriteaof bgsave
		client|kill client|list client|no-evict client|pause client|unblock client|unpause cluster|addslots cluster|addslotsrange
		cluster|bumpepoch cluster|count-failure-reports cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots
		cluster|forget cluster|meet cluster|replicas cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch
		cluster|setslot cluster|slaves config|get config|resetstat config|rewrite config|set debug failover latency|doctor latency|graph
		latency|histogram latency|history latency|latest latency|reset module monitor pfdebug pfselftest psync replconf replicaof save
		shutdown slaveof slowlog|get slowlog|len slowlog|reset sync`),
	"dangerous": among(`acl bgrewriteaof bgsave client|kill client|list client|no-evict client|pause client|unblock client|unpause
		cluster config|get config|resetstat config|rewrite config|set debug failover flushall flushdb info keys lastsave latency migrate
		module monitor pfdebug pfselftest psync replconf replicaof restore restore-asking role save shutdown slaveof slowlog sort sort_ro
		swapdb sync`),
	"blocking":    among("blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait waitaof xread xreadgroup"),
	"pubsub":      among("psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe unsubscribe"),
	"transaction": among("discard exec multi unwatch watch"),
	"scripting":   func(c *Command) bool { return c.Group == "Scripts and functions" },
	"write":       func(c *Command) bool { return c.Write },
}

func among(names string) func(c *Command) bool {
	list := strings.Fields(names)
	return func(c *Command) bool { return slices.Contains(list, c.Name) }
}

// cannotDeny is what a client needs to be told anything, and to leave.
var cannotDeny = []string{"auth", "hello", "quit", "reset"}

// CannotDeny reports whether a name is that of a command that every client needs.
func CannotDeny(name string) bool { return slices.Contains(cannotDeny, strings.ToLower(name)) }

// DenyNames returns the groups that Denied knows, as they are written, in order.
func DenyNames() []string {
	names := []string{DenyDefault}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		names = append(names, "@"+name)
	}
	return names
}

// DeniedByDefault returns what DenyDefault stands for.
func DeniedByDefault() []string { return slices.Clone(deniedByDefault) }

// Denied returns the rows that a name in a configuration stands for: a command ("flushall", with all of its subcommands), a
// subcommand ("config|set"), a group ("@admin") or DenyDefault. Capitals do not matter. There are none if nothing has that name, or if
// it is what cannot be denied.
func Denied(name string) (rows []*Command) {
	name = strings.ToLower(name)
	group, isGroup := strings.CutPrefix(name, "@")
	switch {
	case isGroup && groups[group] != nil:
		return rowsOf(groups[group])
	case isGroup, CannotDeny(name):
		return nil
	case name == DenyDefault:
		return rowsOf(func(c *Command) bool { return slices.Contains(deniedByDefault, c.Name) })
	}
	return rowsOf(func(c *Command) bool { return c.Name == name && c.Local != LocalHangUp })
}

// rowsOf returns the rows for which is says so, and the subcommands of those.
func rowsOf(is func(c *Command) bool) (rows []*Command) {
	for _, c := range Commands() {
		whole := is(c)
		if whole {
			rows = append(rows, c)
		}
		for i := range c.Subs {
			if sub := &c.Subs[i]; whole || is(sub) {
				rows = append(rows, sub)
			}
		}
	}
	return rows
}
