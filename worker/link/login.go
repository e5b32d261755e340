// Who a pool is to its servers, and to the sentinels: a user and a password.

package link

// Login is a user and a password. Without a password there is none to be given.
type Login struct {
	User     string // empty: the default user, who is not named
	Password string
}

// Words returns the request by which Redis is given the login; nil: there is none.
func (l Login) Words() []string {
	switch {
	case l.Password == "":
		return nil
	case l.User == "":
		return []string{"AUTH", l.Password}
	}
	return []string{"AUTH", l.User, l.Password}
}

// ServerLogin returns what the pool's servers are given: an identity of their own, or what clients give.
func (p *Pool) ServerLogin() Login {
	if p.ServerPassword != "" {
		return Login{p.ServerUser, p.ServerPassword}
	}
	return Login{p.User, p.Password}
}
