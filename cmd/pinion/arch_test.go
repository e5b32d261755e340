// The directions of dependency, as a test: what may import what, and why. A change that needs another direction changes
// this file first, where a reviewer sees it.

package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	repository = "../.."
	module     = "github.com/pinion-proxy/pinion/"
)

// directions says which folders of ours a folder may import. A folder stands for itself alone, with "/..." for all below
// it, too. A folder that is not here may not exist.
var directions = []struct {
	folder string
	may    []string
	why    string
}{
	{"codec/resp", nil, "a codec is bytes in, offsets out: it knows of no key placement, no loop, no other protocol"},
	{"codec/memcache", nil, "a codec is bytes in, offsets out: it knows of no key placement, no loop, no other protocol"},
	{"codec/acl", []string{"codec/resp"}, "what a user may send follows from rules and from the command table: it knows no client, and nobody who has logged in"},
	{"shard/hash", nil, "a hash function knows bytes only"},
	{"shard", []string{"shard/hash"}, "where a key lives depends on names and bytes, not on protocols or processes"},
	{"worker/poll", []string{"worker/fault"}, "the system calls know nothing of what they carry"},
	{"worker/sock", []string{"worker/fault"}, "the system calls know nothing of what they carry"},
	{"worker/fault", nil, "everything can be made to break, so what breaks it needs nothing"},
	{"worker/transcript", nil, "scripts are played for master and worker alike, and it knows neither"},
	{"worker/sketch", nil, "which keys are counted, and for whom, is not the concern of counting"},
	{"worker/link", []string{"worker/sketch"}, "the contract between master and worker belongs to neither"},
	{"worker/tlsrec", nil, "records are bytes in and bytes out, like a codec: it knows no descriptor and no handshake"},
	{"worker/tlshake", []string{"worker/tlsrec"}, "a handshake is records in and records out: it knows no connection, and whoever drives it no crypto/tls"},
	{"worker/logevent", nil, "what is told in the log is a contract with those who read it, whoever writes and whoever carries it"},
	{"worker/timer", nil, "what is due is known without a clock, and without what happens then"},
	{"worker/sandbox", []string{"worker/link"}, "what a worker may reach follows from its spec alone"},
	{"worker/resolve", []string{"worker/sock"}, "who looks up a name knows neither what the address is for nor who waits for it"},
	{"worker/signer", []string{"worker/sock"}, "who makes a signature knows neither the handshake that needs it nor the key"},
	{"worker/memory", []string{"worker/sock", "worker/timer"},
		"who has a buffer, and what is done when too much is held, is the loop's business: memory counts"},
	{"worker/stream", []string{"worker/memory", "worker/sock", "worker/timer", "worker/tlsrec", "worker/tlshake"},
		"a stream is bytes and a descriptor: it knows no protocol and no owner, and nobody but it whether the bytes are encrypted"},
	{"worker/handoff", []string{"worker/link"}, "the handoff is a state machine without sockets, known to both sides"},
	{"worker/core", []string{"codec/...", "shard/...", "worker/fault", "worker/handoff", "worker/link", "worker/logevent", "worker/memory", "worker/poll", "worker/resolve",
		"worker/signer", "worker/sketch", "worker/sock", "worker/stream", "worker/timer"},
		"the core serves; it reads no configuration and asks nobody: what it needs is in its spec"},
	{"worker", []string{"worker/core", "worker/fault", "worker/link", "worker/logevent", "worker/sandbox", "worker/sock"},
		"the entry takes over what the master made and confines the process; serving is the core's"},
	{"master/certs", []string{"worker/link"}, "a certificate is good or not wherever it is named, and so is a server's: nothing of the configuration is needed"},
	{"master/certs/certtest", nil, "certificates for tests are made of the standard library, so that any test may have some"},
	{"master/testkit", nil, "what tests ask of their process and of time does not depend on what they test"},
	{"master/config", []string{"codec/acl", "codec/resp", "master/certs", "shard/...", "worker/link"},
		"a configuration becomes specs; nothing is opened for it but the certificates, passwords and users' files that it names, and names in it are checked against the tables that have them"},
	{"master/logfile", []string{"worker/logevent"}, "a log takes events of its table, and what workers tell, whatever they are about"},
	{"master/watch", nil, "a watch sees one file, whatever is in it"},
	{"master/pidfile", []string{"worker/fault"}, "a pid file holds a number"},
	{"master/limits", []string{"worker/sock"}, "what the machine allows does not depend on who wants it"},
	{"master/totals", []string{"shard", "worker/link", "worker/sketch", "worker/sock"}, "counters are words in memory: who has written them, and when, is not in their sum"},
	{"master/systemd", []string{"worker/fault", "worker/sock"}, "the service manager is told and asked; what is worth telling others know"},
	{"master/discover", []string{"master/certs", "worker/link"}, "where servers are is found out beside the master's loop: it decides who is told"},
	{"master/replica", []string{"master/certs", "worker/link", "worker/sock"}, "replicas are judged beside the master's loop by what they say, whoever has found them: workers are told in shared memory"},
	{"master/outlier", []string{"worker/link"}, "which server is slower than the others follows from their histograms alone, without a clock, a memory or a consequence"},
	{"master/reach", []string{"master/certs", "master/config", "worker/link"}, "who is asked follows from the configuration, and is asked in plain words: no library tries twice or waits for long"},
	{"master/query", nil, "what parameters say is read by whoever answers, and belongs to none of them"},
	{"master/admin", []string{"master/query", "worker/sock"}, "who asks and what is answered is a contract with tools; what follows is the master's business"},
	{"master/metrics", []string{"master/process", "master/totals", "shard", "worker/link", "worker/sock"},
		"metrics follow from what the loop hands out and from the tables of counters: they decide nothing"},
	{"master/history", []string{"worker/link"}, "what happened lately is kept without a clock, and without knowing who has counted it"},
	{"master/live", []string{"master/admin", "master/history", "master/metrics", "master/process", "master/totals", "shard/...", "worker/link", "worker/sock"},
		"what the page shows follows from what the loop hands out and from the memory: it decides nothing, and knows no browser"},
	{"master/web", []string{"master/admin", "master/certs", "master/history", "master/live", "master/metrics", "master/query", "master/totals", "worker/link", "worker/sock"}, "pages are made of what the loop hands out: it decides nothing, and knows no other way to anything"},
	{"master/takeover", []string{"master/process", "worker/sock"}, "another program's sockets are copied, and it is ended, whatever they are for"},
	{"master/survey", []string{"master/admin", "master/query", "worker/link", "worker/sock"}, "workers are asked through the loop, beside it: what they say is passed on to who asks, and not judged"},
	{"master/listen", []string{"master/config", "master/logfile", "worker/fault", "worker/link", "worker/sock"},
		"sockets are opened and kept whoever accepts from them"},
	{"master/process", []string{"worker/fault", "worker/link", "worker/sock"},
		"workers are started, told and heard here; whether and when is the master's decision"},
	{"master", []string{"master/...", "worker/fault", "worker/link", "worker/logevent", "worker/sock", "shard/..."},
		"the master never touches a client byte, so it has no use for the loop, for epoll, or for a codec"},
	{"cmd/pinion/top", []string{"master/admin", "worker/link"}, "a page shows what the admin socket answers: it asks through a function, and runs on samples alone"},
	{"cmd/pinion", []string{"cmd/pinion/top", "codec/...", "shard/...", "worker", "worker/fault", "worker/link", "master/..."},
		"commands use what the packages offer; descriptors are not their business"},
	{"cmd/pinion/e2e/rig", []string{"master/certs/certtest"}, "what starts the program and real servers sees them from outside"},
	{"cmd/pinion/e2e", []string{"cmd/pinion/e2e/rig", "shard/..."}, "a test of the program runs it; where a key should live it works out itself"},
	{"cmd/pinion/storm", []string{"cmd/pinion/e2e/rig"}, "a storm runs the program and breaks it, from outside"},
	{"cmd/pinion-bench/...", []string{"cmd/pinion-bench/...", "worker/poll", "worker/sock", "worker/tlsrec", "worker/tlshake"},
		"the bench sees a proxy from outside: it shares the system calls and the records of TLS with a worker, never the loop or the policy"},
}

