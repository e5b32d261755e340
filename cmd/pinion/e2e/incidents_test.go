// What an operator sees of what goes wrong: the table of the documents, held to the program.

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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
	add("unsaved", rig.FakeServer(t, "tcp", rig.FreeAddress(t), rig.Answering(func([]string) string { return "-MISCONF Redis is configured to save\r\n" })).Address, "redis: true")
	slow := rig.Answering(func([]string) string { time.Sleep(slowness); return "+OK\r\n" })
	add("slow", rig.FakeServer(t, "tcp", rig.FreeAddress(t), slow).Address, "redis: true")
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
		got, err := answerOf(p, control, "status")
		for name := range at {
			if name == "slow" {
				continue
			}
			if text := texts[name]; err == nil && (text == nil || !text.MatchString(got)) {
				err = fmt.Errorf("of %s, nothing matches %v in\n%s", name, text, got)
			}
		}
		return err
	})
	rig.Eventually(t, "telling that a server is slow", func() error {
		got, err := answerOf(p, control, "status", "--json")
		var s struct {
			Pools []struct {
				Name    string
				Servers []struct {
					P99US int64 `json:"p99_us"`
				}
			}
		}
		if err == nil {
			err = json.Unmarshal([]byte(got), &s)
		}
		for _, pool := range s.Pools {
			if p99 := pool.Servers[0].P99US; pool.Name == "slow" && p99 < slowness.Microseconds()*7/8 {
				err = fmt.Errorf("its P99 is %d µs", p99)
			}
		}
		return err
	})
}

// slowness is what a server that is only slow takes for a reply.
const slowness = 60 * time.Millisecond

// answerOf returns what a command answers that asks at the admin socket.
func answerOf(p *rig.Proxy, control string, args ...string) (string, error) {
	got, err := exec.Command(p.Cmd.Path, append(args, "--control", control)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, got)
	}
	return string(got), err
}

// What clients do, and what becomes of workers, is told likewise: by the status, or by the view that the table names.
func TestE2EIncidentsOfClients(t *testing.T) {
	t.Parallel()
	server := rig.RedisServerTCP(t, rig.FreeAddress(t))
	deaf := rig.FakeServer(t, "tcp", rig.FreeAddress(t), func(c net.Conn) { io.Copy(io.Discard, c) })
	var pools []rig.Pool
	at := map[string]string{}
	for name, server := range map[string]*rig.Backend{"huge": server, "memory": server, "flood": deaf} {
		at[name] = rig.FreeAddress(t)
		pools = append(pools, rig.Pool{Name: name, Listen: at[name], Options: []string{"redis: true"}, Servers: []string{server.Address + ":1 s"}})
	}
	control := filepath.Join(rig.ShortDir(t), "ctl")
	p := rig.Pinion(t, "global:\n  memory_limit: 8m\n"+rig.Yaml(pools...), "tcp", at["huge"], "--control", control, "--workers", "1")

	huge := p.Dial()
	huge.WantDo("+OK\r\n", "SET", "elephant", strings.Repeat("x", 1<<20))
	rig.Dial(t, "tcp", at["flood"], rig.ReadRESP).Send(rig.Request("GET", "k"))
	flood := rig.Dial(t, "tcp", at["flood"], rig.ReadRESP)
	flood.Send(strings.Repeat(rig.Request("GET", "k"), 100))
	for range 6 {
		c, err := net.Dial("tcp", at["memory"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go io.WriteString(c, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\n"+strings.Repeat("x", 4_000_000))
	}
	for _, view := range []struct{ first, command string }{
		{`(?m)^ +elephant\b|^.*\belephant\b`, "bigkeys --pool huge"},
		{`^ID .*\n.* flood .* 100 `, "clients --sort queue"},
	} {
		rig.Eventually(t, view.command, func() error {
			huge.WantDo("+OK\r\n", "SET", "mouse", "x")
			huge.Do("GET", "elephant")
			got, err := answerOf(p, control, strings.Fields(view.command)...)
			if err == nil && !regexp.MustCompile(view.first).MatchString(got) {
				err = fmt.Errorf("nothing matches %s in\n%s", view.first, got)
			}
			return err
		})
	}
	texts := incidentTexts(t)
	tells := func(name string) {
		rig.Eventually(t, "telling of "+name, func() error {
			got, err := answerOf(p, control, "status")
			if err == nil && !texts[name].MatchString(got) {
				err = fmt.Errorf("nothing matches %v in\n%s", texts[name], got)
			}
			return err
		})
	}
	tells("memory")
	syscall.Kill(p.Workers()[0], syscall.SIGKILL)
	tells("killed")
	for range 50 {
		rig.Dial(t, "tcp", at["huge"], rig.ReadRESP).WantDo("+PONG\r\n", "PING")
	}
	for _, pid := range append(p.Workers(), p.Pid()) {
		limit(t, pid, "nofile", 70)
	}
	tells("descriptors")
	for _, pid := range append(p.Workers(), p.Pid()) {
		limit(t, pid, "nofile", 1024)
	}
}

// incidentTexts returns what the table of the documents says that the status has, by the names in brackets.
func incidentTexts(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
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
			about := name[1] + "/s .*"
			switch name[1] {
			case "limit", "memory":
				about = "pool " + name[1] + ": .*"
			case "killed", "descriptors":
				about = ".*"
			}
			all[name[1]] = regexp.MustCompile("(?m)^  [A-Z]+: " + about + pattern)
		}
	}
	return all
}
