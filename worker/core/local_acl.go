// ACL, in a pool that has users: what is told of them. They stand in the configuration, so nothing here changes one.

package core

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
)

// routeUsers is the route of ACL and its subcommands in a pool that has users. No row of the table has it.
const routeUsers resp.Route = math.MaxUint8

// aclContainer begins the names of its rows.
const aclContainer = "acl|"

// aclChanges are the subcommands that would change users, which is said also where the configuration denies them.
var aclChanges = map[string]bool{"acl|deluser": true, "acl|load": true, "acl|save": true, "acl|setuser": true}

// routeACL has the pool answer ACL itself.
func routeACL(routes []resp.Route) {
	for id := range resp.NumCommands {
		cmd := resp.ByID(uint16(id))
		if aclChanges[cmd.Name] || strings.HasPrefix(cmd.Name, aclContainer) && routes[id] != routeDenied {
			routes[id] = routeUsers
		}
	}
}

// aclAnswers has what answers each subcommand. The arguments are those behind it.
var aclAnswers = map[string]func(c *client, out, b []byte, args []resp.Span) []byte{
	"acl|cat":     (*client).aclCat,
	"acl|dryrun":  (*client).aclDryRun,
	"acl|genpass": (*client).aclGenPass,
	"acl|getuser": (*client).aclGetUser,
	"acl|help":    (*client).aclHelp,
	"acl|list":    (*client).aclList,
	"acl|users":   (*client).aclUsers,
	"acl|whoami":  (*client).aclWhoAmI,
}

// answerACL answers ACL.
func (c *client) answerACL(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	if opOf(cmd) != 0 {
		c.askAllWorkers(cmd, b, args, count)
		return
	}
	out := c.pool.l.scratch[:0]
	answer := aclAnswers[cmd.Name]
	switch {
	case answer == nil:
		c.noteRefusal(cmd.Name, notSupported)
		out = resp.AppendError(out, "ERR '"+cmd.Name+"' is not supported by pinion: its users stand in its configuration, which a reload reads")
	case len(args) < count:
		out = resp.AppendTooMany(out, cmd, len(args))
	default:
		out = answer(c, out, b, args[2:])
	}
	c.respondScratch(out)
}

func (c *client) aclWhoAmI(out, _ []byte, _ []resp.Span) []byte {
	return resp.AppendBulkString(out, c.userName())
}

func (c *client) aclUsers(out, _ []byte, _ []resp.Span) []byte {
	all := c.pool.users.list.Users()
	out = resp.AppendArray(out, len(all))
	for _, u := range all {
		out = resp.AppendBulkString(out, u.Name)
	}
	return out
}

func (c *client) aclList(out, _ []byte, _ []resp.Span) []byte {
	all := c.pool.users.list.Users()
	out = resp.AppendArray(out, len(all))
	for _, u := range all {
		out = resp.AppendBulkString(out, "user "+u.Text())
	}
	return out
}

func (c *client) aclGetUser(out, b []byte, args []resp.Span) []byte {
	v := c.version()
	u := c.pool.users.list.User(args[0].Of(b))
	if u == nil {
		return v.AppendNull(out)
	}
	out = v.AppendMap(out, 6)
	out = appendTexts(v.AppendSet, resp.AppendBulkString(out, "flags"), u.Flags())
	out = appendTexts(resp.AppendArray, resp.AppendBulkString(out, "passwords"), u.SumTexts())
	for _, pair := range [...][2]string{{"commands", u.Commands()}, {"keys", u.Keys()}, {"channels", u.Channels()}} {
		out = resp.AppendBulkString(resp.AppendBulkString(out, pair[0]), pair[1])
	}
	return resp.AppendArray(resp.AppendBulkString(out, "selectors"), 0)
}

func appendTexts(head func(out []byte, n int) []byte, out []byte, texts []string) []byte {
	out = head(out, len(texts))
	for _, text := range texts {
		out = resp.AppendBulkString(out, text)
	}
	return out
}

