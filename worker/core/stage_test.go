// What a transcript is set up with, and what it shows.

package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// addPool makes a pool of the options of its line, most of which have the names that a configuration file gives them.
func (s *stage) addPool(options []string) {
	var p *link.Pool
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if p == nil && name != "servers" {
			s.t.Fatal("the first option of a pool must be its servers")
		}
		switch name {
		case "servers": // names: those of servers that exist already are shared
			p = s.redisPool(strings.Split(value, ",")...)
		case "name":
			p.Name = value
		case "protocol":
			p.Protocol = link.Protocol(value)
		case "timeout":
			p.Timeout = s.duration(value)
		case "cluster": // the servers are its nodes, of which a topology says more
			p.Seeds, p.Servers, p.Hash, p.Distribution = []string{"seed:7000"}, link.Places(), "", ""
		case "replicas": // of the only server; name/zone
			for _, name := range strings.Split(value, ",") {
				name, zone, _ := strings.Cut(name, "/")
				r := s.addServer(name)
				p.Servers[0].Replicas = append(p.Servers[0].Replicas, link.ReplicaAddress{Network: "unix", Address: r.path, Zone: zone})
			}
		case "zone": // of the only server
			p.Servers[0].Zone = value
		case "read_from":
			p.ReadFrom = link.ReadFrom(value)
		case "read_your_writes":
			p.ReadYourWrites = s.duration(value)
		case "drain_ping":
			p.DrainPing = link.DrainPing(value)
		case "user":
			p.User = value
		case "failover_wait":
			p.FailoverWait = s.duration(value)
		case "password":
			p.Password = value
		case "server_user":
			p.ServerUser = value
		case "server_password":
			p.ServerPassword = value
		case "db":
			p.DB = s.number(value)
		case "databases":
			p.Databases = s.number(value)
		case "server_connections":
			p.ServerConnections = s.number(value)
		case "dedicated_connections":
			p.Dedicated = s.number(value)
		case "client_connections":
			p.ClientConnections = s.number(value)
		case "distribution":
			p.Distribution = value
		case "cross_shard":
			p.CrossShard = link.CrossShard(value)
		case "mget_errors":
			p.MGetErrors = link.MGetErrors(value)
		case "deny": // names with plus signs between
			p.Deny = strings.Split(value, "+")
		case "preconnect":
			p.Preconnect = true
		case "eject": // after this many failures
			p.AutoEjectHosts, p.ServerFailureLimit = p.OnFailure == "", s.number(value)
		case "on_failure":
			p.OnFailure = link.OnFailure(value)
		case "probe":
			p.ProbeInterval = s.duration(value)
		case "retry_max":
			p.ServerRetryMax = s.duration(value)
		case "slow_start":
			p.SlowStart = s.duration(value)
		case "retry":
			p.ServerRetryTimeout = s.duration(value)
		case "network": // of the only server: "sentinel" for one whose address no sentinel has told
			p.Servers[0].Network = value
		case "host": // of the only server, which is then no unix socket
			p.Servers[0].Network, p.Servers[0].Address = "tcp", value
		default:
			s.t.Fatalf("a pool has no %q", name)
		}
	}
}

// ejectSlow has the master eject a server of the first pool since it is slow.
func (s *stage) ejectSlow(name string, limit time.Duration) {
	p, shared := s.pools[0], s.workers[0].shared
	k := slices.IndexFunc(p.Servers, func(server link.Server) bool { return server.Name == name })
	word := shared.Liveness(0, k)
	next, ok := shard.Liveness(*word).Eject(s.now/int64(time.Millisecond), p.ServerRetryTimeout.Milliseconds())
	if !ok {
		s.t.Fatalf("%s is not live", name)
	}
	*word, *shared.SlowLimit(0, k), *shared.Ejection(0, k) = uint64(next), uint64(limit), uint64(link.NewEjection(link.TroubleSlow, 1))
	*shared.Epoch(0)++
	s.turn()
}

// grant has the judge let workers read from a replica for so long, or not at all.
func (s *stage) grant(name, text string) {
	server, _ := s.serverNamed(name)
	if s.pools[0].IsCluster() {
		s.lease(slices.Index(s.servers, server), 0, server, s.duration(text))
		return
	}
	for i := range s.pools {
		for k, of := range s.pools[i].Servers {
			for number, at := range of.Replicas {
				if server != nil && at.Address == server.path {
					lease := uint64(0)
					if d := s.duration(text); d > 0 {
						lease = link.NewLease(link.LeaseTag(at.Address), (s.now+int64(d))/int64(time.Millisecond))
					}
					s.workers[0].shared.SetReplica(i, k, number, lease, link.ReplicaFit, 0)
				}
			}
		}
	}
}

// target reads where a client connects to.
func (s *stage) target(options []string) (pool, slot int) {
	for _, option := range options {
		switch name, value, _ := strings.Cut(option, "="); name {
		case "pool":
			pool = s.number(value)
		case "worker":
			slot = s.number(value)
		default:
			s.t.Fatalf("a client does not connect with %q", option)
		}
	}
	return pool, slot
}

func (s *stage) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	s.must(err)
	return d
}

func (s *stage) number(text string) int {
	n, err := strconv.Atoi(text)
	s.must(err)
	return n
}

// observe shows what everyone got since the last line.
func (s *stage) observe() {
	for slot, m := range s.masters {
		s.showMessages(slot, m)
	}
	for _, server := range s.servers {
		for _, c := range server.conns {
			s.showPeer(c, s.protocolOf(server), true)
		}
	}
	for _, c := range s.clients {
		s.showPeer(c, s.speaks[c], false)
	}
}

