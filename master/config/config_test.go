// Whole files: those that must be read, with the configuration they mean, and those that must not, with all that is
// wrong. "go test ./master/config -update" writes the golden files anew, to be reviewed.

package config

import (
	"crypto/sha256"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

var update = flag.Bool("update", false, "write golden files anew")

// resolveTest knows the literals that the real resolver knows, and one name.
func resolveTest(host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	if addr, ok := parseClassicIPv4(host); ok {
		return addr, nil
	}
	if host == "localhost" {
		return netip.MustParseAddr("::1"), nil
	}
	return netip.Addr{}, errors.New("no such host")
}

func glob(t testing.TB, patterns ...string) []string {
	t.Helper()
	var files []string
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil || len(matches) == 0 {
			t.Fatalf("no files match %q: %v", pattern, err)
		}
		files = append(files, matches...)
	}
	return files
}

// goodFiles: testdata/nutcracker holds what nutcracker 0.5.0 accepts with -t as well.
func goodFiles(t testing.TB) []string {
	return glob(t, "testdata/nutcracker/*.yml", "testdata/good/*.yml", "testdata/good/*.conf",
		"../../packaging/conf/*.yml", "../../packaging/conf/*.conf")
}

func badFiles(t testing.TB) []string { return glob(t, "testdata/bad/*.yml", "testdata/bad/*.conf") }

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(readFile(t, file)); got != want {
		t.Errorf("differs from %s:\n%s\nwant:\n%s", file, got, want)
	}
}

func printed(t *testing.T, c *Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoodFiles(t *testing.T) {
	for _, file := range goodFiles(t) {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			c, err := parse(name, readFile(t, file), resolveTest)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/printed/"+name+".golden", printed(t, c)+"\n"+c.Warnings(Machine{Workers: 2}).Error()+"\n")
			roundTrip(t, c)
		})
	}
}

func TestBadFiles(t *testing.T) {
	for _, file := range badFiles(t) {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			c, err := parse(name, readFile(t, file), resolveTest)
			var problems Problems
			if c != nil || !errors.As(err, &problems) {
				t.Fatalf("got %v, %v; want Problems", c, err)
			}
			golden(t, file+".golden", problems.Error()+"\n")
		})
	}
}

