// Which commands of clients go where, in the words of the documents: COMMANDS.md and pinion-commands(7) are made of these lists.

package main

import (
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
)

// commandList are commands that have something in common.
type commandList struct {
	title string
	names []string // as people write them; one with a subcommand has a space
}

// forwardedRedis are the commands that go to the server of their keys, by the groups of the table.
func forwardedRedis() (lists []commandList) {
	for _, group := range redisGroups() {
		if names := redisNames(resp.Forward, group); len(names) > 0 {
			lists = append(lists, commandList{group, names})
		}
	}
	return lists
}

// otherRedis are all others, and those of which there is more to say.
func otherRedis() (lists []commandList) {
	for _, route := range []struct {
		of    resp.Route
		title string
	}{
		{resp.Fragment, "divided by server, replies merged"},
		{resp.All, "sent to all servers, replies merged"},
		{resp.Scan, "sent to one server after the other"},
		{resp.Keyless, "forwarded to one fixed server"},
		{resp.Solo, "only in a pool of one server"},
		{resp.Local, "answered by the proxy"},
	} {
		lists = append(lists, commandList{route.title, redisNames(route.of, redisGroups()...)})
	}
	stays, ends := refusedRedis()
	var denied []string
	for _, name := range resp.DeniedByDefault() {
		denied = append(denied, shownRow(name))
	}
	return append(lists,
		commandList{"answered by replicas, too, with `read_from`", replicaNames()},
		commandList{"refused", stays},
		commandList{"refused, and the connection ends", ends},
		commandList{"denied by `deny: default`", denied})
}

func memcacheCommands() (lists []commandList) {
	for _, route := range []struct {
		of    memcache.Route
		title string
	}{
		{memcache.Fragment, "divided by server, replies merged"},
		{memcache.Forward, "forwarded to the server of the key"},
		{memcache.Broadcast, "sent to all servers, replies merged"},
		{memcache.Keyless, "forwarded to one fixed server"},
		{memcache.NoOp, "answered by the proxy, in order"},
		{memcache.Local, "answered by the proxy"},
		{memcache.Refuse, "refused"},
	} {
		list := commandList{title: route.title}
		for _, c := range memcache.Commands() {
			if c.Route == route.of {
				list.names = append(list.names, c.Name)
			}
		}
		lists = append(lists, list)
	}
	return lists
}

// replicaNames returns the commands that a replica may answer.
func replicaNames() (names []string) {
	for _, c := range resp.Commands() {
		for i := range c.Subs {
			if c.Subs[i].Replica {
				names = append(names, shownRow(c.Subs[i].Name))
			}
		}
		if c.Replica {
			names = append(names, shownRow(c.Name))
		}
	}
	return names
}

// refusedRedis returns the refused commands after which the connection goes on, and those after which it ends.
func refusedRedis() (stays, ends []string) {
	turns := map[string]bool{}
	for _, c := range resp.Commands() {
		turns[shownRow(c.Name)] = c.ChangesMode
		for _, sub := range c.Subs {
			turns[shownRow(sub.Name)] = sub.ChangesMode
		}
	}
	for _, name := range redisNames(resp.Refuse, redisGroups()...) {
		if turns[name] {
			ends = append(ends, name)
		} else {
			stays = append(stays, name)
		}
	}
	return stays, ends
}

// redisGroups returns the groups of the command table in its order.
func redisGroups() []string {
	var groups []string
	for _, c := range resp.Commands() {
		if !slices.Contains(groups, c.Group) {
			groups = append(groups, c.Group)
		}
	}
	return groups
}

// redisNames returns the commands of a route in capitals. Of a container whose subcommands differ, those are named.
func redisNames(route resp.Route, groups ...string) []string {
	var names []string
	for _, c := range resp.Commands() {
		if !slices.Contains(groups, c.Group) {
			continue
		}
		if len(c.Subs) == 0 || c.Route != resp.Refuse {
			if c.Route == route && c.Local != resp.LocalHangUp {
				names = append(names, shownRow(c.Name))
			}
			continue
		}
		for _, sub := range c.Subs {
			if sub.Route == route {
				names = append(names, shownRow(sub.Name))
			}
		}
	}
	return names
}

// shownRow returns the name of a row as people write it, in capitals.
func shownRow(name string) string { return strings.ToUpper(strings.Replace(name, "|", " ", 1)) }
