// The common ground of both formats: sections of settings as written, and how the table of keys makes a Config of them.

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// word is a piece of text and where it stands.
type word struct {
	text string
	at   place
}

// setting is one key of a section with its values: for most keys exactly one.
type setting struct {
	key    word
	values []word
	list   bool  // the values were parted as a list, not by the spaces in one text
	flaw   *flaw // the values are not even text

	details map[place]*details // of servers, by where their values stand
}

// hasServers reports whether the setting has, or was meant to have, servers.
func (s setting) hasServers() bool {
	return s.key.text == "servers" && (len(s.values) > 0 || s.flaw != nil)
}

// section is one pool, or the process-wide settings, as written.
type section struct {
	name     word
	global   bool
	settings []setting
	lost     bool // some servers could not be read, which was reported
	merged   bool // some keys are those of another section, which is reported
}

// has reports whether the section sets the key.
func (s *section) has(key string) bool {
	return slices.ContainsFunc(s.settings, func(set setting) bool { return set.key.text == key })
}

// isMisnamedGlobal reports whether a section is no pool, but has what belongs under "global:".
func (s *section) isMisnamedGlobal() bool {
	processWide := func(set setting) bool { return lookup(set.key.text, GlobalScope) != nil }
	inPool := func(set setting) bool { return lookup(set.key.text, PoolScope) != nil }
	return !s.global && slices.ContainsFunc(s.settings, processWide) && !slices.ContainsFunc(s.settings, inPool)
}

// reader collects what is wrong while a file becomes sections, and sections become a Config.
type reader struct {
	file     string
	short    bool // hints speak the short form
	resolve  resolver
	alone    bool // files that the configuration names are not read
	problems Problems
}

func (r *reader) report(at place, pool string, f flaw) {
	r.problems = append(r.problems, Problem{File: r.file, Line: at.line, Column: at.column, Pool: pool,
		Message: f.message, Hint: f.hint, Warning: f.harmless})
}

// draft is a section in the making: what the setters of the table write to and the getters read from.
type draft struct {
	global  *Global // nil in a pool
	pool    *Pool   // nil in the process-wide settings
	servers []placedServer
	given   map[string]place
	wrong   []string // the given keys whose values were refused, so that they have their defaults
	users   []*acl.User
	follows bool // servers are masters that sentinels know
	cluster bool // servers are nodes of a Redis Cluster, to be asked for the others
	resolve resolver
	alone   bool // files that the section names are not read

	details map[place]*details // of servers, by where they stand

	fileUsers []*acl.User // of acl_file
	fileFlaws []flaw      // what is wrong in there
}

type placedServer struct {
	link.Server
	at      place
	details *details // nil: none
}

func (d *draft) scope() Scope {
	if d.pool != nil {
		return PoolScope
	}
	return GlobalScope
}

// ignores reports whether the key says nothing in the draft's pool.
func (d *draft) ignores(k *Key) bool {
	return d.isOfMemcached(k) || d.isWithoutTLS(k) || d.pool != nil && d.pool.IsCluster() && inCluster[k.Name].message != ""
}

// isOfMemcached reports whether the draft's pool is one of memcached, where the key says nothing.
func (d *draft) isOfMemcached(k *Key) bool {
	return k.redis && d.pool != nil && d.pool.Protocol != link.Redis
}

func (d *draft) hasDefault(k *Key) bool { return slices.Equal(k.get(d), unlessEmpty(k.Default)) }

// newDraft returns a draft in which every key of its scope has its default.
func newDraft(global *Global, pool *Pool, resolve resolver) *draft {
	d := &draft{global: global, pool: pool, given: map[string]place{}, resolve: resolve}
	for i := range keys {
		k := &keys[i]
		if k.Scope != d.scope() || k.Default == "" || k.Default == required {
			continue
		}
		if f := k.set(d, k, word{text: k.Default}); f != nil {
			panic("config: default of " + k.Name + " " + f.message)
		}
	}
	return d
}

// build makes the Config. It goes on after a problem, so the result is of use only if there was none.
func (r *reader) build(sections []section) *Config {
	c := &Config{File: r.file}
	global := newDraft(&c.Global, nil, r.resolve)
	global.alone = r.alone
	for i := range sections {
		s := &sections[i]
		if s.global {
			r.apply(global, s)
			continue
		}
		if s.isNest() {
			r.report(s.name.at, "", nested)
			continue
		}
		if s.isMisnamedGlobal() {
			r.report(s.name.at, "", flaw{message: fmt.Sprintf("%q has keys that are process-wide, and is no pool", s.name.text), hint: `write "global:"`})
			continue
		}
		c.Pools = append(c.Pools, r.buildPool(s))
	}
	c.Global.given = global.given
	r.checkHTTP(global)
	c.Files = append(c.Files, c.Global.files...)
	if len(c.Pools) == 0 && len(r.problems) == 0 {
		r.report(place{}, "", flaw{message: "has no pools", hint: r.either(
			`begin one with a name, and under it "listen:" and "servers:"`, `begin one with "listen 127.0.0.1:22121"`)})
	}
	for i := range c.Pools {
		c.Files = append(c.Files, c.Pools[i].files...)
	}
	r.checkUnique(c.Pools)
	r.checkOwnAddresses(c)
	slices.SortStableFunc(c.Pools, func(a, b Pool) int { return compareNames(a.Name, b.Name) })
	return c
}

