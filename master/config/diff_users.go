// What a reload would change for the users of a pool.

package config

import (
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/acl"
)

// users compares the users of a pool.
func (d *differ) users(subject string, old, new *Pool) {
	from, to := old.aclUsers(), new.aclUsers()
	switch {
	case from == nil && to == nil:
		return
	case from == nil:
		d.say("%s: users: none -> %s; clients that are connected go on as user %q, and are closed if that one is off", subject, namesOf(to), acl.DefaultUser)
		return
	case to == nil:
		d.say("%s: users: %s -> none; clients are closed that have logged in as another than %q", subject, namesOf(from), acl.DefaultUser)
		return
	}
	before := from.Users()
	find := func(all []*acl.User, name string) *acl.User {
		if i := slices.IndexFunc(all, func(u *acl.User) bool { return u.Name == name }); i >= 0 {
			return all[i]
		}
		return nil
	}
	for _, u := range before {
		switch now := find(to.Users(), u.Name); {
		case now == nil:
			d.say("%s: user %q: removed; the clients of that user are closed", subject, u.Name)
		case u.Enabled && !now.Enabled:
			d.say("%s: user %q: switched off; the clients of that user are closed", subject, u.Name)
		case !now.Equal(u):
			d.say("%s: user %q: changed; the clients of that user go on under the new rules, and are closed where they wait for, or listen to, what those forbid", subject, u.Name)
		}
	}
	for _, u := range to.Users() {
		if find(before, u.Name) == nil {
			d.say("%s: user %q: added", subject, u.Name)
		}
	}
}

// namesOf returns the names of all users.
func namesOf(l *acl.List) string {
	var names []string
	for _, u := range l.Users() {
		names = append(names, u.Name)
	}
	return strings.Join(names, ", ")
}

// aclUsers returns the users of a pool; nil: it has none.
func (p *Pool) aclUsers() *acl.List {
	if len(p.Users) == 0 {
		return nil
	}
	l, err := acl.NewList(p.Users)
	if err != nil {
		return nil // they have been read from users
	}
	return l
}
