// Every command of a real server, asked of it and of pools in front of others like it.

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// documented are the ends of the errors with which a pool refuses what a server would do.
var documented = []string{
	"is not supported by pinion\r\n", "is not supported by pinion in a pool of several servers\r\n", "on any server\r\n",
}

// differing are what a pool says first: it looks for the keys before a server looks for the script.
var differing = map[string]string{"evalsha": tooManyKeys, "evalsha_ro": tooManyKeys, "fcall": tooManyKeys, "fcall_ro": tooManyKeys}

const tooManyKeys = "-ERR Number of keys can't be greater than number of args\r\n"

// harmful are the commands that are asked with wrong arguments only, and not carried out: they end, stop or bind a server or
// the connection, depend on the clock, or say something else each time.
var harmful = strings.Fields(`
	shutdown debug replicaof slaveof failover migrate monitor sync psync replconf save bgsave bgrewriteaof restore-asking
	subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe client|reply client|tracking client|pause client|kill quit reset
	blpop brpop blmove brpoplpush blmpop bzpopmin bzpopmax bzmpop wait waitaof xread xreadgroup multi exec discard watch unwatch
	auth hello select swapdb move flushall flushdb acl|deluser acl|setuser acl|save acl|load
	info time lolwut randomkey lastsave command command|docs command|list command|info command|count acl|genpass acl|log acl|list acl|getuser
	client|list client|info client|id client|caching
	slowlog|get slowlog|len slowlog|reset latency|histogram latency|reset memory|doctor memory|malloc-stats memory|stats memory|purge memory|usage
	config|get config|set config|rewrite config|resetstat module|load module|loadex module|unload function|dump script|debug pfselftest pfdebug object|freq object|idletime dump
	srandmember spop hrandfield zrandmember scan latency|doctor
	expire pexpire expireat pexpireat setex psetex ttl pttl expiretime pexpiretime getex touch
`)

// asked is a command of a server with the fewest arguments that it takes.
type asked struct {
	name  string // with "|" before the subcommand
	words []string
	exact bool // it takes no more
}

// everyCommand returns what COMMAND lists, subcommands included. Arguments are all the same, which is the name of a key and a number.
func everyCommand(t *testing.T, c *rig.Client) (all []asked) {
	t.Helper()
	var add func(row string)
	add = func(row string) {
		columns := rig.Elements(t, row)
		name := rig.Text(t, columns[0])
		arity := rig.Atoi(strings.TrimSpace(columns[1][1:]))
		words := strings.Split(name, "|")
		for len(words) < max(arity, -arity) {
			words = append(words, "1")
		}
		all = append(all, asked{name, words, arity > 0})
		for _, sub := range rig.Elements(t, columns[9]) {
			add(sub)
		}
	}
	for _, row := range rig.Elements(t, c.Do("COMMAND")) {
		add(row)
	}
	slices.SortFunc(all, func(a, b asked) int { return strings.Compare(a.name, b.name) })
	return all
}

// variants returns the ways to ask: too few arguments, the fewest, and too many.
func (a *asked) variants() (all [][]string) {
	own := strings.Count(a.name, "|") + 1
	if len(a.words) > own {
		all = append(all, a.words[:own])
	}
	if a.exact {
		all = append(all, append(slices.Clone(a.words), "1"))
	}
	if !slices.Contains(harmful, a.name) {
		all = append(all, a.words)
	}
	return all
}

func isDocumented(reply string) bool {
	return slices.ContainsFunc(documented, func(end string) bool { return strings.HasSuffix(reply, end) })
}

// Nothing is silently something else: a pool says what a server says, or refuses in words that the documentation has.
func TestE2EEveryCommand(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{1, 3} {
		for _, protocol := range []string{"2", "3"} {
			t.Run(fmt.Sprintf("RESP%s, servers: %d", protocol, servers), func(t *testing.T) {
				t.Parallel()
				alone := rig.RedisServer(t)
				pool := rig.RedisPool(t, rig.Several(servers, func() *rig.Backend { return rig.RedisServer(t) }), "hash: murmur", "deny: none")
				list := everyCommand(t, alone.Dial())
				straight, c := alone.Dial(), pool.Dial()
				straight.Do("HELLO", protocol)
				c.Do("HELLO", protocol)
				refused := 0
				for i := range list {
					for _, words := range list[i].variants() {
						want, got := straight.Do(words...), c.Do(words...)
						switch {
						case got == want, strings.HasPrefix(got, differing[list[i].name]) && differing[list[i].name] != "":
						case isDocumented(got):
							refused++
							c.Conn.Close() // some refusals end the connection
							c = pool.Dial()
							c.Do("HELLO", protocol)
						default:
							t.Errorf("%s: got %.300q, a server says %.300q", words, got, want)
						}
					}
				}
				t.Logf("%d commands, %d are refused", len(list), refused)
			})
		}
	}
}
