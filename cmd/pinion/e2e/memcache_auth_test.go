// memcached pools with a password, beside a memcached that asks for the same one.

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// memcachedWithPassword starts a memcached that asks text clients for a user and a password. It answers as one that does not.
func memcachedWithPassword(t *testing.T, lines string) *rig.Backend {
	t.Helper()
	dir := rig.ShortDir(t)
	file, path := filepath.Join(dir, "auth"), filepath.Join(dir, "memcached.sock")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return rig.MemcachedAt(t, "unix", path, "-s", path, "-Y", file)
}

// strangerTalks are what text clients send who may not be authenticated, line by line: each gets one reply.
var strangerTalks = []string{
	"get k|version|quit|bogus|stats|set x|set x 0 0 x|mn",
	"set x 0 0 12\r\nalice secret|set k 1 0 3\r\nabc|get k|set x 0 0 11\r\nalice wrong|get x",
	"set x 0 0 11\r\nalice wrong|get k|set x 0 0 12\r\nalice secret|get none",
	"set x 7 99 12 noreply\r\nalice secret|get none",
	"set  x  0  0  12 \r\nalice secret|get none",
	"add x 0 0 12\r\nalice secret|get none",
	"set x 0 0 11\r\nbob hunter2|get none",
	"set x 0 0 11\r\nalicesecret|set x 0 0 5\r\nalice|set x 0 0 13\r\nbob hunter22 |SET x 0 0 12\r\nalice secret",
}

// Who gives no password, or a wrong one, is told what memcached says, word for word; who gives the right one is served.
func TestE2EMemcacheAuthLikeMemcached(t *testing.T) {
	t.Parallel()
	const alice = "alice:secret\n"
	alone := memcachedWithPassword(t, alice)
	asking := rig.Several(3, func() *rig.Backend { return memcachedWithPassword(t, alice) })
	for name, p := range map[string]*rig.Proxy{
		"a pool of one that asks":   rig.MemcachePool(t, asking[:1], "memcached_auth: alice:secret"),
		"a pool of three that ask":  rig.MemcachePool(t, asking, "memcached_auth: alice:secret", "auto_eject_hosts: true"),
		"a pool of one that do not": rig.MemcachePool(t, []*rig.Backend{rig.MemcachedServer(t)}, "memcached_auth: alice:secret"),
	} {
		for _, talk := range strangerTalks {
			theirs, ours := alone.Dial(), p.Dial()
			for i, line := range strings.Split(talk, "|") {
				theirs.Send(line + "\r\n")
				ours.Send(line + "\r\n")
				if want, got := theirs.Reply(), ours.Reply(); got != want {
					t.Errorf("%s: %q, line %d: got %q, memcached says %q", name, talk, i, got, want)
				}
			}
		}
		if log := p.Output.String(); strings.Contains(log, "secret") || strings.Contains(log, "hunter") {
			t.Errorf("%s: the log has a password", name)
		}
	}
}

