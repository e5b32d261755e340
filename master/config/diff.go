// What a reload would change, said so that an operator sees before it happens which keys move and whose clients end.

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	noteMove   = "; keys move"
	noteThere  = "; its keys are looked for there"
	noteClosed = "; its clients are closed after their current replies"
	noteSome   = "; of its clients those go on who have connected there, the others are closed after their current replies"
)

// placing are the keys of the table that decide, beside the servers, where keys live.
var placing = map[string]bool{"hash": true, "hash_tag": true, "distribution": true}

// Diff returns what differs between two configurations, one line for each difference: first what is process-wide, then
// pool by pool in name order. It is empty if a reload from old to new has nothing to do. Passwords are not shown.
func Diff(old, new *Config) []string { return diff(old, new, false) }

func diff(old, new *Config, counting bool) []string {
	d := &differ{at: map[ListenID]*Pool{}, new: new.Pools, counting: counting}
	for i := range new.Pools {
		for _, l := range new.Pools[i].Listens() {
			d.at[l.ID()] = &new.Pools[i]
		}
	}
	d.keys(GlobalScope.String(), &draft{global: &old.Global}, &draft{global: &new.Global}, nil)
	if file := new.Global.httpPasswordFile; file != "" && file == old.Global.httpPasswordFile && old.Global.HTTPPassword != new.Global.HTTPPassword {
		d.say("%s: %s: the password in it changed", GlobalScope, httpPasswordFileKey)
	}
	d.certificates(GlobalScope.String(), old.Global.certificates, new.Global.certificates)
	merge(old.Pools, new.Pools, func(p *Pool) string { return p.Name }, d.pool)
	return d.lines
}

type differ struct {
	lines []string
	new   []Pool             // pools of the new configuration
	at    map[ListenID]*Pool // the same

	counting bool // keys that move
}

