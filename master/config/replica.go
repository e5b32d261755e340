// Replicas: where the configuration says that they are, and what it wants of reads that they can answer.
//
//	servers:
//	  - server: 10.0.0.1:6379:1 one
//	    zone: a
//	    replicas:
//	      - 10.0.0.2:6379
//	      - {replica: "10.0.0.3:6379", zone: b}

package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// What a server that is a map consists of, and a replica that is.
const (
	partServer   = "server"
	partZone     = "zone"
	partReplicas = "replicas"
	partReplica  = "replica"

	serverMapForm = `write "server: host:port:weight [name]", and under it "zone:" and "replicas:" as needed`
	replicasForm  = `write a list of host:port, or of {replica: "host:port", zone: a}`
)

var partsOfServer = []string{partServer, partZone, partReplicas}

func isPartOfServer(key string) bool { return slices.Contains(partsOfServer, key) }

// details are what a server that is a map has beside its text.
type details struct {
	zone     *word // nil: none
	replicas []replica
}

// replica is one replica as written.
type replica struct {
	address word
	zone    *word // nil: none
}

// isAboutReplicas has the keys that say something about reads from replicas: nutcracker does not know them.
var isAboutReplicas = map[string]bool{"read_from": true, "max_replica_lag": true, "read_your_writes": true}

// leastReplicaLag is below what can be judged: replicas are looked at each 100 ms, and a look may be late.
const leastReplicaLag = 200 * time.Millisecond

func maxReplicaLag(d *draft) *time.Duration { return &d.pool.MaxReplicaLag }

func setMaxReplicaLag(d *draft, k *Key, w word) *flaw {
	f := millis(maxReplicaLag).set(d, k, w)
	if lag := d.pool.MaxReplicaLag; f == nil && lag > 0 && lag < leastReplicaLag {
		return &flaw{message: "is too little: replicas are looked at each 100 ms", hint: "write 200 or more, or 0 for no limit"}
	}
	return f
}

// readReplicas gives servers their zones and replicas.
func (r *reader) readReplicas(d *draft) {
	taken := map[string]place{}
	for _, s := range d.servers {
		taken[s.Address] = s.at
	}
	for i := range d.servers {
		if s := &d.servers[i]; s.details != nil {
			r.readDetails(d, s, taken)
		}
	}
}

func (r *reader) readDetails(d *draft, s *placedServer, taken map[string]place) {
	wrong := func(at place, format string, args ...any) func(hint string) {
		message := fmt.Sprintf("server %q: ", s.Name) + fmt.Sprintf(format, args...)
		return func(hint string) { r.report(at, d.pool.Name, flaw{message: message, hint: hint}) }
	}
	if d.follows || d.cluster {
		who := "the sentinels say"
		if d.cluster {
			who = "the cluster says"
		}
		if zone := s.details.zone; zone != nil {
			wrong(zone.at, "zone has no meaning, as %s where the master is", who)("remove it")
		}
		if all := s.details.replicas; len(all) > 0 {
			wrong(all[0].address.at, "replicas are given, and %s which there are", who)("remove them")
		}
		return
	}
	s.Zone = r.zone(d, s.details.zone)
	for _, written := range s.details.replicas {
		at, f := parseReplica(written.address.text)
		first, again := taken[at.Address]
		switch {
		case f != nil:
			wrong(written.address.at, "replica %q %s", written.address.text, f.message)(f.hint)
		case again:
			wrong(written.address.at, "replica %q is a server or a replica already", at.Address)(fmt.Sprintf("that is in line %d: name each once", first.line))
		case len(s.Replicas) == link.MaxReplicas:
			wrong(written.address.at, "replica %q is one too many", at.Address)(fmt.Sprintf("name at most %d of a server", link.MaxReplicas))
		default:
			taken[at.Address] = written.address.at
			at.Zone = r.zone(d, written.zone)
			s.Replicas = append(s.Replicas, at)
		}
	}
}

// zone returns the name of a zone; empty: there is none, or it is wrong, which is reported.
func (r *reader) zone(d *draft, w *word) string {
	if w == nil {
		return ""
	}
	if f := checkZone(w.text); f != nil {
		f.message = fmt.Sprintf("zone %q %s", w.text, f.message)
		r.report(w.at, d.pool.Name, *f)
		return ""
	}
	return w.text
}

