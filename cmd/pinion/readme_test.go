package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/master/config"
)

var updateReadme = flag.Bool("update-readme", false, "write the tables of README.md anew")

// The README's tables are those of the program: of the options and of the commands.
func TestReadmeTables(t *testing.T) {
	const path = "../../README.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var options bytes.Buffer
	if err := config.WriteMarkdownTable(&options); err != nil {
		t.Fatal(err)
	}
	want := replaceSection(t, text, "options", options.String())
	want = replaceSection(t, want, "commands", commandTables())
	if *updateReadme {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Error("README.md is not what the program's tables say; run go test ./cmd/pinion -run Readme -update-readme and read it")
	}
}

// replaceSection puts body between the two comments that name the section.
func replaceSection(t *testing.T, text []byte, name, body string) []byte {
	t.Helper()
	begin := bytes.Index(text, []byte("<!-- "+name+":"))
	end := bytes.Index(text, []byte("<!-- /"+name+" -->"))
	if begin < 0 || end < begin {
		t.Fatalf("README.md has no section %q", name)
	}
	line := begin + bytes.IndexByte(text[begin:], '\n') + 1
	return bytes.Join([][]byte{text[:line], []byte(body), text[end:]}, nil)
}

// commandTables lists what becomes of each command, for both protocols.
func commandTables() string {
	var out strings.Builder
	out.WriteString("Redis, forwarded to the server of the keys:\n\n| group | commands |\n|---|---|\n")
	for _, group := range redisGroups() {
		if names := redisNames(resp.Forward, group); len(names) > 0 {
			fmt.Fprintf(&out, "| %s | %s |\n", group, strings.Join(names, " "))
		}
	}
	out.WriteString("\n| Redis, otherwise | |\n|---|---|\n")
	for _, route := range []struct {
		of    resp.Route
		title string
	}{
		{resp.Fragment, "divided by server, replies merged"},
		{resp.Keyless, "forwarded to one fixed server"},
		{resp.Local, "answered by the proxy"},
	} {
		fmt.Fprintf(&out, "| %s | %s |\n", route.title, strings.Join(redisNames(route.of, redisGroups()...), " "))
	}
	stays, ends := refusedNames()
	fmt.Fprintf(&out, "| refused | %s |\n| refused, and the connection ends | %s |\n", stays, ends)
	out.WriteString("\n| memcached | |\n|---|---|\n")
	for _, route := range []struct {
		of    memcache.Route
		title string
	}{
		{memcache.Fragment, "divided by server, replies merged"},
		{memcache.Forward, "forwarded to the server of the key"},
		{memcache.Broadcast, "sent to all servers, replies merged"},
		{memcache.Keyless, "forwarded to one fixed server"},
		{memcache.Solo, "only in a pool of one server"},
		{memcache.Local, "answered by the proxy"},
		{memcache.Refuse, "refused"},
	} {
		var names []string
		for _, c := range memcache.Commands() {
			if c.Route == route.of {
				names = append(names, c.Name)
			}
		}
		fmt.Fprintf(&out, "| %s | %s |\n", route.title, strings.Join(names, " "))
	}
	return out.String()
}

// refusedNames returns the refused commands after which the connection goes on, and those after which it ends.
func refusedNames() (stays, ends string) {
	turns := map[string]bool{}
	for _, c := range resp.Commands() {
		turns[strings.ToUpper(c.Name)] = c.Turns
		for _, sub := range c.Subs {
			turns["`"+strings.ToUpper(strings.ReplaceAll(sub.Name, "|", " "))+"`"] = sub.Turns
		}
	}
	for _, name := range redisNames(resp.Refuse, redisGroups()...) {
		if turns[name] {
			ends += " " + name
		} else {
			stays += " " + name
		}
	}
	return strings.TrimSpace(stays), strings.TrimSpace(ends)
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
				names = append(names, strings.ToUpper(c.Name))
			}
			continue
		}
		for _, sub := range c.Subs {
			if sub.Route == route {
				names = append(names, "`"+strings.ToUpper(strings.ReplaceAll(sub.Name, "|", " "))+"`")
			}
		}
	}
	return names
}