func (s *stage) protocolOf(server *fakeServer) link.Protocol {
	for i := range s.pools {
		for _, candidate := range s.pools[i].Servers {
			if candidate.Address == server.path {
				return s.pools[i].Protocol
			}
		}
	}
	return link.Redis
}

func (s *stage) showPeer(p *peer, protocol link.Protocol, server bool) {
	for _, line := range showBytes(p.take(), protocol, server) {
		s.printf("%s gets %s", p.name, line)
	}
	if p.ended && !p.shown {
		p.shown = true
		s.printf("%s is closed", p.name)
	}
}

// showMessages shows what a worker said to its master.
func (s *stage) showMessages(slot int, m *peer) {
	who := ""
	if s.slots > 1 {
		who = fmt.Sprintf("worker %d ", slot)
	}
	for b := m.take(); len(b) > 0; {
		size := 16 + int(b[12]) + int(b[13])<<8
		message, err := link.ParseMessage(b[:size])
		s.must(err)
		b = b[size:]
		switch message.Kind {
		case link.Log:
			line := logevent.Parse(message.Body)
			s.printf("%slogs %d %s", who, line.Level, strings.ReplaceAll(line.Text, s.dir+"/", ""))
		case link.Drained:
			s.printf("%sis drained", who)
		default:
			s.printf("%ssays %d %q", who, message.Kind, message.Body)
		}
	}
	if m.ended && !m.shown {
		m.shown = true
		s.printf("%sexits", who)
	}
}

// showPlaces shows which server each key lives on.
func (s *stage) showPlaces(keys []string) {
	p := s.workers[0].pools[0]
	for _, key := range keys {
		server := "none"
		if at := p.placement.index(p.placement.one(readWord(s.t, key))); at >= 0 {
			server = p.servers[at].spec.Name
		}
		s.printf("%s on %s", key, s.short(server))
	}
}

// showCounters shows what is not zero, summed over the workers.
func (s *stage) showCounters() {
	shared := s.workers[0].shared
	line := func(name string, infos []link.CounterInfo, sum func(counter int) uint64) {
		for i, info := range infos {
			if v := sum(i); info.Kind == link.Timestamp && v > 0 {
				name += fmt.Sprintf(" %s=…", info.Name)
			} else if v > 0 {
				name += fmt.Sprintf(" %s=%d", info.Name, int64(v))
			}
		}
		s.printf("%s", name)
	}
	line("worker", link.WorkerStatistics, shared.SumWorker)
	for i, p := range s.workers[0].pools {
		line(p.name, link.PoolStatistics, func(k int) uint64 { return shared.SumPool(i, k) })
		for j, server := range p.servers {
			if len(server.primary.conns) == 0 { // a place without a node
				continue
			}
			line(s.short(server.spec.Name), link.ServerCounters[:], func(k int) uint64 { return shared.SumServer(i, j, k) })
		}
	}
}

// short returns a name without the directory of the rig.
func (s *stage) short(name string) string { return strings.ReplaceAll(name, s.dir+"/", "") }

// relocate has the master say which nodes the cluster has: "n1=0-8191,9000 n2=8192-8999" are masters, "n3=" is one without slots, and "n4<n1"
// a replica. A node is called n1:7000, too.
func (s *stage) relocate(nodes []string) {
	t := link.PoolTopology{Pool: s.pools[0].Name, Version: s.workers[0].spec.Topology.Pools[0].Version + 1}
	for _, text := range nodes {
		name, ranges, master := strings.Cut(text, "=")
		name, of, _ := strings.Cut(name, "<")
		i := slices.IndexFunc(s.servers, func(server *fakeServer) bool { return server.name == name })
		node := link.ServerTopology{Server: link.PlaceName(i), Node: name, Aliases: []string{name + ":7000"}}
		role := link.Replica
		if of := slices.IndexFunc(s.servers, func(server *fakeServer) bool { return server.name == of }); of >= 0 {
			node.Of = link.PlaceName(of)
		}
		if master {
			role = link.Primary
		}
		node.Endpoints = []link.Endpoint{{Network: "unix", Address: s.servers[i].path, Role: role}}
		for _, text := range strings.Split(ranges, ",") {
			if text == "" {
				continue
			}
			first, last, several := strings.Cut(text, "-")
			if !several {
				last = first
			}
			node.Slots = append(node.Slots, link.HashRange{First: uint16(s.number(first)), Last: uint16(s.number(last))})
		}
		t.Servers = append(t.Servers, node)
	}
	for _, l := range s.workers {
		l.relocate(&t)
	}
	s.turn()
}

// showLatencies shows how many replies of each server took less than what.
func (s *stage) showLatencies() {
	for i, p := range s.workers[0].pools {
		for j, server := range p.servers {
			line := server.spec.Name
			for bucket, n := range s.workers[0].shared.SumLatency(i, j) {
				if n > 0 {
					line += fmt.Sprintf(" <%v:%d", link.LatencyBound(bucket), n)
				}
			}
			s.printf("%s", line)
		}
	}
}

// showLiveness shows what the workers think of the servers, times counted from the start.
func (s *stage) showLiveness() {
	for _, p := range s.workers[0].pools {
		for _, server := range p.servers {
			word := server.liveness()
			text := word.String()
			if at, ok := word.RetryAt(0); ok && !word.Alive() {
				text = fmt.Sprintf("%v until %v", word.State(), time.Duration(at*int64(time.Millisecond)-rigEpoch))
			}
			s.printf("%s %s", server.spec.Name, text)
		}
	}
}

// printf adds a line to the transcript, with the time since the start.
func (s *stage) printf(format string, args ...any) {
	since := time.Duration(s.now - rigEpoch).Seconds()
	fmt.Fprintf(&s.out, "%8.3f %s\n", since, fmt.Sprintf(format, args...))
}