// forTests are folders of ours that any test may import: the last two are a peer that speaks TLS.
var forTests = []string{"worker/transcript", "master/certs/certtest", "master/testkit", "worker/tlsrec", "worker/tlshake"}

// doors says which files may import a package from elsewhere. Tests may use what is for tests only.
var doors = []struct {
	path  string // and everything below it
	files *regexp.Regexp
	why   string
}{
	{"golang.org/x/sys", regexp.MustCompile(`^worker/(poll|sock)/[^/]+\.go$`), "system calls have two homes"},
	{"golang.org/x/crypto/chacha20poly1305", regexp.MustCompile(`^worker/tlsrec/suite\.go$`), "one file knows the ciphers; a client may choose this one, and the standard library keeps its own to itself"},
	{"golang.org/x/sys/unix", regexp.MustCompile(`^worker/(core|stream)/[^/]+\.go$`),
		"the loop compares errors with constants; it calls nothing there, see TestLoopMakesNoSystemCalls"},
	{"golang.org/x/sys/unix", regexp.MustCompile(`^worker/(resolve|signer)/[^/]+_test\.go$`),
		"tests have the kernel refuse what the loop asks for, and ask it how important a thread is"},
	{"golang.org/x/sys/unix", regexp.MustCompile(`^cmd/pinion/storm/[^/]+_test\.go$`),
		"tests that leave odd memory files behind make them by hand"},
	{"github.com/valyala/bytebufferpool", regexp.MustCompile(`^worker/memory/`), "one folder decides who owns a buffer"},
	{"go.yaml.in/yaml", regexp.MustCompile(`^master/config/yaml\.go$`), "workers must not carry a YAML parser's surprises"},
	{"github.com/cloudflare/tableflip", regexp.MustCompile(`^master/tableflip\.go$`), "one file knows how a binary replaces itself"},
	{"github.com/fsnotify/fsnotify", regexp.MustCompile(`^master/watch/(watch|rig_test)\.go$`),
		"one file knows how the kernel tells of files"},
	{"github.com/landlock-lsm/go-landlock", regexp.MustCompile(`^worker/sandbox/`),
		"one file says what a worker may reach"},
	{"github.com/coreos/go-systemd", regexp.MustCompile(`^master/systemd/(manager|activation)\.go$`), "one package knows the service manager"},
	{"charm.land/bubbletea", regexp.MustCompile(`^cmd/pinion/top/run(_test)?\.go$`), "one file knows the terminal: keys, sizes, and which lines have changed"},
	{"github.com/charmbracelet/x/term", regexp.MustCompile(`^cmd/pinion/top/run\.go$`), "likewise"},
	{"github.com/prometheus/common", regexp.MustCompile(`^cmd/pinion/top/sample\.go$`), "metrics are read where they are shown, by those who define their form"},
	{"github.com/prometheus/client_model", regexp.MustCompile(`^cmd/pinion/top/sample\.go$`), "metrics are read where they are shown, by those who define their form"},
	{"github.com/prometheus", regexp.MustCompile(`^master/metrics/[^/]+_test\.go$`), "tests have those read metrics who define their form; thousands of servers are written faster without"},
	{"github.com/urfave/cli", regexp.MustCompile(`^cmd/`), "only a command has a command line"},
	{"github.com/alicebob/miniredis", regexp.MustCompile(`^cmd/pinion/demo\.go$|_test\.go$`), "a demo, not a server of ours"},
	{"github.com/redis/go-redis", regexp.MustCompile(`_test\.go$`), "a client, to be tested with"},
	{"github.com/redis/go-redis", regexp.MustCompile(`^master/discover/(connection|sentinel|cluster_node|cluster_failover)\.go$`), "who knows where servers are is asked, and servers what they are"},
	{"github.com/bradfitz/gomemcache", regexp.MustCompile(`_test\.go$`), "a client, to be tested with"},
	{"github.com/rogpeppe/go-internal/testscript", regexp.MustCompile(`_test\.go$`), "a tool for tests"},
}