func TestParseFillsEveryField(t *testing.T) {
	c, err := parse("every-key.yml", readFile(t, "testdata/nutcracker/every-key.yml"), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	want := link.Pool{
		Name: "every", Protocol: link.Redis, Hash: "jenkins", Distribution: "modula", HashTag: "[]",
		Timeout: 400 * time.Millisecond, ClientConnections: 16384, TCPKeepalive: true, Password: "foobared", DB: 3,
		Preconnect: true, AutoEjectHosts: true, ServerConnections: 2, ServerRetryTimeout: 2 * time.Second,
		ServerFailureLimit: 1, ClientOutstanding: 4096, ClientOutputSoft: 1 << 20, ClientOutputHard: 1 << 30, SubscriberOutput: 32 << 20, Dedicated: 1024, Databases: 1,
		MaxRequestBytes: 512 << 20, CrossShard: link.CrossShardRefuse, MGetErrors: link.MGetErrorsAll, DrainPing: link.DrainPingPong, Deny: []string{"default"}, ReadFrom: link.ReadFromMaster, EjectLatencyFloor: 10 * time.Millisecond, SlowLog: 10 * time.Millisecond,
		Servers: []link.Server{
			{Name: "127.0.0.1:6379", Network: "tcp", Address: "127.0.0.1:6379", Weight: 1},
			{Name: "127.0.0.1:6380", Network: "tcp", Address: "127.0.0.1:6380", Weight: 2},
		},
	}
	p := c.Pools[0]
	if !reflect.DeepEqual(p.Pool, want) {
		t.Errorf("got  %+v\nwant %+v", p.Pool, want)
	}
	listen := Listen{Network: "tcp", Address: "127.0.0.1:22121", Text: "127.0.0.1:22121",
		AddrPort: netip.MustParseAddrPort("127.0.0.1:22121")}
	if p.Listen != listen || p.Backlog != 1024 || p.Line != 2 {
		t.Errorf("got listen %+v, backlog %d, line %d", p.Listen, p.Backlog, p.Line)
	}
	global := Global{ShutdownTimeout: 20 * time.Second, HandoffPatience: 2 * time.Second, UnreachableServers: UnreachableLax, Orphans: link.OrphansAuto,
		MemoryLimit: AutoMemory, Coalesce: 50 * time.Microsecond, KeySamples: 1000, LogLevel: 5, LogFormat: LogText}
	if g := bare(c).Global; !reflect.DeepEqual(g, global) {
		t.Errorf("got global %+v, want %+v", g, global)
	}
	if want := sha256.Sum256(readFile(t, "testdata/nutcracker/every-key.yml")); c.Sum != want {
		t.Errorf("got sum %x, want %x", c.Sum, want)
	}
}

func TestParseFillsGlobal(t *testing.T) {
	c, err := parse("pinion-keys.yml", readFile(t, "testdata/good/pinion-keys.yml"), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	want := Global{Workers: 4, ShutdownTimeout: 5 * time.Second, UnreachableServers: UnreachableStrict, ReloadOnChange: true, Orphans: link.OrphansDrain,
		HTTP: Listen{Network: "unix", Address: "/run/pinion/http.sock", Text: "/run/pinion/http.sock 0660", Perm: 0o660}, DrainDelay: 5 * time.Second, KeySamples: 1000, LogLevel: 5, LogFormat: LogText}
	if g := bare(c).Global; !reflect.DeepEqual(g, want) {
		t.Errorf("got global %+v, want %+v", g, want)
	}
}

func TestParseFillsLimits(t *testing.T) {
	c, err := parse("limits.conf", readFile(t, "testdata/good/limits.conf"), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	if g := c.Global; g.MemoryLimit != 768<<20 || g.Coalesce != 70*time.Microsecond {
		t.Errorf("got global %+v", g)
	}
	got, want := c.Pools[0].Pool, c.Pools[0].Pool
	want.ClientIdleTimeout = 10 * time.Minute
	want.ClientOutstanding = 100
	want.ClientOutputSoft = 65536
	want.ClientOutputHard = 64 << 20
	want.MaxRequestBytes = 1<<31 - 1
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoad(t *testing.T) {
	if c, err := Load("testdata/good/short.conf"); err != nil || c.File != "testdata/good/short.conf" {
		t.Errorf("got %+v, %v", c, err)
	}
	_, err := Load("testdata/none.yml")
	if err == nil || err.Error() != `reading configuration "testdata/none.yml": no such file or directory` {
		t.Errorf("got %v", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if _, err := Load("testdata"); err == nil || err.Error() != `reading configuration "testdata": is a directory` {
		t.Errorf("got %v", err)
	}
	if _, err := Load("/dev/zero"); err == nil || err.Error() != `reading configuration "/dev/zero": longer than 64 MiB: this is no configuration file` {
		t.Errorf("got %v", err)
	}
}

func TestSpecs(t *testing.T) {
	c, err := parse("pinion.conf", readFile(t, "../../packaging/conf/pinion.conf"), resolveTest)
	if err != nil {
		t.Fatal(err)
	}
	base := link.Spec{Generation: 7, Build: "1.2.3", Verbosity: 6, MemoryLimit: 5 << 20, Listeners: []link.Listener{{}}}
	specs := c.Specs(base, []int{2, -1, 5})
	if len(specs) != 3 {
		t.Fatalf("got %d specs", len(specs))
	}
	for slot, s := range specs {
		want := link.Spec{Generation: 7, Build: "1.2.3", Verbosity: 6, Slot: slot, Slots: 3, CPU: []int{2, -1, 5}[slot],
			ShutdownTimeout: 10 * time.Second, Orphans: link.OrphansAuto, MemoryLimit: 5 << 20, Coalesce: 50 * time.Microsecond, KeySamples: 1000, ConfigHash: c.Hash(),
			Pools: []link.Pool{c.Pools[0].Pool, c.Pools[1].Pool}}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("slot %d: got %+v\nwant %+v", slot, s, want)
		}
	}
	if specs[0].Pools[0].Name != "cache" {
		t.Errorf("first pool is %q, want the one with the shorter name", specs[0].Pools[0].Name)
	}
}

// The memory limit is what the file says; only auto leaves it to the master.
func TestSpecsMemoryLimit(t *testing.T) {
	for text, want := range map[string]int64{"auto": 5 << 20, "0": 0, "1g": 1 << 30} {
		c, err := parse("m", []byte("memory_limit "+text+"\nlisten 127.0.0.1:22121\nbackend a a:6379\n"), resolveTest)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Specs(link.Spec{MemoryLimit: 5 << 20}, []int{0})[0].MemoryLimit; got != want {
			t.Errorf("memory_limit %s is %d, want %d", text, got, want)
		}
	}
}

// A password that no client could give is refused.
func TestLongPassword(t *testing.T) {
	for length, fine := range map[int]bool{1: true, maxPasswordBytes: true, maxPasswordBytes + 1: false} {
		text := "listen 127.0.0.1:22121\nbackend a a:6379\nredis_auth " + strings.Repeat("x", length)
		_, err := parse("m", []byte(text), resolveTest)
		if fine != (err == nil) || !fine && !strings.Contains(err.Error(), "is longer than 16384 bytes; no client could give it") {
			t.Errorf("a password of %d bytes: %.300v", length, err)
		}
	}
}

// The two formats are told apart by their first line that says something.
func TestIsShortForm(t *testing.T) {
	short := []string{"listen 127.0.0.1:1", "listen\t/tmp/x", "# c\n\n  pool x", "hash_tag ::", "listen", "lisen 1:1",
		byteOrderMark + "workers 2", "redis_auth a: b", "pool\r\n"}
	yaml := []string{"", "# c", "alpha:", "alpha :", "pool :", "listen : {}", "pool:", "---\nlisten 1",
		"my pool:", "my pool: {}", "{a: {}}", "? a", "\"a b\": {}", "- a", "alpha", byteOrderMark + "alpha:", "%YAML 1.1", "10.0.0.1 is:"}
	for _, text := range short {
		if !isShortForm([]byte(text)) {
			t.Errorf("%q is not taken for the short form", text)
		}
	}
	for _, text := range yaml {
		if isShortForm([]byte(text)) {
			t.Errorf("%q is taken for the short form", text)
		}
	}
}
