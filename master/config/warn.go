// What works but hurts: configurations that start, run, and surprise their operator later.

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Half of the connections that a server takes by default leaves the other half to clients that do not use the proxy:
// Redis' maxclients is 10000, memcached's -c is 1024.
var comfortableConnections = map[link.Protocol]int{link.Redis: 10000 / 2, link.Memcache: 1024 / 2}

// maxKetamaName is the longest name of a server that leaves room for "-" and the number of a point, of up to five
// digits, in the 272 bytes that twemproxy hashes (ketama_update in nc_ketama.c).
const maxKetamaName = 272 - 6

// namesOfStatistics are the top-level names of the statistics beside those of the pools.
var namesOfStatistics = map[string]bool{
	"service": true, "source": true, "version": true, "uptime": true, "timestamp": true,
	"total_connections": true, "curr_connections": true,
}

// Warnings returns what works but hurts, in the order of the file, for a start on that machine.
func (c *Config) Warnings(m Machine) Problems {
	w := &warner{file: c.File, machine: m, problems: append(Problems(nil), c.noted...)}
	w.secondsOfAll(&c.Global)
	w.listen("", &c.Global.HTTP, "http", c.Global.given["http"])
	for i := range c.Pools {
		p := &c.Pools[i]
		w.placement(p)
		w.failures(p)
		w.growth(p)
		w.zones(p)
		w.connections(p, m.Workers)
		w.memory(p, c.Global.MemoryLimit)
		w.times(p, &c.Global)
		for _, l := range p.Listens() {
			w.listen(p.Name, &l, "listen", p.where("listen"))
		}
		w.names(p)
		w.deny(p)
	}
	w.patience(&c.Global)
	w.http(&c.Global)
	w.sharedServers(c.Pools)
	w.flushes(c.Pools)
	w.circles(c.Pools)
	w.problems = append(w.problems, c.DescriptorWarnings(m.Workers, m.Descriptors)...)
	_, warnings := w.problems.split()
	return warnings
}

type warner struct {
	file     string
	machine  Machine
	problems Problems
}

func (w *warner) warn(p *Pool, at place, message, hint string) { w.add(p.Name, at, message, hint) }

// add is warn for what may be outside of pools.
func (w *warner) add(pool string, at place, message, hint string) {
	w.problems = append(w.problems, Problem{
		File: w.file, Line: at.line, Column: at.column, Pool: pool, Message: message, Hint: hint, Warning: true})
}

// where returns the place of the first of the keys that the pool sets, or else of its name.
func (p *Pool) where(keys ...string) place {
	for _, key := range keys {
		if at, ok := p.given[key]; ok {
			return at
		}
	}
	return p.at
}

func (w *warner) placement(p *Pool) {
	if len(p.Servers) == 1 || p.IsCluster() {
		return
	}
	if p.Hash == "crc32" && p.Distribution == shard.Ketama.String() {
		w.warn(p, p.where("hash"), "crc32 with ketama puts every key on one server, as its values end at 32767",
			"use crc32a or fnv1a_64, or the distribution modula; each moves the keys")
	}
	if p.Distribution == shard.Random.String() {
		w.warn(p, p.where("distribution"), "random looks for a key on another server than it was written to",
			"use ketama, unless all servers hold the same data")
	}
}

func (w *warner) failures(p *Pool) {
	by := "auto_eject_hosts"
	if _, given := p.given["on_failure"]; given {
		by = "on_failure: remap"
	}
	switch single := len(p.Servers) == 1; {
	case p.Remaps() && single:
		w.warn(p, p.where("auto_eject_hosts", "on_failure"), "ejecting the only server fails every request until it is back",
			"leave out "+by+", or add servers")
	case p.Remaps() && p.Discovers():
		w.warn(p, p.where("auto_eject_hosts", "on_failure"), "the keys of a master that fails over move to the others meanwhile, where they are not found",
			"leave out "+by)
	case p.Ejects() && p.Timeout == 0 && p.ProbeInterval > 0:
	case p.Ejects() && p.Timeout == 0:
		w.warn(p, p.where("on_failure", "auto_eject_hosts"), "a server that hangs is never ejected, as there is no timeout",
			"add timeout, such as 400")
	case p.Timeout == 0:
		w.warn(p, p.where("timeout"), "a server that hangs makes its clients wait for ever, as there is no timeout",
			"add timeout, such as 400")
	}
}

