// pinion-commands(7): which commands of clients go where.

package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func manualOfCommands(app *cli.App) string {
	p := newPage("pinion-commands", "7", app.Version)
	p.section("NAME")
	p.WriteString("pinion\\-commands \\- what becomes of the commands of Redis and memcached that clients send to Pinion\n")
	p.section("DESCRIPTION")
	p.paragraph("Every command is either right or refused with an error that says why. The lists are those that the program itself reads, so they " +
		"are complete.")
	p.section("REDIS")
	p.paragraph("The keys of one command must live on one server, but for those that are divided. `hash_tag` has keys live together; " +
		"`cross_shard: first_key` sends a command to the server of its first key, whatever the others say.")
	p.subsection("Forwarded to the server of the keys")
	commandLists(p, forwardedRedis())
	p.subsection("All others")
	commandLists(p, otherRedis())
	p.section("MEMCACHED")
	p.paragraph("The opcodes of the binary protocol go where the commands of text do.")
	commandLists(p, memcacheCommands())
	p.section("SEE ALSO")
	p.WriteString(".BR pinion (8),\n.BR pinion.yml (5)\n")
	p.paragraph("`/usr/share/doc/pinion/COMMANDS.md` says how replies are merged, and what transactions, subscriptions, scripts and RESP3 mean here.")
	return p.String()
}

// commandLists writes what the commands of each list have in common, and their names.
func commandLists(p *roff, lists []commandList) {
	for _, list := range lists {
		title := strings.ToUpper(list.title[:1]) + list.title[1:]
		fmt.Fprintf(p, ".TP\n\\fB%s\\fR\n%s\n", plain(strings.ReplaceAll(title, "`", "")), plain(strings.Join(list.names, ", ")))
	}
}