func (d *differ) say(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// pool compares two pools of one name; one of them may be nil.
func (d *differ) pool(old, new *Pool) {
	switch {
	case old == nil:
		d.say("pool %q: added, listens on %s", new.Name, quote(new.ListenTexts()))
		return
	case new == nil:
		d.say("pool %q: removed%s", old.Name, d.fate(old, nil))
		return
	}
	subject := fmt.Sprintf("pool %q", old.Name)
	gone := func(l Listen) bool { return !new.takes(&l) }
	moved := slices.ContainsFunc(old.Listens(), gone)
	stays := slices.ContainsFunc(old.Listens(), func(l Listen) bool { return !gone(l) })
	d.keys(subject, &draft{pool: old}, &draft{pool: new}, func(key string) string {
		switch {
		case key == "listen" && moved:
			return d.fate(old, new)
		case key == "redis" && stays:
			return d.fate(old, nil)
		case key == "redis_db":
			return noteThere
		case key == "cluster":
			return noteMove
		case placing[key]:
			return noteOnShares(old, new)
		}
		return ""
	})
	if file := new.serverPasswordFile; file != "" && file == old.serverPasswordFile && old.ServerPassword != new.ServerPassword {
		d.say("%s: %s: the password in it changed", subject, serverPasswordFileKey)
	}
	d.users(subject, old, new)
	d.servers(subject, old, new)
	d.certificates(subject, old.certificates, new.certificates)
	if d.counting {
		d.moves(subject, old, new)
	}
}

// fate tells what becomes of the clients of a pool, but for those at addresses that another one has.
func (d *differ) fate(old, but *Pool) string {
	var notes []string
	for _, l := range old.Listens() {
		if but != nil && but.takes(&l) {
			continue
		}
		note := d.fateAt(old, &l)
		if len(old.Further) > 0 {
			note = strings.Replace(note, "its clients", "clients at "+quote(l.Text), 1)
		}
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return strings.Join(notes, "")
}

// fateAt tells what becomes of those at one address: they stay where their listener is, or one to which they would come now, if it speaks
// the same protocol.
func (d *differ) fateAt(old *Pool, l *Listen) string {
	new := d.at[l.ID()]
	if new == nil {
		new = d.wider(l)
	} else if !new.takes(l) {
		return noteClosed
	}
	switch {
	case new == nil && slices.ContainsFunc(d.new, func(p Pool) bool {
		return p.Protocol == old.Protocol && slices.ContainsFunc(p.Listens(), l.includes)
	}):
		return noteSome
	case new == nil || new.Protocol != old.Protocol:
		return noteClosed
	case new.Name != old.Name:
		return fmt.Sprintf("; its clients go on in pool %q", new.Name)
	}
	return ""
}

// takes reports whether the clients at an address may go on at the same one of the pool.
func (p *Pool) takes(l *Listen) bool {
	own := p.ListenAt(l.ID())
	return own != nil && own.TLS == l.TLS
}

// wider returns the pool to whose address the kernel brings those who connect to that of an old one; nil if there is none.
func (d *differ) wider(old *Listen) (nearest *Pool) {
	var at Listen
	for i := range d.new {
		for _, l := range d.new[i].Listens() {
			if l.includes(*old) && l.TLS == old.TLS && (nearest == nil || at.includes(l)) {
				nearest, at = &d.new[i], l
			}
		}
	}
	return nearest
}

// keys compares what two drafts of one scope have in the table, except lists.
func (d *differ) keys(subject string, old, new *draft, note func(key string) string) {
	for i := range keys {
		k := &keys[i]
		if k.Scope != old.scope() || k.get == nil || k.many {
			continue
		}
		from, to := k.get(old), k.get(new)
		if k.Name == "listen" && slices.Equal(from, to) { // a name can be that of another address now
			from, to = old.pool.addresses(), new.pool.addresses()
		}
		if slices.Equal(from, to) {
			continue
		}
		what := written(from) + " -> " + written(to)
		if k.secret {
			what = "changed"
		}
		if note != nil {
			what += note(k.Name)
		}
		d.say("%s: %s: %s", subject, k.Name, what)
	}
}

func written(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	return quote(strings.Join(values, ", "))
}

// addresses returns those of the clients, resolved.
func (p *Pool) addresses() (all []string) {
	for _, l := range p.Listens() {
		all = append(all, l.Address)
	}
	return all
}

// servers compares the servers of a pool, which are the same if they have the same name.
func (d *differ) servers(subject string, old, new *Pool) {
	if old.IsCluster() != new.IsCluster() {
		return // none of the one is one of the other
	}
	if old.IsCluster() {
		d.seeds(subject, old, new)
		return
	}
	name := func(s *link.Server) string { return s.Name }
	merge(old.Servers, new.Servers, name, func(o, n *link.Server) {
		switch {
		case o == nil:
			d.say("%s: server %q: added, %s with weight %d%s",
				subject, n.Name, quote(n.Address), n.Weight, noteOnServers(old, new))
			return
		case n == nil:
			d.say("%s: server %q: removed%s", subject, o.Name, noteOnServers(old, new))
			return
		}
		if o.Network != n.Network || o.Address != n.Address {
			d.say("%s: server %q: address %s -> %s%s", subject, o.Name, quote(o.Address), quote(n.Address), noteThere)
		}
		if o.Weight != n.Weight {
			d.say("%s: server %q: weight %d -> %d%s", subject, o.Name, o.Weight, n.Weight, noteOnShares(old, new))
		}
		if o.Zone != n.Zone {
			d.say("%s: server %q: zone: %s -> %s", subject, o.Name, written(unlessEmpty(o.Zone)), written(unlessEmpty(n.Zone)))
		}
		if !slices.Equal(o.Replicas, n.Replicas) {
			d.say("%s: server %q: replicas: %s -> %s", subject, o.Name, written(replicaTexts(o)), written(replicaTexts(n)))
		}
	})
}

// seeds compares the nodes that are asked first.
func (d *differ) seeds(subject string, old, new *Pool) {
	merge(old.seeds(), new.seeds(), func(s *link.Server) string { return s.Name }, func(o, n *link.Server) {
		switch {
		case o == nil:
			d.say("%s: server %q: added to those that are asked for the cluster", subject, n.Name)
		case n == nil:
			d.say("%s: server %q: removed from those that are asked for the cluster", subject, o.Name)
		}
	})
}

// noteOnServers is for a server that comes or goes. At random, no server is that of a key.
func noteOnServers(old, new *Pool) string {
	if random := shard.Random.String(); old.Distribution == random && new.Distribution == random {
		return ""
	}
	return noteMove
}

// noteOnShares is for what decides which of the servers has a key. One server has them all.
func noteOnShares(old, new *Pool) string {
	if len(old.Servers) == 1 && len(new.Servers) == 1 {
		return ""
	}
	return noteOnServers(old, new)
}

// merge calls each for all names of two lists in name order: with both elements of a name, or one and nil.
func merge[T any](old, new []T, name func(*T) string, each func(old, new *T)) {
	for len(old) > 0 || len(new) > 0 {
		order := 0
		switch {
		case len(new) == 0:
			order = -1
		case len(old) == 0:
			order = 1
		default:
			order = compareNames(name(&old[0]), name(&new[0]))
		}
		var o, n *T
		if order <= 0 {
			o, old = &old[0], old[1:]
		}
		if order >= 0 {
			n, new = &new[0], new[1:]
		}
		each(o, n)
	}
}
