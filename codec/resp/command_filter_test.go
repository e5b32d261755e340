// COMMAND of a server without what is refused.

package resp

import (
	"fmt"
	"strings"
	"testing"
)

// infoFor makes the description of a command as servers do, with those of its subcommands.
func infoFor(name string, subs ...string) string {
	info := bulkOf(name) + ":-2\r\n*1\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*1\r\n+@read\r\n*0\r\n*0\r\n*" + fmt.Sprint(len(subs)) + "\r\n"
	return "*10\r\n" + info + strings.Join(subs, "")
}

func bulkOf(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func arrayOf(elements ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(elements), strings.Join(elements, ""))
}

// notThese allows what is not named.
func notThese(names string) func(name []byte) bool {
	return func(name []byte) bool {
		return IsAny(name, func(c *Command) bool { return c.Route != Refuse && !strings.Contains(" "+names+" ", " "+c.Name+" ") })
	}
}

func TestFilterCommands(t *testing.T) {
	const null = nullBulk
	old := "*6\r\n" + bulkOf("get") + ":2\r\n*0\r\n:1\r\n:1\r\n:1\r\n"
	for name, e := range map[string]struct {
		op      LocalOp
		reply   string
		refused string
		want    string
	}{
		"all": {LocalCommand, arrayOf(infoFor("get"), infoFor("nosuch"), infoFor("set")), "set", arrayOf(infoFor("get"))},
		"subcommands": {LocalCommand, arrayOf(infoFor("client", infoFor("client|id"), infoFor("client|info"))), "client|info",
			arrayOf(infoFor("client", infoFor("client|id")))},
		"no subcommand": {LocalCommand, arrayOf(infoFor("object", infoFor("object|freq"))),
			"object object|encoding object|freq object|help object|idletime object|refcount", arrayOf()},
		"of Redis 6":  {LocalCommand, arrayOf(old), "", arrayOf(old)},
		"info":        {LocalCommandInfo, arrayOf(infoFor("get"), null, infoFor("set")), "set", arrayOf(infoFor("get"), null, null)},
		"count":       {LocalCommandCount, arrayOf(infoFor("get"), infoFor("nosuch"), infoFor("set")), "", ":2\r\n"},
		"list":        {LocalCommandList, arrayOf(bulkOf("get"), bulkOf("CLIENT|ID"), bulkOf("client|nosuch"), bulkOf("set")), "set", arrayOf(bulkOf("get"), bulkOf("CLIENT|ID"))},
		"list, RESP3": {LocalCommandList, "~2\r\n" + bulkOf("get") + bulkOf("set"), "set", "~1\r\n" + bulkOf("get")},
		"docs": {LocalCommandDocs, arrayOf(bulkOf("get"), arrayOf(bulkOf("group"), bulkOf("string")), bulkOf("set"), arrayOf()), "set",
			arrayOf(bulkOf("get"), arrayOf(bulkOf("group"), bulkOf("string")))},
		"docs, RESP3": {LocalCommandDocs, "%2\r\n" + bulkOf("get") + "%0\r\n" + bulkOf("set") + "%0\r\n", "set", "%1\r\n" + bulkOf("get") + "%0\r\n"},
		"docs of subcommands": {LocalCommandDocs,
			arrayOf(bulkOf("client"), arrayOf(bulkOf("subcommands"), arrayOf(bulkOf("client|id"), arrayOf(), bulkOf("client|info"), arrayOf()))), "client|id",
			arrayOf(bulkOf("client"), arrayOf(bulkOf("subcommands"), arrayOf(bulkOf("client|info"), arrayOf())))},
		"error": {LocalCommandDocs, "-ERR no\r\n", "", "-ERR no\r\n"},
	} {
		got, ok := filterCommands([]byte("before"), []byte(e.reply), e.op, RESP2, notThese(e.refused))
		if !ok || string(got) != "before"+e.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, ok, e.want)
		}
	}
	for _, reply := range []string{"", "+OK\r\n", ":1\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n:1\r\n", "*1\r\n-ERR\r\n", "*-1\r\n", bulkOf("get")} {
		for _, op := range []LocalOp{LocalCommand, LocalCommandInfo, LocalCommandList, LocalCommandDocs, LocalCommandCount, LocalPing} {
			if got, ok := filterCommands(nil, []byte(reply), op, RESP2, notThese("")); ok && reply != "" {
				t.Errorf("operation %d: %q is taken for a reply: %q", op, reply, got)
			}
		}
	}
}

// Whatever a server says, what comes of it is one reply, or nothing.
func FuzzFilterCommands(f *testing.F) {
	f.Add([]byte(arrayOf(infoFor("client", infoFor("client|id")), "*-1\r\n")), uint8(LocalCommand))
	f.Add([]byte(arrayOf(bulkOf("get"), "=7\r\ntxt:get\r\n")), uint8(LocalCommandList))
	f.Add([]byte(arrayOf(bulkOf("client"), arrayOf(bulkOf("subcommands"), arrayOf(bulkOf("client|id"), arrayOf())))), uint8(LocalCommandDocs))
	f.Fuzz(func(t *testing.T, reply []byte, op uint8) {
		n, _, err := ConsumeReply(reply, Progress{})
		if err != nil || n == 0 {
			return
		}
		got, ok := filterCommands(nil, reply[:n], LocalOp(op), RESP2, notThese("set"))
		if !ok {
			return
		}
		if size, _, err := ConsumeReply(got, Progress{}); err != nil || size != len(got) {
			t.Errorf("%q becomes %q", reply[:n], got)
		}
	})
}