// A client of the binary protocol authenticates by SASL PLAIN, in packets as those of a memcached with SASL; its mechanisms, and its
// version, are told to everyone.
func TestE2EMemcacheSASL(t *testing.T) {
	t.Parallel()
	server := memcachedWithPassword(t, "alice:secret\n")
	p := rig.MemcachePool(t, []*rig.Backend{server}, "memcached_auth: alice:secret")
	reply := func(opcode byte, status byte, value string) string {
		request := binaryPacket(opcode, 0, "", "", value)
		return "\x81" + request[1:7] + string([]byte{status}) + request[8:]
	}
	plain := func(opcode byte, value string) string { return binaryPacket(opcode, 0, "", "PLAIN", value) }
	noop, denied := binaryPacket(0x0a, 0, "", "", ""), reply(0x0a, 0x20, "Auth failure.")
	for _, e := range []struct{ requests, want []string }{
		{[]string{binaryPacket(0x20, 0, "", "", ""), noop, noop}, []string{reply(0x20, 0, "PLAIN"), denied}},
		{[]string{plain(0x21, "\x00alice\x00secret"), noop}, []string{reply(0x21, 0, "Authenticated"), reply(0x0a, 0, "")}},
		{[]string{plain(0x21, "alice\x00alice\x00secret"), noop}, []string{reply(0x21, 0, "Authenticated"), reply(0x0a, 0, "")}},
		{[]string{plain(0x21, "bob\x00alice\x00secret"), noop}, []string{reply(0x21, 0x20, "Auth failure."), denied}},
		{[]string{plain(0x21, ""), plain(0x22, "\x00alice\x00secret"), noop}, []string{reply(0x21, 0x21, ""), reply(0x22, 0, "Authenticated"), reply(0x0a, 0, "")}},
		{[]string{plain(0x21, "\x00alice\x00secret"), plain(0x21, "\x00alice\x00secre"), noop},
			[]string{reply(0x21, 0, "Authenticated"), reply(0x21, 0x20, "Auth failure."), denied}},
		{[]string{binaryPacket(0x21, 0, "", "CRAM-MD5", "x"), plain(0x21, "\x00alice\x00secret"), noop},
			[]string{reply(0x21, 0x20, "Auth failure."), reply(0x21, 0, "Authenticated"), reply(0x0a, 0, "")}},
	} {
		got := exchangeBinary(t, p.Dial(), strings.Join(e.requests, ""))
		if strings.Join(got, "|") != strings.Join(e.want, "|") {
			t.Errorf("%q: got %q, want %q", e.requests, got, e.want)
		}
	}
	got := exchangeBinary(t, p.Dial(), plain(0x21, "\x00alice\x00secret")+storePacket(0x01, 0, 0, 0, "apple", "value")+
		binaryPacket(0x00, 0, "", "apple", "")+binaryPacket(0x0b, 0, "", "", ""))
	if len(got) != 4 || !strings.HasSuffix(got[2], "value") || got[3][7] != 0 {
		t.Errorf("once authenticated: %q", got)
	}
	if got := exchangeBinary(t, rig.MemcachePool(t, []*rig.Backend{rig.MemcachedServer(t)}).Dial(), binaryPacket(0x20, 0, "", "", "")+noop); len(got) != 2 ||
		got[0] != reply(0x20, 0x81, "Unknown command") {
		t.Errorf("without a password: %q", got)
	}
}

// A client stays authenticated across a reload; with another password of the servers, nothing is asked in vain.
func TestE2EMemcacheAuthAcrossReloads(t *testing.T) {
	t.Parallel()
	server, address := memcachedWithPassword(t, "alice:secret\n"), rig.FreeAddress(t)
	config := func(auth string) string {
		return rig.Yaml(rig.Pool{Name: "pool", Listen: address, Options: []string{"memcached_auth: " + auth}, Servers: rig.Lines([]*rig.Backend{server})})
	}
	o := operate(t, config("alice:secret"), address)
	o.Proxy.Read = rig.ReadMemcache
	c := o.Dial()
	want := func(line, reply string) {
		t.Helper()
		if got := c.Line(line); got != reply {
			t.Errorf("%q: got %q, want %q", line, got, reply)
		}
	}
	want("set auth 0 0 12\r\nalice secret", "STORED\r\n")
	if text, err := o.command("reload"); err != nil {
		t.Errorf("reload: %v, %s", err, text)
	}
	want("set k 0 0 1\r\nv", "STORED\r\n")
	want("get k", "VALUE k 0 1\r\nv\r\nEND\r\n")
	o.configure(t, config("alice:wrong"))
	if text, err := o.command("reload"); err == nil || !strings.Contains(fmt.Sprint(text, err), "refuses memcached_auth") {
		t.Errorf("reload with a wrong password: %v, %s", err, text)
	}
	want("get k", "VALUE k 0 1\r\nv\r\nEND\r\n")
	o.configure(t, rig.Yaml(rig.Pool{Name: "pool", Listen: address, Servers: rig.Lines([]*rig.Backend{server})}))
	o.reloads(t, "wants a password; set memcached_auth")
	want("get k", "VALUE k 0 1\r\nv\r\nEND\r\n")
}
