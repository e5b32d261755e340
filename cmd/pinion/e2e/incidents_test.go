// What an operator sees of what goes wrong: the table of the documents, held to the program.

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// Each incident that the table names in brackets happens in a pool of that name, whose server is "s": the status has the text.
func TestE2EIncidents(t *testing.T) {
	t.Parallel()
	at := map[string]string{}
	var pools []rig.Pool
	add := func(name, server string, options ...string) {
		at[name] = rig.FreeAddress(t)
		pools = append(pools, rig.Pool{Name: name, Listen: at[name], Options: append([]string{"timeout: 500"}, options...), Servers: []string{server + ":1 s"}})
	}
	redis := func(options ...string) *rig.Backend { return rig.RedisServerTCP(t, rig.FreeAddress(t), options...) }
	hung, crowded := redis(), redis("--maxclients", "1")
	add("dead", rig.FreeAddress(t), "redis: true")
	add("hung", hung.Address, "redis: true")
	add("full", redis("--maxmemory", "1").Address, "redis: true")
	add("wants", redis("--requirepass", "right").Address, "redis: true")
	add("wrong", redis("--requirepass", "right").Address, "redis: true", "redis_auth: other")
	add("notredis", rig.MemcachedServer(t).Address, "redis: true")
	add("notmemcache", redis().Address)
	add("tls", rig.FakeServer(t, "tcp", rig.FreeAddress(t), func(c net.Conn) { c.Read(make([]byte, 1)); c.Close() }).Address, "redis: true")
	add("name", "nothing.invalid:6379", "redis: true")
	add("many", crowded.Address, "redis: true")
	add("limit", redis().Address, "redis: true", "client_connections: 1")
	control := filepath.Join(rig.ShortDir(t), "ctl")
	p := rig.Pinion(t, rig.Yaml(pools...), "tcp", at["dead"], "--control", control)

	hung.Signal(syscall.SIGSTOP)
	defer hung.Signal(syscall.SIGCONT)
	crowded.Dial().WantDo("+PONG\r\n", "PING")
	for name, address := range at {
		read := rig.ReadRESP
		if name == "notmemcache" {
			read = rig.ReadMemcache
		}
		c := rig.Dial(t, "tcp", address, read)
		switch name {
		case "notmemcache":
			c.Send("get k\r\n")
			continue
		case "wrong":
			c.Do("AUTH", "other")
		}
		c.Send(rig.Request("SET", "k", "v"))
	}
	texts := incidentTexts(t)
	rig.Eventually(t, "telling of every incident", func() error {
		got, err := exec.Command(p.Cmd.Path, "status", "--control", control).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, got)
		}
		for name := range at {
			if text := texts[name]; text == nil || !text.Match(got) {
				return fmt.Errorf("of %s, nothing matches %v in\n%s", name, text, got)
			}
		}
		return nil
	})
}

// incidentTexts returns what the table of the documents says that the status has, by the names in brackets.
func incidentTexts(t *testing.T) map[string]*regexp.Regexp {
	text, err := os.ReadFile("../../../packaging/doc/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n### At a glance\n")
	table, _, _ = strings.Cut(table, "\n### ")
	all := map[string]*regexp.Regexp{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([^|]*) \\| [^|]* \\| `([^`]*)`").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile(`\[(\w+)\]`).FindAllStringSubmatch(row[1], -1) {
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimPrefix(row[2], "… ")), "…", ".+")
			server := name[1] + "/s .*"
			if strings.HasPrefix(row[2], "… of at most") {
				server = "pool " + name[1] + ": .+"
			}
			all[name[1]] = regexp.MustCompile("(?m)^  [A-Z]+: " + server + pattern)
		}
	}
	return all
}