// worldly are the packages of the standard library that reach outside of the arguments of a function.
var worldly = []string{"net", "os", "syscall", "sync", "time"}

// topLevel is what may lie beside go.mod.
var topLevel = []string{
	".ci", ".git", ".github", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "bin",
	"cmd", "codec", "go.mod", "go.sum", "master", "packaging", "shard", "worker",
}

func TestDependencies(t *testing.T) {
	files := goFiles(t)
	if len(files) < 100 {
		t.Fatalf("found only %d files: is this the repository?", len(files))
	}
	for _, name := range files {
		f := parse(t, name, parser.ImportsOnly)
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if objection := objectTo(name, path); objection != "" {
				t.Errorf("%s imports %s: %s", name, path, objection)
			}
		}
	}
}

// objectTo returns why a file must not import a package, or nothing.
func objectTo(file, path string) string {
	test := strings.HasSuffix(file, "_test.go")
	folder := filepath.Dir(file)
	ours, isOurs := strings.CutPrefix(path, module)
	host, _, _ := strings.Cut(path, "/")
	switch {
	case isOurs:
		return objectToOurs(folder, ours, test)
	case strings.Contains(host, "."):
		return objectToTheirs(file, path)
	case path == "crypto/tls" && !test && covers("master/...", folder) && folder != "master/certs":
		return "one package of the master knows how servers are verified, and what it means that one is not"
	}
	pure := covers("codec/...", folder) || covers("shard/...", folder)
	root, _, _ := strings.Cut(path, "/")
	if pure && !test && slices.Contains(worldly, root) {
		return "codec and shard are functions of their arguments, without files, sockets, clocks or locks"
	}
	return ""
}