// parseReplica reads "host:port" or "/path".
func parseReplica(text string) (at link.ReplicaAddress, f *flaw) {
	const form = "write host:port, or a path from / on"
	if server, f := parseServer(text); f == nil {
		return at, &flaw{message: "has a weight or a name", hint: fmt.Sprintf("write %q: replicas share the reads of their server by how fast they answer", server.Address)}
	}
	if strings.HasPrefix(text, "/") {
		if strings.ContainsAny(text, " :") {
			return at, &flaw{message: "is no path of a socket", hint: form}
		}
		return link.ReplicaAddress{Network: "unix", Address: text}, nil
	}
	host, port, ok := cutLast(text, ':')
	if !ok {
		return at, &flaw{message: "has no port", hint: form}
	}
	n, f := parsePort(port)
	if f != nil {
		return at, f
	}
	if host == "" || hasStrayColon(host) || strings.Contains(text, " ") {
		return at, &flaw{message: "is no address", hint: form + ", with an IPv6 address in brackets"}
	}
	host = withoutBrackets(host)
	if addr, ok := parseClassicIPv4(host); ok {
		host = addr.String()
	}
	return link.ReplicaAddress{Network: "tcp", Address: net.JoinHostPort(host, strconv.Itoa(int(n)))}, nil
}

// checkReadFrom finds a pool that is to read from replicas and has none, or has them for nothing.
func (r *reader) checkReadFrom(d *draft) {
	p := d.pool
	if p.Protocol != link.Redis {
		r.refuseReplicasOfMemcached(d)
		return
	}
	if slices.Contains(d.wrong, "read_from") || slices.Contains(d.wrong, "servers") {
		return
	}
	if !p.ReadsReplicas() {
		r.warnOfUnreadReplicas(d)
		return
	}
	at := d.given["read_from"]
	if d.follows || d.cluster {
		return
	}
	if i := slices.IndexFunc(d.servers, func(s placedServer) bool { return s.details == nil || len(s.details.replicas) == 0 }); i >= 0 && p.ReadFrom == link.ReadFromReplica {
		r.report(at, p.Name, flaw{message: fmt.Sprintf("read_from is replica, and server %q has none: nobody could read its keys", d.servers[i].Name),
			hint: "name its replicas, or use prefer_replica"})
		return
	}
	if !slices.ContainsFunc(d.servers, func(s placedServer) bool { return s.details != nil && len(s.details.replicas) > 0 }) {
		r.report(at, p.Name, flaw{message: fmt.Sprintf("read_from is %s, and no server has replicas", p.ReadFrom), hint: r.either(
			`add "replicas:" to a server, sentinels or cluster: true`, "use sentinels or cluster, or a file in YAML, where servers have replicas")})
	}
}

// refuseReplicasOfMemcached finds replicas where there are none.
func (r *reader) refuseReplicasOfMemcached(d *draft) {
	for _, s := range d.servers {
		if s.details != nil && len(s.details.replicas) > 0 && !slices.Contains(d.wrong, "redis") {
			r.report(s.details.replicas[0].address.at, d.pool.Name, flaw{message: fmt.Sprintf("server %q: memcached has no replicas", s.Name),
				hint: r.either(`remove them, or add "redis: true"`, `remove them, or "protocol memcache"`)})
		}
	}
}

// warnOfUnreadReplicas finds what says nothing as long as the master is read.
func (r *reader) warnOfUnreadReplicas(d *draft) {
	for _, key := range []string{"max_replica_lag", "read_your_writes"} {
		if at, given := d.given[key]; given && !slices.Contains(d.wrong, key) && !d.hasDefault(lookup(key, PoolScope)) {
			r.report(at, d.pool.Name, flaw{message: key + " says nothing, as all is read from the master", hint: "add read_from, such as prefer_replica", harmless: true})
		}
	}
	for _, s := range d.servers {
		if len(s.Replicas) > 0 {
			r.report(s.details.replicas[0].address.at, d.pool.Name, flaw{message: fmt.Sprintf("the replicas of server %q are not used, as all is read from the master", s.Name),
				hint: "add read_from, such as prefer_replica", harmless: true})
			return
		}
	}
}

// replicaTexts returns the replicas of a server in one text, for people.
func replicaTexts(s *link.Server) []string {
	var texts []string
	for _, r := range s.Replicas {
		text := r.Address
		if r.Zone != "" {
			text += " in " + r.Zone
		}
		texts = append(texts, text)
	}
	return unlessEmpty(strings.Join(texts, ", "))
}
