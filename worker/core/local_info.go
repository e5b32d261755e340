// INFO and ROLE. INFO is that of the pool's servers as one, with what the proxy says of itself, over all workers.

package core

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// info answers INFO. Servers that do not answer are left out, as long as one does.
func (c *client) info(cmd *resp.Command, b []byte, args []resp.Span, _ int) {
	p := c.pool
	own := p.ownInfo(b, args[1:], c.from.at.Port())
	if len(args) > 1 && asksOnlyFor(b, args[1:], resp.InfoPinion) {
		out := resp.MergeInfo(nil, nil, own)
		c.respondScratch(c.version().AppendVerbatim(p.l.scratch[:0], out))
		return
	}
	f := p.redisFanout(cmd)
	answers := &f.protocol.(*redisFanout).answers
	answers.Ask(cmd, b, args, nil)
	answers.Version = c.version()
	answers.Own = own
	for i := range p.placement.all {
		at := p.placement.index(i)
		if at < 0 { // it is ejected, and its keys stay there
			at = i
		}
		s := p.servers[at]
		if s.liveness().Alive() || !slices.Contains(p.placement.live, true) {
			answers.Servers = append(answers.Servers, s.spec.Name)
			p.fanouts.assign(f, i)
		}
	}
	c.sendWhole(cmd, f, b, len(b))
}

// asksOnlyFor tells whether each of the names is that of one section.
func asksOnlyFor(b []byte, names []resp.Span, section string) bool {
	for _, name := range names {
		if !strings.EqualFold(string(name.Of(b)), section) {
			return false
		}
	}
	return true
}

// ownInfo returns what the proxy says of itself, and of the pool, in those sections that the names ask for. A client sees its pool's
// servers only.
func (p *pool) ownInfo(b []byte, names []resp.Span, port uint16) (own []resp.InfoField) {
	l := p.l
	section := ""
	add := func(name string, value any) {
		own = append(own, resp.InfoField{Section: section, Name: name, Value: fmt.Sprint(value)})
	}
	wants := func(name string) bool {
		section = name
		return resp.InfoWants(b, names, name, true)
	}
	if wants("Server") {
		add("redis_mode", "standalone")
		add("process_id", os.Getpid())
		add("tcp_port", port)
		if l.spec.StartedAt > 0 {
			up := max(time.Now().Unix()-l.spec.StartedAt, 0)
			add("uptime_in_seconds", up)
			add("uptime_in_days", up/secondsPerDay)
		}
	}
	if wants("Clients") {
		add("connected_clients", l.shared.Clients(p.index))
		add("blocked_clients", l.shared.SumPool(p.index, link.BlockedClients))
		if p.spec.ClientConnections > 0 {
			add("maxclients", p.spec.ClientConnections)
		}
	}
	if wants("Replication") {
		add("role", "master")
	}
	if wants("Cluster") {
		add("cluster_enabled", 0)
	}
	if wants(resp.InfoPinion) {
		own = append(own, p.pinionInfo()...)
	}
	return own
}

// followedInfo returns what sentinels say of the server, or its cluster of the node; empty: it is where it is configured.
func (s *server) followedInfo() string {
	if s.pool.spec.IsCluster() {
		return s.nodeInfo()
	}
	if s.spec.Network != link.Sentinel {
		return ""
	}
	t := s.pool.l.spec.Topology.Pool(s.pool.name).Server(s.spec.Name)
	stale := 0
	if t.Stale {
		stale = 1
	}
	return fmt.Sprintf(",role=%s,master=%s,epoch=%d,moved_from=%s,said_at=%d,moved_at=%d,stale=%d",
		link.Primary, s.spec.Address, t.Epoch, t.MovedFrom, t.SaidAt, t.MovedAt, stale)
}

// nodeInfo returns what the cluster says of the node.
func (s *server) nodeInfo() string {
	t := s.pool.l.spec.Topology.Pool(s.pool.name).Server(link.PlaceName(s.index))
	if t == nil || len(t.Endpoints) == 0 {
		return ""
	}
	stale := 0
	if t.Stale {
		stale = 1
	}
	return fmt.Sprintf(",role=%s,node=%s,slots=%d,epoch=%d,moved_at=%d,stale=%d", t.Endpoints[0].Role, t.Node, t.SlotCount(), t.Epoch, t.MovedAt, stale)
}

// inOneLine replaces what would end a line, or do something to a terminal: names of pools and servers may have anything.
func inOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

const secondsPerDay = 24 * 60 * 60

// pinionInfo returns the fields of the proxy's own section.
func (p *pool) pinionInfo() (own []resp.InfoField) {
	l := p.l
	add := func(name string, value any) {
		own = append(own, resp.InfoField{Section: resp.InfoPinion, Name: name, Value: inOneLine(fmt.Sprint(value))})
	}
	add("pinion_version", l.spec.Build)
	if l.spec.ConfigHash != "" {
		add("config_hash", l.spec.ConfigHash)
	}
	add("worker_process_id", os.Getpid())
	add("worker", l.spec.Slot)
	add("workers", l.spec.Slots)
	add("generation", l.spec.Generation)
	for i, counter := range link.WorkerStatistics {
		add(counter.Name, l.shared.SumWorker(i))
	}
	add("pool", p.name)
	for i, counter := range link.PoolStatistics {
		add(counter.Name, l.shared.SumPool(p.index, i))
	}
	for i, s := range p.servers {
		if len(s.primary.conns) == 0 { // a place without a node
			continue
		}
		text := fmt.Sprintf("name=%s,address=%s,weight=%d,state=%s", s.spec.Name, s.primary.address, s.spec.Weight, s.liveness().State())
		text += s.followedInfo()
		for k, counter := range link.ServerCounters {
			text += fmt.Sprintf(",%s=%d", counter.Name, l.shared.SumServer(p.index, i, k))
		}
		add(fmt.Sprint("server", i), text)
		for k, text := range s.replicasInfo() {
			add(fmt.Sprintf("server%d_replica%d", i, k), text)
		}
	}
	return own
}

// role appends the reply to ROLE: to its clients the pool is a master without replicas.
func (c *client) role(out []byte) []byte {
	out = resp.AppendBulkString(resp.AppendArray(out, 3), "master")
	out = resp.AppendInt(out, 0)
	return resp.AppendArray(out, 0)
}
