// The users of a pool.

package acl

import (
	"fmt"
	"slices"
	"strings"
)

// List is all users of a pool, the default user among them. It never changes.
type List struct {
	users  []*User // in the order of their names
	byName map[string]*User
}

// NewList returns the list of users who are described by lines of Parse, each once. A default user whom none describes is off.
func NewList(lines []string) (*List, error) {
	l := &List{byName: map[string]*User{}}
	for _, line := range lines {
		u, err := Parse(line)
		if err != nil {
			return nil, err
		}
		if l.byName[u.Name] != nil {
			return nil, fmt.Errorf("user %q is there twice", u.Name)
		}
		l.add(u)
	}
	if l.byName[DefaultUser] == nil {
		l.add(newUser(DefaultUser))
	}
	slices.SortFunc(l.users, func(a, b *User) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

func (l *List) add(u *User) {
	l.users = append(l.users, u)
	l.byName[u.Name] = u
}

// User returns the user of that name, or nil.
func (l *List) User(name []byte) *User { return l.byName[string(name)] }

// Default returns the default user.
func (l *List) Default() *User { return l.byName[DefaultUser] }

// Users returns all users in the order of their names.
func (l *List) Users() []*User { return l.users }

// stranger stands for a user who does not exist: that he does not is not told by how long a refusal takes.
var stranger = func() *User {
	u := newUser("")
	u.Sums = make([]Sum, 1)
	return u
}()

// Login returns the user of that name if the password is his, and nil otherwise.
func (l *List) Login(name, password []byte) *User {
	u := l.User(name)
	if u == nil {
		stranger.Accepts(password)
		return nil
	}
	if !u.Accepts(password) {
		return nil
	}
	return u
}