// growth finds a longest pause between probes that says nothing.
func (w *warner) growth(p *Pool) {
	if _, given := p.given["server_retry_max"]; !given || p.ServerRetryMax == 0 {
		return
	}
	switch {
	case !p.Ejects():
		w.warn(p, p.where("server_retry_max"), "server_retry_max says nothing, as no server is ever ejected", "add on_failure: remap or on_failure: fail_fast, or remove it")
	case p.ServerRetryMax < p.ServerRetryTimeout:
		w.warn(p, p.where("server_retry_max"), "server_retry_max is less than server_retry_timeout, so pauses do not grow", "raise it, or remove it")
	}
}

// zones finds a pool that asks for zones where no server says its own.
func (w *warner) zones(p *Pool) {
	if p.ReadFrom != link.ReadFromNearest || p.Discovers() || p.IsCluster() {
		return
	}
	if !slices.ContainsFunc(p.Servers, func(s link.Server) bool {
		return s.Zone != "" || slices.ContainsFunc(s.Replicas, func(r link.ReplicaAddress) bool { return r.Zone != "" })
	}) {
		w.warn(p, p.where("read_from"), "read_from is nearest, and no server or replica says in which zone it is", `add "zone:" to them, or use prefer_replica`)
	}
}

func (w *warner) connections(p *Pool, workers int) {
	total, comfortable := workers*p.ServerConnections, comfortableConnections[p.Protocol]
	if total > comfortable {
		w.warn(p, p.where("server_connections"),
			fmt.Sprintf("%d workers × %d server_connections are %d connections to each server",
				workers, p.ServerConnections, total),
			fmt.Sprintf("a %s server takes %d by default: lower server_connections, or raise its limit",
				p.Protocol, 2*comfortable))
	}
}

// memory compares with a limit that the file gives; what auto comes to depends on the machine.
func (w *warner) memory(p *Pool, limit int64) {
	if limit == 0 || limit == AutoMemory {
		return
	}
	for _, may := range []struct {
		key   string
		bytes int64
	}{{"max_request_bytes", p.MaxRequestBytes}, {"client_output_hard", p.ClientOutputHard}} {
		if may.bytes > limit {
			w.warn(p, p.where(may.key),
				fmt.Sprintf("%s of %s lets one client take all of the memory_limit of %s",
					may.key, formatSize(may.bytes), formatSize(limit)),
				fmt.Sprintf("lower %s, or raise memory_limit", may.key))
		}
	}
	const unit = 1 << 20
	enough := ((p.MaxRequestBytes+2)/3*4 + unit - 1) / unit * unit
	if most := limit - limit/4; p.MaxRequestBytes > most && p.MaxRequestBytes <= limit {
		w.warn(p, p.where("max_request_bytes"),
			fmt.Sprintf("no request of more than %s is read, for all max_request_bytes of %s: three quarters of memory_limit",
				formatSize(most), formatSize(p.MaxRequestBytes)),
			fmt.Sprintf("raise memory_limit to %s or more, or lower max_request_bytes", formatSize(enough)))
	}
}

func (w *warner) names(p *Pool) {
	if namesOfStatistics[p.Name] {
		w.warn(p, p.at, "the name is also that of a number in the statistics", "choose another")
	}
	for i, s := range p.Configured() {
		if slices.ContainsFunc(link.PoolStatistics, func(c link.CounterInfo) bool { return c.Name == s.Name }) {
			w.warn(p, p.placed[i], fmt.Sprintf("server %q has the name of a number in the statistics of its pool", s.Name), "choose another; with ketama its keys move")
		}
		if len(s.Name) > maxKetamaName && !p.IsCluster() && p.Distribution == shard.Ketama.String() {
			w.warn(p, p.placed[i], fmt.Sprintf("server name of %d bytes is cut in placement", len(s.Name)),
				fmt.Sprintf("keep names to %d bytes", maxKetamaName))
		}
		if s.Network == "unix" && len(s.Address) > maxSocketPathSize {
			w.warn(p, p.placed[i], fmt.Sprintf("server path of %d bytes can never be reached", len(s.Address)),
				fmt.Sprintf("a socket's path has at most %d bytes", maxSocketPathSize))
		}
	}
}

