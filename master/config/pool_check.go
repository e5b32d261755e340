// What is wrong with a pool as a whole, or with several of them, though each of its keys by itself is right.

package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// maxPoolName is far more than any name needs and less than the 1024 bytes that YAML allows a key.
const maxPoolName = 255

// checkComplete finds what a pool lacks. A key that was given and is wrong has been reported already.
func (r *reader) checkComplete(d *draft, s *section) {
	name := s.name
	if name.text == "" || len(name.text) > maxPoolName {
		r.report(name.at, "", flaw{message: fmt.Sprintf("the name of a pool has %d bytes", len(name.text)),
			hint: fmt.Sprintf("give it 1 to %d", maxPoolName)})
	}
	if !s.has("listen") && !s.merged {
		r.report(name.at, name.text, flaw{message: "listen is missing", hint: r.either(
			`add "listen: 127.0.0.1:22121"`, `add "listen 127.0.0.1:22121"`)})
	}
	if !s.lost && !s.merged && !slices.ContainsFunc(s.settings, setting.hasServers) {
		r.report(cmp.Or(d.given["servers"], name.at), name.text, flaw{message: "has no servers", hint: r.either(
			`add "servers:" and under it lines such as "- 127.0.0.1:6379:1"`, `add "backend redis1 127.0.0.1:6379"`)})
	}
	if at, ok := d.given["redis_auth"]; ok && d.pool.Protocol != link.Redis && !slices.Contains(d.wrong, "redis") {
		r.report(at, name.text, flaw{message: "redis_auth is for redis only", hint: r.either(
			`add "redis: true"`, `use "protocol redis"`)})
	}
	if at, ok := d.given["memcached_auth"]; ok && d.pool.Protocol == link.Redis && !slices.Contains(d.wrong, "redis") {
		r.report(at, name.text, flaw{message: "memcached_auth is for memcached only", hint: r.either(
			`use redis_auth, or "redis: false"`, `use redis_auth, or "protocol memcache"`)})
	}
}

// checkIgnored warns of keys that say nothing in a pool of memcached. nutcracker has some of them, so they are no errors.
func (r *reader) checkIgnored(d *draft) {
	for i := range keys {
		k := &keys[i]
		at, given := d.given[k.Name]
		if given && d.isOfMemcached(k) && !d.hasDefault(k) && !slices.Contains(d.wrong, "redis") {
			r.report(at, d.pool.Name, flaw{message: k.Name + " says nothing in a pool of memcached",
				hint: r.either(`remove it, or add "redis: true"`, `remove it, or "protocol memcache"`), harmless: !isAboutReplicas[k.Name]})
		}
	}
}

// checkDatabases finds a pool whose own database is none of those that its clients may use.
func (r *reader) checkDatabases(d *draft) {
	const own, all = "redis_db", "databases"
	p := d.pool
	if d.cluster || p.Databases == 1 || p.DB < p.Databases || slices.Contains(d.wrong, own) || slices.Contains(d.wrong, all) {
		return
	}
	r.report(cmp.Or(d.given[all], d.given[own]), p.Name, flaw{
		message: fmt.Sprintf("%s is %d, and %s is not below it with %d", all, p.Databases, own, p.DB),
		hint:    fmt.Sprintf("raise %s to %d or more", all, p.DB+1)})
}

// checkOutput finds limits in the wrong order: a client must be left unread before it is closed.
func (r *reader) checkOutput(d *draft) {
	const soft, hard = "client_output_soft", "client_output_hard"
	p := d.pool
	if p.ClientOutputSoft <= p.ClientOutputHard || slices.Contains(d.wrong, soft) || slices.Contains(d.wrong, hard) {
		return
	}
	softSize, hardSize := formatSize(p.ClientOutputSoft), formatSize(p.ClientOutputHard)
	r.report(cmp.Or(d.given[hard], d.given[soft]), p.Name, flaw{
		message: fmt.Sprintf("%s is %s, less than %s with %s", hard, hardSize, soft, softSize),
		hint:    fmt.Sprintf("raise %s to %s or more", hard, softSize)})
}

// checkServers finds servers of one name: placement knows servers by their names only.
func (r *reader) checkServers(d *draft) {
	first := map[string]place{}
	for _, s := range d.servers {
		if at, again := first[s.Name]; again && d.cluster {
			r.report(s.at, d.pool.Name, flaw{message: fmt.Sprintf("server %q is there twice", s.Name), hint: fmt.Sprintf("remove it; the first is in line %d", at.line)})
			continue
		} else if again {
			r.report(s.at, d.pool.Name, flaw{
				message: fmt.Sprintf("server name %q is used twice", s.Name),
				hint:    fmt.Sprintf("the first is in line %d; give each server a name of its own", at.line)})
			continue
		}
		first[s.Name] = s.at
	}
}

// checkUnique finds pools of one name and pools on one address. Unlike twemproxy it compares addresses after resolving
// them: SO_REUSEPORT would let two pools share one, and the clients of each would reach either.
func (r *reader) checkUnique(pools []Pool) {
	names, listens := map[string]*Pool{}, map[string]*Pool{}
	for i := range pools {
		p := &pools[i]
		if first := names[p.Name]; first != nil {
			r.report(p.at, p.Name, flaw{
				message: "is configured twice",
				hint:    fmt.Sprintf("the first is in line %d; pools need different names", first.Line)})
		} else {
			names[p.Name] = p
		}
		for _, l := range p.Listens() {
			r.checkOwnListen(p, &l, listens)
		}
	}
}

// checkOwnListen finds an address that another pool has, or the same one once more.
func (r *reader) checkOwnListen(p *Pool, l *Listen, listens map[string]*Pool) {
	switch first := listens[l.Address]; {
	case l.Address == "":
	case first == p:
		r.report(p.given["listen"], p.Name, flaw{message: fmt.Sprintf("listens on %q twice", l.Text), hint: "remove one of them"})
	case first != nil:
		r.report(p.given["listen"], p.Name, flaw{
			message: fmt.Sprintf("listens on %q, as pool %q does", l.Text, first.Name),
			hint:    fmt.Sprintf("that is in line %d; pools need different addresses", first.given["listen"].line)})
	default:
		listens[l.Address] = p
	}
}