func (c *client) aclCat(out, b []byte, args []resp.Span) []byte {
	if len(args) == 0 {
		return appendTexts(resp.AppendArray, out, resp.CategoryNames())
	}
	if len(args) > 1 {
		return resp.AppendError(out, resp.SyntaxError)
	}
	category := resp.CategoryOf(strings.ToLower(string(args[0].Of(b))))
	if category == 0 {
		return resp.AppendError(out, fmt.Sprintf("ERR Unknown category '%.128s'", args[0].Of(b)))
	}
	var names []string
	for id := range resp.NumCommands {
		if cmd := resp.ByID(uint16(id)); cmd.Categories()&category != 0 && cmd.Local != resp.LocalHangUp {
			names = append(names, cmd.Name)
		}
	}
	return appendTexts(resp.AppendArray, out, names)
}

// aclDryRun tells whether a user may send a request.
func (c *client) aclDryRun(out, b []byte, args []resp.Span) []byte {
	u := c.pool.users.list.User(args[0].Of(b))
	if u == nil {
		return resp.AppendError(out, fmt.Sprintf("ERR User '%.128s' not found", args[0].Of(b)))
	}
	args = args[1:]
	cmd := resp.Lookup(args[0].Of(b))
	if cmd != nil {
		cmd = cmd.Resolve(b, args)
	}
	switch {
	case cmd == nil:
		return resp.AppendError(out, fmt.Sprintf("ERR Command '%.128s' not found", args[0].Of(b)))
	case cmd.Route != resp.Refuse && !cmd.CheckArity(len(args)):
		return resp.AppendWrongArity(out, cmd)
	}
	d, _ := u.Check(&acl.Request{Command: cmd, Bytes: b, Args: args, Count: len(args)}, nil)
	switch d.Reason {
	case acl.Allowed:
		return resp.AppendSimple(out, "OK")
	case acl.NoKey:
		return resp.AppendBulkString(out, fmt.Sprintf("This user has no permissions to access the '%s' key", d.Object))
	case acl.NoChannel:
		return resp.AppendBulkString(out, fmt.Sprintf("This user has no permissions to access the '%s' channel", d.Object))
	case acl.NoCommand:
		return resp.AppendBulkString(out, fmt.Sprintf("This user has no permissions to run the '%s' command", cmd.Name))
	}
	return appendDenial(out, cmd, d)
}

// aclGenPass makes a password of so many bits, 256 if it is not said.
func (c *client) aclGenPass(out, b []byte, args []resp.Span) []byte {
	const usual, most, perDigit = 256, 4096, 4
	bits := int64(usual)
	if len(args) > 1 {
		return resp.AppendError(out, resp.SyntaxError)
	}
	if len(args) == 1 {
		n, ok := resp.ParseInt(args[0].Of(b))
		if !ok || n <= 0 || n > most {
			return resp.AppendError(out, "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")
		}
		bits = n
	}
	digits := (bits + perDigit - 1) / perDigit
	password := make([]byte, (digits+1)/2)
	rand.Read(password)
	return resp.AppendBulkString(out, hex.EncodeToString(password)[:digits])
}

func (c *client) aclHelp(out, _ []byte, _ []resp.Span) []byte {
	return appendTexts(resp.AppendArray, out, []string{
		"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"CAT [<category>]", "    List all categories, or the commands of one.",
		"DRYRUN <username> <command> [<arg> ...]", "    Tell whether the user may send that request.",
		"GENPASS [<bits>]", "    Make a password.",
		"GETUSER <username>", "    Tell of a user.",
		"LIST", "    Tell of all users, as a file of users has them.",
		"LOG [<count> | RESET]", "    Tell of requests that were not permitted, and of wrong passwords.",
		"USERS", "    List the names of all users.",
		"WHOAMI", "    Tell which user this connection is.",
		"HELP", "    Print this help.",
	})
}
