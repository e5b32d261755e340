// What an operator does about a file that is not for him: whose it is, and the command that mends it.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/admin"
)

// withPermissionHint says of a file that this user may not open who may, and how to become that user or have it changed.
func withPermissionHint(err error) error {
	var at *fs.PathError
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &at) {
		return err
	}
	return fmt.Errorf("%w; %s", err, permissionHint(at.Path))
}

// permissionHint names this user, whose the nearest thing on the way to the file is that can be seen, and a command.
func permissionHint(path string) string {
	me := userName(os.Geteuid())
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil && path != filepath.Dir(path) {
			continue
		}
		if err != nil {
			return "this is user " + me
		}
		owner := userName(int(info.Sys().(*syscall.Stat_t).Uid))
		return fmt.Sprintf("this is user %s, and %s belongs to %s (mode %04o): %s", me, path, owner, info.Mode().Perm(), asUser(owner))
	}
}

// othersHint says whose a Pinion is that another user runs, and how to become that user.
func othersHint(err error) string {
	var of *admin.OthersError
	if !errors.As(err, &of) {
		return err.Error()
	}
	owner := userName(of.UID)
	return fmt.Sprintf("this is user %s, and the Pinion there belongs to %s: %s", userName(os.Geteuid()), owner, asUser(owner))
}

// asUser is this command line as another user would write it.
func asUser(name string) string {
	words := []string{"sudo"}
	if name != "root" {
		words = append(words, "-u", name)
	}
	for _, word := range append([]string{"pinion"}, os.Args[1:]...) {
		if strings.ContainsAny(word, " \t\n'\"\\$&|;<>()*?[]#~`!{}") || word == "" {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// userName returns the name of a user, or the number if there is none.
func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}