func objectToOurs(folder, imported string, test bool) string {
	for _, d := range directions {
		if !covers(d.folder, folder) {
			continue
		}
		allowed := slices.ContainsFunc(d.may, func(may string) bool { return covers(may, imported) })
		if allowed || test && (imported == folder || slices.Contains(forTests, imported)) {
			return ""
		}
		return d.why
	}
	return fmt.Sprintf("no direction is known for the folder %q; add it to this test, with a reason", folder)
}

func objectToTheirs(file, path string) string {
	objection := ""
	for _, d := range doors {
		if path != d.path && !strings.HasPrefix(path, d.path+"/") {
			continue
		}
		if d.files.MatchString(file) {
			return ""
		}
		objection = cmp.Or(objection, d.why)
	}
	return cmp.Or(objection, "no door is known for it; add one to this test, with a reason")
}

// covers reports whether a pattern of directions stands for a folder.
func covers(pattern, folder string) bool {
	root, below := strings.CutSuffix(pattern, "/...")
	return folder == root || below && strings.HasPrefix(folder, root+"/")
}

// The rules above let everything pass that they fail to notice, so each has something here to notice.
func TestObjections(t *testing.T) {
	for _, c := range []struct {
		file, path string
		want       string // a part of the objection; empty: none
	}{
		{"codec/resp/request.go", "bytes", ""},
		{"codec/resp/request.go", "net/netip", "functions of their arguments"},
		{"codec/resp/request.go", "sync/atomic", "functions of their arguments"},
		{"codec/resp/request_test.go", "os", ""},
		{"codec/resp/request.go", module + "codec/memcache", "no other protocol"},
		{"codec/resp/request.go", module + "shard", "no key placement"},
		{"shard/map.go", "time", "functions of their arguments"},
		{"shard/map.go", module + "shard/hash", ""},
		{"shard/map.go", module + "codec/resp", "names and bytes"},
		{"shard/hash/md5.go", module + "shard", "bytes only"},
		{"worker/core/loop.go", module + "codec/resp", ""},
		{"worker/core/loop.go", module + "master/config", "reads no configuration"},
		{"worker/sandbox/sandbox.go", module + "worker/sock", "from its spec alone"},
		{"worker/sandbox/sandbox.go", "github.com/landlock-lsm/go-landlock/landlock", ""},
		{"worker/worker.go", "github.com/landlock-lsm/go-landlock/landlock", "may reach"},
		{"master/spawn.go", "github.com/landlock-lsm/go-landlock/landlock", "may reach"},
		{"worker/link/spec.go", module + "worker", "belongs to neither"},
		{"worker/timer/timer.go", module + "worker/sock", "without a clock"},
		{"worker/stream/stream.go", "golang.org/x/sys/unix", ""},
		{"worker/stream/stream.go", module + "worker/link", "no protocol and no owner"},
		{"worker/resolve/resolve.go", module + "worker/poll", "who waits for it"},
		{"worker/resolve/resolve.go", "golang.org/x/sys/unix", "two homes"},
		{"worker/memory/buffer.go", "github.com/valyala/bytebufferpool", ""},
		{"worker/memory/allocator.go", module + "worker/link", "memory counts"},
		{"worker/core/client.go", "github.com/valyala/bytebufferpool", "who owns a buffer"},
		{"worker/sock/io.go", "golang.org/x/sys/unix", ""},
		{"worker/link/shared.go", "golang.org/x/sys/unix", "two homes"},
		{"master/spawn.go", "golang.org/x/sys/unix", "two homes"},
		{"master/spawn.go", module + "worker/sock", ""},
		{"master/spawn.go", module + "worker", "never touches a client byte"},
		{"master/spawn.go", module + "worker/poll", "never touches a client byte"},
		{"master/spawn_test.go", module + "codec/resp", "never touches a client byte"},
		{"master/listen/set.go", module + "master/process", "whoever accepts"},
		{"master/process/start.go", module + "worker/link", ""},
		{"master/process/start.go", module + "master/config", "the master's decision"},
		{"master/reach/dial.go", "crypto/tls", "one package"},
		{"master/certs/client.go", "crypto/tls", ""},
		{"master/config/yaml.go", "go.yaml.in/yaml/v3", ""},
		{"master/config/value.go", "go.yaml.in/yaml/v3", "surprises"},
		{"master/tableflip.go", "github.com/cloudflare/tableflip", ""},
		{"master/master.go", "github.com/cloudflare/tableflip", "replaces itself"},
		{"master/systemd/activation.go", "github.com/coreos/go-systemd/v22/activation", ""},
		{"master/service.go", "github.com/coreos/go-systemd/v22/daemon", "the service manager"},
		{"master/watch/watch.go", "github.com/fsnotify/fsnotify", ""},
		{"master/watch.go", "github.com/fsnotify/fsnotify", "tells of files"},
		{"master/config/config.go", "github.com/fsnotify/fsnotify", "tells of files"},
		{"master/master.go", "github.com/urfave/cli/v2", "command line"},
		{"cmd/pinion/route.go", "github.com/alicebob/miniredis/v2", "a demo"},
		{"cmd/pinion/route.go", "golang.org/x/sys/unix", "two homes"},
		{"cmd/pinion/storm/counts_test.go", "golang.org/x/sys/unix", ""},
		{"cmd/pinion/route.go", module + "worker/sock", "not their business"},
		{"cmd/pinion/route.go", "github.com/redis/go-redis/v9", "to be tested with"},
		{"cmd/pinion/route.go", "github.com/spf13/cobra", "no door is known"},
		{"cmd/pinion-bench/load/conn.go", module + "worker/sock", ""},
		{"cmd/pinion-bench/load/conn.go", module + "worker", "from outside"},
		{"util/strings.go", module + "shard", "no direction is known"},
	} {
		got := objectTo(c.file, c.path)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s: objection %q, want %q", c.file, c.path, got, c.want)
		}
	}
}