func (r *reader) buildPool(s *section) Pool {
	p := Pool{Line: s.name.at.line, at: s.name.at}
	p.Name = s.name.text
	d := newDraft(nil, &p, r.resolve)
	d.alone = r.alone
	d.cluster = s.isOfCluster()
	d.follows = s.has("sentinels") && !d.cluster
	r.apply(d, s)
	if (d.follows || d.cluster || p.OnFailure == link.OnFailureHold) && !s.has("failover_wait") {
		p.FailoverWait = longFailoverWait
	}
	r.checkComplete(d, s)
	r.checkIgnored(d)
	r.checkOutput(d)
	r.checkServerLogin(d)
	r.checkDatabases(d)
	r.checkOnFailure(d)
	r.checkProbes(d)
	r.checkEjectLatency(d, s)
	r.checkSlowStart(d)
	r.checkSentinels(d)
	r.checkCluster(d)
	r.checkServers(d)
	r.readReplicas(d)
	r.checkReadFrom(d)
	r.checkServerTLS(d)
	r.checkClientTLS(d)
	r.readUsers(d)
	slices.SortStableFunc(d.servers, func(a, b placedServer) int { return compareNames(a.Name, b.Name) })
	for _, server := range d.servers {
		p.Servers = append(p.Servers, server.Server)
		p.placed = append(p.placed, server.at)
	}
	if d.cluster {
		p.beCluster()
	}
	p.given = d.given
	return p
}

// apply gives the settings of a section to the setters of the table.
func (r *reader) apply(d *draft, s *section) {
	pool := ""
	if d.pool != nil {
		pool = s.name.text
	}
	for _, set := range s.settings {
		k := lookup(set.key.text, d.scope())
		if k == nil {
			r.report(set.key.at, pool, set.unknown(d.scope()))
			continue
		}
		if first, again := d.given[k.Name]; again {
			r.report(set.key.at, pool, flaw{
				message: k.Name + " is given twice", hint: fmt.Sprintf("the first is in line %d: remove one of them", first.line)})
			continue
		}
		d.given[k.Name] = set.key.at
		before := len(r.problems)
		switch {
		case set.flaw != nil:
			r.report(set.key.at, pool, flaw{message: k.Name + " " + set.flaw.message, hint: set.flaw.hint})
		case k.list:
			if item, bad := set.severalInOne(); bad {
				r.report(item.at, pool, flaw{message: fmt.Sprintf("%s: one item of the list is %q", k.Name, item.text), hint: hintForItem(item.text)})
				break
			}
			r.set(d, k, pool, []word{joined(set)})
		case len(set.values) == 0 && !k.many:
			r.report(set.key.at, pool, k.noValue())
		case len(set.values) > 1 && !k.many && !k.more:
			r.report(set.key.at, pool, flaw{message: k.Name + " takes one value", hint: r.either("write it as text, without a list", "put it in quotes if it has spaces")})
		default:
			d.details = set.details
			r.set(d, k, pool, set.values)
		}
		if len(r.problems) > before {
			d.wrong = append(d.wrong, k.Name)
		}
	}
}

// severalInOne finds an item of a list with a space in it, which would be taken for two.
func (s setting) severalInOne() (item word, found bool) {
	i := slices.IndexFunc(s.values, func(w word) bool { return len(strings.Fields(w.text)) > 1 })
	if !s.list || i < 0 {
		return word{}, false
	}
	return s.values[i], true
}

// hintForItem says how to write an item that has a space: perhaps it is a subcommand.
func hintForItem(text string) string {
	if name := subcommand(strings.Fields(text)...); name != "" {
		return "write " + name
	}
	return "give each its own item"
}

// joined makes one word of all values.
func joined(set setting) word {
	all := word{at: set.key.at}
	for i, value := range set.values {
		if i == 0 {
			all = value
			continue
		}
		all.text += " " + value.text
	}
	return all
}

func (r *reader) set(d *draft, k *Key, pool string, values []word) {
	name := k.Name
	if k.many {
		name = strings.TrimSuffix(name, "s")
	}
	for _, value := range values {
		if f := k.set(d, k, value); f != nil {
			shown := fmt.Sprintf("%s %q", name, value.text)
			if k.secret {
				shown = name
			}
			f.message = shown + " " + f.message
			r.report(value.at, pool, *f)
		}
	}
}

// either picks the hint in the format of the file.
func (r *reader) either(yaml, short string) string {
	if r.short {
		return short
	}
	return yaml
}

func compareNames(a, b string) int {
	switch {
	case shard.Less(a, b):
		return -1
	case shard.Less(b, a):
		return 1
	}
	return 0
}
