// The users of a pool, in the words of Redis' access lists: in the configuration itself, or in a file of Redis' format.

package config

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	usersKey   = "users"
	aclFileKey = "acl_file"

	userForm = "write NAME on >PASSWORD ~KEYS +COMMANDS, as behind user in redis.conf"
)

// addUser adds one of the users that the configuration describes.
func addUser(d *draft, _ *Key, w word) *flaw {
	u, f := parseUser(d.users, w.text)
	if f == nil {
		d.users = append(d.users, u)
	}
	return f
}

// getUsers returns them with the sums of passwords in place of passwords.
func getUsers(d *draft) []string {
	if d.pool.aclFile != "" {
		return nil
	}
	return d.pool.described
}

// parseUser reads one line. What is wrong with it is told without passwords.
func parseUser(known []*acl.User, line string) (*acl.User, *flaw) {
	u, err := acl.Parse(line)
	name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch {
	case errors.Is(err, acl.ErrNoName):
		return nil, &flaw{message: err.Error(), hint: userForm}
	case errors.Is(err, acl.ErrSyntax):
		return nil, &flaw{message: fmt.Sprintf("%q: %v", name, err), hint: userForm}
	case err != nil:
		return nil, &flaw{message: fmt.Sprintf("%q: %v", name, err)}
	case slices.ContainsFunc(known, func(k *acl.User) bool { return k.Name == u.Name }):
		return nil, &flaw{message: fmt.Sprintf("%q is there twice", name), hint: "write all rules of a user into one line"}
	}
	return u, nil
}

// maxACLFileBytes is room for ten thousands of users.
const maxACLFileBytes = 16 << 20

// setACLFile reads users from a file.
func setACLFile(d *draft, _ *Key, w word) *flaw {
	path, f := secretPath(w.text)
	if f != nil {
		return f
	}
	if d.alone {
		d.pool.aclFile, d.pool.Users = w.text, []string{acl.DefaultUser + " off"} // so that not everybody is let in
		return nil
	}
	text, err := readAtMost(path, maxACLFileBytes)
	switch {
	case err != nil:
		return unreadable(w.text, path, err)
	case len(text) > maxACLFileBytes:
		return &flaw{message: fmt.Sprintf("is longer than %d MiB", maxACLFileBytes>>20), hint: "correct the path: this is no list of users"}
	}
	d.pool.aclFile = w.text
	d.pool.files = append(d.pool.files, File{path, sha256.Sum256(text)})
	d.fileUsers, d.fileFlaws = parseACLFile(string(text))
	return nil
}

// parseACLFile reads lines of "user NAME rules". Lines that are empty or begin with # say nothing.
func parseACLFile(text string) (users []*acl.User, flaws []flaw) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		first, rest, _ := strings.Cut(line, " ")
		if first != "user" {
			flaws = append(flaws, flaw{message: fmt.Sprintf("line %d does not begin with user", number), hint: "write user NAME RULES"})
			continue
		}
		u, f := parseUser(users, rest)
		if f != nil {
			flaws = append(flaws, flaw{message: fmt.Sprintf("line %d: user %s", number, f.message), hint: f.hint})
			continue
		}
		users = append(users, u)
	}
	return users, flaws
}

// readUsers has the pool have its users, and finds what is wrong with all of them together.
func (r *reader) readUsers(d *draft) {
	p := d.pool
	users, hasUsers := d.given[usersKey]
	file, hasFile := d.given[aclFileKey]
	for _, f := range d.fileFlaws {
		f.message = aclFileKey + " " + f.message
		r.report(file, p.Name, f)
	}
	at := cmp.Or(users, file)
	switch {
	case hasUsers && hasFile:
		r.report(file, p.Name, flaw{message: usersKey + " and " + aclFileKey + " are given", hint: "remove one of them"})
		return
	case !hasUsers && !hasFile, hasFile && d.alone:
		return
	}
	all := append(d.users, d.fileUsers...)
	if len(all) == 0 && len(d.fileFlaws) == 0 && !slices.Contains(d.wrong, usersKey) && !slices.Contains(d.wrong, aclFileKey) {
		r.report(at, p.Name, flaw{message: "there are no users, so nobody could log in", hint: "describe one: " + userForm})
		return
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(u *acl.User) bool { return u.Enabled }) && p.Password == "" {
		r.report(at, p.Name, flaw{message: "all users are off, so nobody can log in", hint: "add on to one of them", harmless: true})
	}
	for _, u := range all {
		p.described = append(p.described, u.Text())
	}
	p.Users = append(slices.Clone(p.described), r.userOfPassword(d, all, at)...)
	slices.Sort(p.Users)
	r.checkUsers(d, all, at)
}

// userOfPassword returns the user whom redis_auth or memcached_auth stands for.
func (r *reader) userOfPassword(d *draft, all []*acl.User, at place) []string {
	p := d.pool
	if p.Password == "" {
		return nil
	}
	name, key := acl.DefaultUser, "redis_auth"
	if p.Protocol == link.Memcache {
		name, key = p.User, "memcached_auth"
	}
	if slices.ContainsFunc(all, func(u *acl.User) bool { return u.Name == name }) {
		r.report(cmp.Or(d.given[key], at), p.Name, flaw{message: fmt.Sprintf("%s is given, and user %q is described", key, name),
			hint: fmt.Sprintf("remove %s; %s is for the servers alone", key, serverPasswordKey)})
		return nil
	}
	u, err := acl.Parse(name + " on ~* &* +@all >" + p.Password)
	if err != nil || len(strings.Fields(p.Password)) != 1 {
		r.report(cmp.Or(d.given[key], at), p.Name, flaw{message: key + " cannot be the password of a user: it has spaces", hint: "use another one, or #SHA256 of it in " + usersKey})
		return nil
	}
	return []string{u.Text()}
}

// checkUsers finds users who can do nothing, and some who can do more than is said.
func (r *reader) checkUsers(d *draft, all []*acl.User, at place) {
	p := d.pool
	certificates := p.TLS != nil && p.TLS.AuthClientsUser != "" && p.TLS.AuthClientsUser != link.CertificateUserOff
	for _, u := range all {
		warn := func(message, hint string) {
			r.report(at, p.Name, flaw{message: fmt.Sprintf("user %q %s", u.Name, message), hint: hint, harmless: true})
		}
		if u.Enabled && !u.NoPass && len(u.Sums) == 0 && !certificates {
			warn("is on and has no password, so nobody can log in as that user", "add >PASSWORD or #SHA256, in YAML the whole line in quotes: # begins a comment there")
		}
		if p.Protocol == link.Memcache && u.Name == acl.DefaultUser {
			r.report(at, p.Name, flaw{message: fmt.Sprintf("user %q is who has not logged in, whom memcached does not know", u.Name), hint: "give the user another name"})
		}
		if p.Protocol == link.Memcache && !u.HasNoLimits() {
			r.report(at, p.Name, flaw{message: fmt.Sprintf("user %q has rules about commands, keys or channels, which are for Redis alone", u.Name), hint: "remove them: who logs in to memcached may do all"})
		}
		if p.Protocol == link.Redis && u.ReachesBeyondKeys() {
			warn("may run scripts, of which only the keys are looked at that they declare: what they do inside, the servers' user may do",
				"add -@scripting at the end, or allow all keys")
		}
	}
}
