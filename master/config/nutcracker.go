// What will be different for a file with which nutcracker 0.5.0 has run: only what this file brings about, each with its place.

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// difference is one thing that Pinion does otherwise than nutcracker, where a pool brings it about.
type difference struct {
	keys    []string // whose place is told, the first that is given; or else that of the name of the pool
	applies func(p *Pool) bool
	message string
	hint    string // what to do, if something should be done
}

func several(p *Pool) bool      { return len(p.Servers) > 1 }
func redis(p *Pool) bool        { return p.Protocol == link.Redis }
func severalRedis(p *Pool) bool { return several(p) && redis(p) }

// byPath reports whether a pool has servers at unix paths.
func byPath(p *Pool) bool {
	return slices.ContainsFunc(p.Servers, func(s link.Server) bool { return s.Network == "unix" })
}

// selectsBehindAuth reports whether nutcracker sent SELECT before AUTH, which the server refused, and went on in database 0.
func selectsBehindAuth(p *Pool) bool { return p.DB > 0 && p.Password != "" && redis(p) }

// differences are in the order of their weight: what changes which data is seen, what clients are told, and what servers see.
var differences = [...]difference{
	{[]string{"redis_db"}, selectsBehindAuth,
		"with redis_auth, nutcracker worked in database 0 for all redis_db, as its SELECT came before AUTH; Pinion works in that of redis_db",
		"if the data is to be found where it is, remove redis_db"},
	{[]string{"redis_db"}, func(p *Pool) bool { return p.DB > 0 && p.Password == "" && byPath(p) },
		"nutcracker worked in database 0 of servers at unix paths, as it sent them no SELECT; Pinion works in that of redis_db",
		"if the data is to be found where it is, remove redis_db"},
	{[]string{"cross_shard"}, func(p *Pool) bool { return severalRedis(p) && p.CrossShard == link.CrossShardRefuse },
		"commands whose keys live on several servers (SINTER, SUNIONSTORE, RPOPLPUSH, PFMERGE, EVAL, …) were answered by the server of the first key alone, and are refused with -CROSSSHARD; " +
			"EXISTS of several keys counts all of them",
		"give keys that belong together a hash_tag, or set cross_shard: first_key to have the old results"},
	{[]string{"client_connections"}, func(p *Pool) bool { return p.ClientConnections > 0 },
		"nutcracker never enforced client_connections; Pinion closes whoever comes beyond",
		"see that it is more than there are clients at the worst time"},
	{[]string{"auto_eject_hosts"}, func(p *Pool) bool { return p.AutoEjectHosts },
		"an ejected server got requests again after server_retry_timeout, good or not; it is probed first, and comes back for all workers at once; -LOADING, -MASTERDOWN and -READONLY count as failures, too", ""},
	{[]string{"timeout"}, func(p *Pool) bool { return p.Timeout > 0 },
		"a request that timed out failed all others on its server connection; it fails alone, and the connection is closed when the server has owed a reply for two timeouts", ""},
	{[]string{"timeout"}, func(p *Pool) bool { return p.Timeout == 0 && redis(p) && (p.Password != "" || p.DB > 0) },
		"without a timeout, nutcracker waited for ever for all of a server's replies; Pinion gives AUTH and SELECT 10 s", ""},
	{[]string{"redis"}, redis,
		"an unknown or malformed command closed the connection without a word, and gets an error; what nutcracker did not know (MULTI, BLPOP, SUBSCRIBE, SCAN, …) works", ""},
	{[]string{"redis"}, redis,
		"-OOM, -BUSY and -LOADING of a server failed everyone who waited for it, as -ERR Invalid argument; they answer the request that they belong to", ""},
	{[]string{"redis"}, func(p *Pool) bool { return !redis(p) },
		"an unknown or malformed command closed the connection without a word, and gets ERROR or CLIENT_ERROR; the meta commands, gat and the binary protocol work", ""},
	{[]string{"listen"}, (*Pool).speaksTLS,
		"nutcracker knows no TLS", wayBack},
	{[]string{"listen"}, func(p *Pool) bool { return len(p.Further) > 0 },
		"nutcracker takes one address for a pool", wayBack},
	{[]string{"listen"}, func(p *Pool) bool {
		return slices.ContainsFunc(p.Listens(), func(l Listen) bool { return l.Network == "unix" })
	},
		"nutcracker removed whatever was at the path of listen; Pinion removes a socket where nobody listens, and nothing else", ""},
	{[]string{"preconnect"}, func(p *Pool) bool { return p.Preconnect },
		"one connection to each server is opened at the start, by each worker, and the others as fast as the server accepts them", ""},
}

// nutcrackerKeys are all that nutcracker knows of a pool; reuseport came after 0.5.0.
var nutcrackerKeys = []string{
	"listen", "hash", "hash_tag", "distribution", "timeout", "backlog", "client_connections", "redis", "tcpkeepalive", "redis_auth", "redis_db",
	"preconnect", "auto_eject_hosts", "server_connections", "server_retry_timeout", "server_failure_limit", "servers",
}

// FromNutcracker returns what will be different for this file, in its order, with so many workers. The problems have Differs set.
func (c *Config) FromNutcracker(workers int) (all Problems) {
	for i := range c.Pools {
		p := &c.Pools[i]
		for _, d := range differences {
			if d.applies(p) {
				all = append(all, c.differs(p, p.where(d.keys...), d.message, d.hint))
			}
		}
		all = append(all, c.differs(p, p.where("server_connections"), connectionsMessage(p, workers), ""))
		all = append(all, c.newKeys(p)...)
	}
	for _, at := range c.Global.given {
		all = append(all, Problem{File: c.File, Line: at.line, Column: at.column, Differs: true,
			Message: "nutcracker knows no process-wide options", Hint: wayBack})
	}
	slices.SortStableFunc(all, byPlace)
	return likewise(all)
}

// likewise says once what is the same for several pools, at the place of the first.
func likewise(all Problems) (short Problems) {
	others := map[string][]string{}
	for _, p := range all {
		if _, said := others[p.Message]; said && p.Pool != "" {
			others[p.Message] = append(others[p.Message], p.Pool)
			continue
		}
		others[p.Message] = nil
		short = append(short, p)
	}
	for i := range short {
		if pools := others[short[i].Message]; len(pools) > 0 {
			short[i].Hint = strings.TrimPrefix(short[i].Hint+"; likewise "+strings.Join(pools, ", "), "; ")
		}
	}
	return short
}

func (c *Config) differs(p *Pool, at place, message, hint string) Problem {
	return Problem{File: c.File, Line: at.line, Column: at.column, Pool: p.Name, Message: message, Hint: hint, Differs: true}
}

// connectionsMessage says how many connections a server gets.
func connectionsMessage(p *Pool, workers int) string {
	text := fmt.Sprintf("nutcracker opened %d to each server; Pinion opens %d, as it has %s, twice as many during a reload, and further ones for clients that block, subscribe or watch",
		p.ServerConnections, workers*p.ServerConnections, plural(workers, "worker"))
	if p.ServerConnections > 1 {
		text += "; of one client's requests the order is kept"
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

const wayBack = "keep a file without it for the way back"

// newKeys tells of options that nutcracker refuses.
func (c *Config) newKeys(p *Pool) (all Problems) {
	for key, at := range p.given {
		if !slices.Contains(nutcrackerKeys, key) {
			all = append(all, c.differs(p, at, fmt.Sprintf("nutcracker does not know %s", key), wayBack))
		}
	}
	return all
}