// sharedServers finds servers whose data is reached in two ways: twice in one pool, where the server gets twice the keys,
// or from two pools, whose keys mix. Databases of one Redis do not mix.
func (w *warner) sharedServers(pools []Pool) {
	type data struct {
		address string
		db      int
	}
	type use struct {
		pool *Pool
		at   place
	}
	uses := map[data]use{}
	for i := range pools {
		p := &pools[i]
		for j, s := range p.Configured() {
			home := data{address: p.home(&s)}
			if p.Protocol == link.Redis {
				home.db = p.DB
			}
			first, again := uses[home]
			switch {
			case !again:
				uses[home] = use{p, p.placed[j]}
			case first.pool == p:
				w.warn(p, p.placed[j],
					fmt.Sprintf("server %q is in the pool twice, first in line %d", s.Address, first.at.line),
					"give it a higher weight instead, unless the names stand for servers to come")
			default:
				w.warn(p, p.placed[j],
					fmt.Sprintf("server %q is also in pool %q, line %d", s.Address, first.pool.Name, first.at.line),
					"pools that share a server also share its keys")
			}
		}
	}
}

// deny finds a list that was to add to what is denied by default, and has replaced it.
func (w *warner) deny(p *Pool) {
	if p.Protocol != link.Redis || len(p.Deny) == 0 {
		return
	}
	allowed := slices.DeleteFunc(resp.DeniedByDefault(), p.denies)
	if len(allowed) == 0 {
		return
	}
	best := []string{"flushall", "shutdown", "config|set"} // those that operators know best come first
	slices.SortStableFunc(allowed, func(a, b string) int {
		return cmp.Compare(uint(slices.Index(best, a)), uint(slices.Index(best, b))) // -1 becomes the largest of all
	})
	names := strings.ToUpper(strings.ReplaceAll(strings.Join(allowed[:min(len(allowed), len(best))], ", "), "|", " "))
	if rest := len(allowed) - len(best); rest > 0 {
		names += fmt.Sprintf(" and %d more", rest)
	}
	w.warn(p, p.where("deny"), "without default in its list, these are not denied: "+names, "add default to the list")
}

// flushes finds pools whose clients may empty all databases of a server that another pool has a database of.
func (w *warner) flushes(pools []Pool) {
	for i := range pools {
		p := &pools[i]
		if p.Protocol != link.Redis || p.denies("flushall") {
			continue
		}
		for j := range pools {
			if other := &pools[j]; other.DB != p.DB && other.Protocol == link.Redis && other.shares(p) {
				w.warn(p, p.where("deny"), fmt.Sprintf("FLUSHALL of its clients empties the database of pool %q, too", other.Name),
					"deny flushall; FLUSHDB empties the pool's own")
			}
		}
	}
}

// denies reports whether the clients of the pool may not use the command.
func (p *Pool) denies(command string) bool {
	return slices.ContainsFunc(p.Deny, func(name string) bool {
		return slices.ContainsFunc(resp.Denied(name), func(c *resp.Command) bool { return c.Name == command })
	})
}

// shares reports whether the two pools have a server in common.
func (p *Pool) shares(other *Pool) bool {
	return slices.ContainsFunc(p.Configured(), func(s link.Server) bool {
		return slices.ContainsFunc(other.Configured(), func(o link.Server) bool { return other.home(&o) == p.home(&s) })
	})
}

// DescriptorWarnings returns what so many workers have too few descriptors for, if each may have so many, with a listener
// for each address; 0: that is unknown.
func (c *Config) DescriptorWarnings(workers, descriptors int) Problems {
	if descriptors == 0 {
		return nil
	}
	var pools []link.Pool
	listeners := 0
	for i := range c.Pools {
		pools = append(pools, c.Pools[i].Pool)
		listeners += len(c.Pools[i].Listens())
	}
	w := &warner{file: c.File}
	d := link.Divide(descriptors, listeners, pools)
	if message, hint := d.Shortage(); message != "" {
		w.problems = append(w.problems, Problem{File: w.file, Message: message, Hint: hint, Warning: true})
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		if p.ClientConnections <= workers*d.Clients {
			continue
		}
		w.warn(p, p.where("client_connections"),
			fmt.Sprintf("client_connections is %d, but %d workers with %d descriptors each take about %d clients",
				p.ClientConnections, workers, descriptors, workers*d.Clients),
			fmt.Sprintf("raise LimitNOFILE= (ulimit -n) to %d or more, or lower client_connections",
				enoughFor((p.ClientConnections+workers-1)/workers, descriptors, listeners, pools)))
	}
	return w.problems
}

// enoughFor returns how many descriptors, from so many on, leave a worker of these pools as many for clients.
func enoughFor(clients, descriptors, listeners int, pools []link.Pool) int {
	for {
		missing := clients - link.Divide(descriptors, listeners, pools).Clients
		if missing <= 0 {
			return descriptors
		}
		descriptors += missing
	}
}