// Constants of x/sys name errors, and that is all that the loop wants of it: a call there would hide from poll and sock,
// the two packages that are read when a system call misbehaves.
func TestLoopMakesNoSystemCalls(t *testing.T) {
	errno := regexp.MustCompile(`^E[A-Z0-9]+$|^Errno$`)
	seen := 0
	for _, name := range goFiles(t) {
		if folder := filepath.Dir(name); folder != "worker/core" && folder != "worker/stream" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name, 0), func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "unix" {
				seen++
				if !errno.MatchString(s.Sel.Name) {
					t.Errorf("%s uses unix.%s: system calls belong to worker/poll or worker/sock", name, s.Sel.Name)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("the loop compares with no error constant any more: close its door to x/sys")
	}
}

// Bytes of clients and servers go through streams: what encrypts them has one place, and none of them can be forgotten. What
// a worker says to its master are messages.
func TestOnlyStreamsReceiveAndSend(t *testing.T) {
	link := regexp.MustCompile(`^worker/core/[a-z_]*link\.go$`)
	seen := 0
	for _, name := range goFiles(t) {
		if !strings.HasPrefix(name, "worker/") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name, 0), func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := s.X.(*ast.Ident)
			if !ok || pkg.Name != "sock" || !slices.Contains([]string{"Recv", "Send", "Sendv"}, s.Sel.Name) {
				return true
			}
			switch {
			case filepath.Dir(name) == "worker/stream":
				seen++
			case !link.MatchString(name) || s.Sel.Name != "Send":
				t.Errorf("%s uses sock.%s: bytes of connections belong to worker/stream", name, s.Sel.Name)
			}
			return true
		})
	}
	if seen != 3 {
		t.Errorf("worker/stream receives and sends in %d places, want one for each way", seen)
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s lies at the top of the repository, which is for what everybody needs; give it a folder", e.Name())
		}
	}
}

// goFiles returns the paths of all Go files, from the top of the repository.
func goFiles(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == ".git" || e.Name() == "testdata" || isOtherModule(path)):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			name, err := filepath.Rel(repository, path)
			names = append(names, name)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// isOtherModule reports whether a folder is a module of its own, which is not built into anything of this one.
func isOtherModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil && folder != repository
}

func parse(t *testing.T, name string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, name), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
