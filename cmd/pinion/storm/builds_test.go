// Builds that know more and less than each other are upgraded into each other under load: whoever meets what it does not
// know ignores it, no client is lost, and totals count on.

package storm_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
)

// strangeRelease is a build that another developer could have made of this one.
var strangeRelease = release{version: "1.1.0-strange", strange: true}

// strangeness is what that build has more and less: in a file, one text takes the place of another one. It counts how many
// requests it forwards once more, and no clients that have hung up; it has one field more in every contract, which it sends,
// and one message more.
var strangeness = map[string][][2]string{
	"worker/link/counter.go": {
		{"\tRequestBytes\n", "\tRequestBytes\n\tEchoes\n"},
		{"\tRequestBytes:", "\tEchoes: {\"echoes\", Counter, \"requests, once more\"},\n\tRequestBytes:"},
		{"\tClientEOF = iota\n\tClientErr\n", "\tClientErr = iota\n"},
		{"\tClientEOF:", "\t// ClientEOF:"},
	},
	"worker/core/conn_inqueue.go": {{"\t*n[link.Requests]++\n", "\t*n[link.Requests]++\n\t*n[link.Echoes]++\n"}},
	"worker/core/client_end.go":   {{"\t*c.pool.counters[link.ClientEOF]++\n", ""}},
	"worker/core/run.go":          {{"\t\tl.master.send(link.Ready, nil)\n", "\t\tl.master.send(link.Ready, nil)\n\t}\n\tl.master.send(link.Kind(900), []byte(\"news\"))\n\t{\n"}},
	"worker/link/spec.go":         {{"\tGeneration      uint64\n", "\tTomorrow string\n\tGeneration uint64\n"}},
	"worker/link/topology.go": {
		{"type PoolTopology struct {\n", "type PoolTopology struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
		{"type ServerTopology struct {\n", "type ServerTopology struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
	},
	"worker/link/handoff.go": {
		{"type ClientsMovedBody struct {\n", "type ClientsMovedBody struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
		{"type PeerBody struct {\n", "type PeerBody struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
		{"type MoveClientsBody struct {\n", "type MoveClientsBody struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
		{"type OrphanBody struct {\n", "type OrphanBody struct {\n\tTomorrow string `json:\"tomorrow\"`\n"},
	},
	"worker/handoff/record_fields.go": {
		{"\t{13, \"idle time\", ", "\t{60, \"news\", text(func(*Record) *string { news := \"news\"; return &news })},\n\t{13, \"idle time\", "},
	},
	"worker/handoff/message.go": {
		{"\tcase Offer:\n\t\tdst = ", "\tcase Offer:\n\t\tdst = appendText(dst, 60, \"news\")\n\t\tdst = "},
	},
	"master/handoff_message.go": {{"type message struct {\n", "type message struct {\n\tTomorrow string `json:\"tomorrow\"`\n"}},
}

// overlay writes the strange files, and what tells the compiler of them, below dir.
func overlay(dir string) (file string, err error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, changes := range strangeness {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", err
		}
		source := string(text)
		for _, change := range changes {
			if strings.Count(source, change[0]) != 1 {
				return "", fmt.Errorf("%s does not have %q once", name, change[0])
			}
			source = strings.Replace(source, change[0], change[1], 1)
		}
		replace[filepath.Join(root, name)] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(replace[filepath.Join(root, name)], []byte(source), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o600)
}

// releasedBinary names a binary of an earlier release, to be upgraded from and to as well.
const releasedBinary = "PINION_STORM_RELEASED"

func TestE2EBuildsMeet(t *testing.T) {
	t.Parallel()
	server := rig.RedisServer(t)
	others := map[string]string{"strange": strangeRelease.build(t)}
	if path := os.Getenv(releasedBinary); path != "" {
		others["released"] = path
	}
	for name, other := range others {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			buildsMeet(t, server, other, name == "strange")
		})
	}
}

// buildsMeet upgrades from this build to another one and back, twice, and has each reload.
func buildsMeet(t *testing.T, server *rig.Backend, other string, counts bool) {
	s := newLone(t, oldRelease)
	s.begun()
	s.write("global:\n  workers: 2\n" + rig.Yaml(rig.Pool{
		Name: "alpha", Listen: s.in["redis"].at, Options: []string{"redis: true"}, Servers: rig.Lines([]*rig.Backend{server}),
	}))
	if _, err := s.order("reload"); err != nil {
		t.Fatal(err)
	}
	load := s.load(8)
	seen := map[string]any{}
	quiet := rig.Dial(t, "tcp", s.in["redis"].at, rig.ReadRESP) // asks only now and then
	echoes := 0.0
	for i := range 4 {
		if i%2 == 0 {
			s.installFile(other)
		} else {
			s.install(oldRelease)
		}
		for _, command := range []string{"upgrade", "reload"} {
			load.goesOn()
			s.countsForward(seen)
			if out, err := s.order(command); err != nil {
				t.Fatalf("%d: %v: %s", i, err, out)
			}
			quiet.WantDo("+PONG\r\n", "PING")
		}
		load.goesOn()
		s.hangUp()
		if all := s.countsForward(seen); counts && i%2 == 0 {
			now, _ := serverOf(all)["echoes"].(float64)
			if now <= echoes {
				t.Errorf("%v echoes, %v before", now, echoes)
			}
			echoes = now
			if _, there := all["alpha"].(map[string]any)["client_eof"]; there {
				t.Error("the other build counts what it does not know")
			}
		}
	}
	load.goesOn()
	load.end()
	s.countsForward(seen)
	s.stopped()
}

// hangUp is a client that comes and goes.
func (s *scene) hangUp() {
	s.t.Helper()
	c, err := net.Dial("tcp", s.in["redis"].at)
	if err != nil {
		s.t.Fatal(err)
	}
	c.Close()
}

// serverOf returns the statistics of the one server.
func serverOf(all map[string]any) map[string]any {
	for _, value := range all["alpha"].(map[string]any) {
		if server, ok := value.(map[string]any); ok {
			return server
		}
	}
	return nil
}

// countsForward reports what has gone back since it was last seen, and returns the statistics.
func (s *scene) countsForward(seen map[string]any) (all map[string]any) {
	s.t.Helper()
	rig.Eventually(s.t, "the statistics", func() error {
		text, err := rig.Fetch(s.stats)
		if err != nil {
			return err
		}
		all = nil
		return json.Unmarshal([]byte(text), &all)
	})
	delete(all, "uptime")
	delete(all, "timestamp")
	rig.CheckForward(s.t, "", seen, all)
	remember(seen, all)
	return all
}

// remember puts what is there now over what was seen before.
func remember(seen, now map[string]any) {
	for name, value := range now {
		below, ok := value.(map[string]any)
		if !ok {
			seen[name] = value
			continue
		}
		old, _ := seen[name].(map[string]any)
		if old == nil {
			old = map[string]any{}
			seen[name] = old
		}
		remember(old, below)
	}
}

// load is clients that ask all the time, and check what they are told.
type load struct {
	t     *testing.T
	asked atomic.Int64
	ended atomic.Bool
	done  sync.WaitGroup
}

func (s *scene) load(clients int) *load {
	s.t.Helper()
	l := &load{t: s.t.(*testing.T)}
	for i := range clients {
		c, err := net.Dial("tcp", s.in["redis"].at)
		if err != nil {
			s.t.Fatal(err)
		}
		l.done.Go(func() {
			defer c.Close()
			if err := l.talk(c, fmt.Sprint("key", i)); err != nil {
				l.t.Errorf("client %d: %v", i, err)
				l.ended.Store(true)
			}
		})
	}
	s.t.Cleanup(l.end)
	return l
}

func (l *load) talk(c net.Conn, key string) error {
	in := bufio.NewReader(c)
	for n := 0; !l.ended.Load(); n++ {
		value := fmt.Sprint(n)
		want := "+OK\r\n" + rig.Bulk(value)
		if _, err := io.WriteString(c, rig.Request("SET", key, value)+rig.Request("GET", key)); err != nil {
			return err
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil {
			return fmt.Errorf("after %d rounds, with %q: %w", n, got, err)
		}
		if string(got) != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		l.asked.Add(1)
	}
	return nil
}

// goesOn waits for some more requests.
func (l *load) goesOn() {
	l.t.Helper()
	before := l.asked.Load()
	rig.Eventually(l.t, "serving", func() error {
		if l.ended.Load() {
			return nil
		}
		if n := l.asked.Load() - before; n < 100 {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
}

func (l *load) end() {
	l.ended.Store(true)
	l.done.Wait()
}
