// The group whose members may ask how Pinion is.

package config

import (
	"os/user"
	"strconv"
)

// Group is a group of users.
type Group struct {
	Name string // as configured; empty: none
	ID   int
}

func setControlGroup(d *draft, k *Key, w word) *flaw {
	if id, ok := decimal(w.text); ok {
		d.global.ControlGroup = Group{w.text, id}
		return nil
	}
	g, err := user.LookupGroup(w.text)
	if err != nil {
		return &flaw{message: "is no group of this machine", hint: "name one of /etc/group, or write the number of another"}
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return &flaw{message: "has no number", hint: "name another group"}
	}
	d.global.ControlGroup = Group{w.text, id}
	return nil
}

func getControlGroup(d *draft) []string { return unlessEmpty(d.global.ControlGroup.Name) }

// GroupProblem returns what is wrong with the group, at its place.
func (c *Config) GroupProblem(message, hint string) Problems {
	at := c.Global.given["control_group"]
	return Problems{{File: c.File, Line: at.line, Column: at.column, Message: "control_group: " + message, Hint: hint}}
}
