// Who the pool is to its servers, where that is somebody else than clients are to the pool.

package config

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	serverUserKey         = "server_user"
	serverPasswordKey     = "server_password"
	serverPasswordFileKey = "server_password_file"
)

// setServerUser refuses what neither Redis nor memcached takes for the name of a user.
func setServerUser(d *draft, k *Key, w word) *flaw {
	if strings.ContainsFunc(w.text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return &flaw{message: "has a character that no user has", hint: "write the name of the user alone"}
	}
	return text(func(d *draft) *string { return &d.pool.ServerUser }).set(d, k, w)
}

func setServerPassword(d *draft, k *Key, w word) *flaw {
	if w.text == "" {
		return &flaw{message: "is empty", hint: "leave " + k.Name + " out if servers get what clients give, or nothing"}
	}
	if f := checkPassword(w.text); f != nil {
		return f
	}
	d.pool.ServerPassword = w.text
	return nil
}

func serverPasswordFileOf(d *draft) passwordFile {
	return passwordFile{&d.pool.files, &d.pool.serverPasswordFile, &d.pool.ServerPassword}
}

// checkServerLogin finds a user without a password, and two passwords.
func (r *reader) checkServerLogin(d *draft) {
	user, hasUser := d.given[serverUserKey]
	word, hasWord := d.given[serverPasswordKey]
	file, hasFile := d.given[serverPasswordFileKey]
	wrong := func(name string) bool { return slices.Contains(d.wrong, name) }
	switch {
	case hasWord && hasFile:
		r.report(file, d.pool.Name, flaw{message: serverPasswordKey + " and " + serverPasswordFileKey + " are given", hint: "remove one of them"})
	case hasUser && !hasWord && !hasFile:
		r.report(user, d.pool.Name, flaw{message: serverUserKey + " is given without a password", hint: "add " + serverPasswordKey + " or " + serverPasswordFileKey})
	case !hasUser && d.pool.Protocol == link.Memcache && d.pool.ServerPassword != "" && !wrong("redis") && !wrong(serverUserKey):
		r.report(cmp.Or(word, file), d.pool.Name, flaw{message: serverPasswordKey + " is given without a user, and memcached knows no other", hint: "add " + serverUserKey})
	}
}
