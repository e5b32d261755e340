// Pools of a Redis Cluster: the nodes to ask first, and the keys that say nothing there, since the cluster decides.

package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// isOfCluster tells whether the section says that its pool is of a Redis Cluster, be it in a wrong word.
func (s *section) isOfCluster() bool {
	return slices.ContainsFunc(s.settings, func(set setting) bool {
		return set.key.text == "cluster" && len(set.values) == 1 && set.values[0].text != "false"
	})
}

// setCluster reads a value that isOfCluster has looked at before.
func setCluster(d *draft, _ *Key, w word) *flaw { return parseBool(w.text, new(bool)) }

func getCluster(d *draft) []string { return []string{strconv.FormatBool(d.pool.IsCluster())} }

// parseSeed reads "host:port".
func parseSeed(text string) (link.Server, *flaw) {
	s := link.Server{Network: link.ClusterNode}
	const form = "write host:port"
	if strings.HasPrefix(text, "/") {
		return s, &flaw{message: "is a path, and nodes of a cluster are at host:port", hint: form}
	}
	if server, f := parseServer(text); f == nil {
		return s, &flaw{message: "has a weight or a name, and the cluster decides what a node gets", hint: fmt.Sprintf("write %q", server.Address)}
	}
	host, port, ok := cutLast(text, ':')
	if !ok {
		return s, &flaw{message: "has no port", hint: form}
	}
	if _, f := parsePort(port); f != nil {
		return s, f
	}
	if host == "" || hasStrayColon(host) || strings.Contains(text, " ") {
		return s, &flaw{message: "is no address", hint: form + ", with an IPv6 address in brackets"}
	}
	s.Address = net.JoinHostPort(withoutBrackets(host), port)
	s.Name = s.Address
	return s, nil
}

// beCluster has the servers of the pool, which are seeds, be places.
func (p *Pool) beCluster() {
	for _, s := range p.Servers {
		p.Seeds = append(p.Seeds, s.Address)
	}
	p.Servers = link.Places()
}

// seeds returns the nodes that are asked first as servers.
func (p *Pool) seeds() (all []link.Server) {
	for _, address := range p.Seeds {
		all = append(all, link.Server{Name: address, Network: link.ClusterNode, Address: address, Weight: 1})
	}
	return all
}

// Configured returns the servers that the file names: in a pool of a cluster the seeds. placed is parallel to it.
func (p *Pool) Configured() []link.Server {
	if p.IsCluster() {
		return p.seeds()
	}
	return p.Servers
}

// ServersConfigured returns how many servers the file names for the pool: in a pool of a cluster they are seeds.
func (p *Pool) ServersConfigured() int { return len(p.Configured()) }

// inCluster has the keys that mean something else in a pool of a cluster than elsewhere, or nothing: why, and what to do.
var inCluster = map[string]flaw{
	"hash":         {message: "a cluster has its own hash function", hint: "remove hash"},
	"hash_tag":     {message: "a cluster has its own hash tag", hint: "remove hash_tag: what is between { and } counts, as in every cluster"},
	"distribution": {message: "a cluster itself divides the keys, by slots", hint: "remove distribution"},
	"cross_shard":  {message: "a cluster itself says what may be done with keys of several slots", hint: "remove cross_shard"},
	"redis_db":     {message: "a cluster has the database 0 only", hint: "remove redis_db"},
	"databases":    {message: "a cluster has the database 0 only", hint: "remove databases"},
	"auto_eject_hosts": {message: "the keys of a node live nowhere else, and its replica takes its place",
		hint: "remove auto_eject_hosts"},
	"on_failure": {message: "the keys of a node live nowhere else, and its replica takes its place",
		hint: "remove on_failure; failover_wait says for how long requests wait for the replica"},
	"probe_interval":      {message: "the nodes of a cluster ask each other", hint: "remove probe_interval"},
	"eject_latency":       {message: "the keys of a node live nowhere else, and its replica takes its place", hint: "remove eject_latency"},
	"eject_latency_floor": {message: "no node is ejected for its latency", hint: "remove eject_latency_floor"},
	"slow_start":          {message: "the keys of a node live nowhere else meanwhile", hint: "remove slow_start"},
	"sentinels":           {message: "the nodes of a cluster themselves say who is master", hint: "remove sentinels, or cluster: true"},
	"sentinel_user":       {message: "no sentinel is asked about a cluster", hint: "remove sentinel_user"},
	"sentinel_password":   {message: "no sentinel is asked about a cluster", hint: "remove sentinel_password"},
}

// checkCluster finds what a pool of a cluster has no use for. What says what is so anyway may stay.
func (r *reader) checkCluster(d *draft) {
	if !d.cluster {
		return
	}
	if d.pool.Protocol != link.Redis && !slices.Contains(d.wrong, "redis") {
		r.report(d.given["cluster"], d.pool.Name, flaw{message: "cluster is for redis only", hint: r.either(`add "redis: true"`, `use "protocol redis"`)})
	}
	for i := range keys {
		k := &keys[i]
		f, refused := inCluster[k.Name]
		at, given := d.given[k.Name]
		if !refused || !given || slices.Contains(d.wrong, k.Name) || d.hasDefault(k) && isHarmlessInCluster[k.Name] {
			continue
		}
		f.message = k.Name + " and cluster: true do not go together: " + f.message
		r.report(at, d.pool.Name, f)
	}
}

// isHarmlessInCluster has the keys of inCluster whose default is true of a cluster.
var isHarmlessInCluster = map[string]bool{"redis_db": true, "databases": true, "auto_eject_hosts": true, "probe_interval": true, "eject_latency": true, "slow_start": true, "eject_latency_floor": true}
