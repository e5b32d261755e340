// The documents: what the program's tables say stands in them as those say it.

package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/metrics"
)

var updateDocuments = flag.Bool("update-documents", false, "write the generated sections of the documents anew")

// generated are the sections that are written by tables: in which document, between which two comments, and by what.
var generated = []struct {
	document, section string
	text              func() string
}{
	{"README.md", "top", topScreen},
	{"README.md", "options", func() string { return optionTable(isEveryday) }},
	{"packaging/doc/CONFIGURATION.md", "nutcracker-format", func() string { return fenced("yaml", exampleNutcracker) }},
	{"packaging/doc/CONFIGURATION.md", "short-format", func() string { return fenced("conf", exampleShort) }},
	{"packaging/doc/CONFIGURATION.md", "pool", func() string { return optionTable(inScope(config.PoolScope)) }},
	{"packaging/doc/CONFIGURATION.md", "global", func() string { return optionTable(inScope(config.GlobalScope)) }},
	{"packaging/doc/COMMANDS.md", "redis", redisTables},
	{"packaging/doc/COMMANDS.md", "memcached", memcacheTable},
	{"packaging/doc/METRICS.md", "metrics", metricTable},
	{"packaging/doc/LOG.md", "events", eventTable},
	{"packaging/doc/OPERATIONS.md", "commands", commandLineTable},
	{"packaging/doc/OPERATIONS.md", "status", func() string { return helpTable("Exit status:", "status") }},
	{"packaging/doc/OPERATIONS.md", "signals", func() string { return helpTable("Signals:", "signal") }},
	{"packaging/doc/OPERATIONS.md", "may", func() string {
		return serviceMay + "\n\n" + serviceMayMore + "\n\n" + fenced("ini", serviceMayDropIn)
	}},
	{"packaging/doc/OPERATIONS.md", "units", unitTable},
	{"packaging/doc/ARCHITECTURE.md", "rooms", roomTable},
	{"packaging/doc/ARCHITECTURE.md", "imports", importTable},
	{"packaging/doc/ARCHITECTURE.md", "dependencies", dependencyTable},
}

func TestReadmeTables(t *testing.T) {
	for _, g := range generated {
		path := filepath.Join(repository, g.document)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := replaceSection(text, g.section, g.text())
		if err != nil {
			t.Fatalf("%s: %v", g.document, err)
		}
		if bytes.Equal(text, want) {
			continue
		}
		if !*updateDocuments {
			t.Errorf("section %q of %s is not what the program's tables say; run go test ./cmd/pinion -run Readme -update-documents "+
				"and read it", g.section, g.document)
			continue
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// replaceSection puts body between the two comments that name the section.
func replaceSection(text []byte, name, body string) ([]byte, error) {
	begin := bytes.Index(text, []byte("<!-- "+name+":"))
	end := bytes.Index(text, []byte("<!-- /"+name+" -->"))
	if begin < 0 || end < begin {
		return nil, fmt.Errorf("no section %q", name)
	}
	line := begin + bytes.IndexByte(text[begin:], '\n') + 1
	return bytes.Join([][]byte{text[:line], []byte(body), text[end:]}, nil), nil
}

// topScreen is a screen of pinion top, as its tests have it.
func topScreen() string {
	text, err := os.ReadFile("top/testdata/readme.txt")
	if err != nil {
		panic(err)
	}
	screens := strings.Split(string(text), "\n> ")
	_, screen, _ := strings.Cut(screens[len(screens)-1], "\n")
	return fenced("", "$ pinion top\n"+strings.TrimRight(strings.NewReplacer("<b>", "", "<r>", "", "<red>", "", "</>", "").Replace(screen), " \n"))
}

func fenced(language, text string) string { return "```" + language + "\n" + text + "\n```\n" }

// everyday are the options that people set, in the order in which they think of them.
var everyday = []string{
	"listen", "redis", "servers", "timeout", "hash_tag", "auto_eject_hosts", "client_connections", "redis_auth", "preconnect",
	"workers",
}

func isEveryday(k config.Key) bool { return slices.Contains(everyday, k.Name) }

func inScope(s config.Scope) func(config.Key) bool {
	return func(k config.Key) bool { return k.Scope == s }
}

// optionTable lists the options that are chosen.
func optionTable(chosen func(config.Key) bool) string {
	var b strings.Builder
	b.WriteString("| option | default | meaning |\n|---|---|---|\n")
	for _, k := range config.Keys() {
		if !chosen(k) {
			continue
		}
		value := "none"
		if k.Default != "" {
			value = strings.TrimSpace(k.Default + " " + k.Unit)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, value, k.Doc)
	}
	return b.String()
}

// commandLineTable lists the commands of the program.
func commandLineTable() string {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range newApp(nil, nil).Commands {
		if !c.Hidden {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(c.UsageText, "|", "\\|"), c.Usage)
		}
	}
	return b.String()
}

// metricTable lists the metrics.
func metricTable() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | |\n|---|---|---|---|\n")
	for _, row := range metrics.Table() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Name, row.Type, strings.Join(row.Labels, ", "), row.Help)
	}
	return b.String()
}

// eventTable lists what may be told in the log.
func eventTable() string {
	var b strings.Builder
	b.WriteString("| event | level | | keys | text |\n|---|---|---|---|---|\n")
	for _, e := range logfile.Events() {
		repeats := ""
		if e.Repeats {
			repeats = "×"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", e.Name, e.Level, repeats, strings.Join(e.ForMachines(), ", "), verbs.ReplaceAllString(e.Text, "…"))
	}
	return b.String()
}

// verbs are what stands for values in the texts of events.
var verbs = regexp.MustCompile(`%[.\d]*#?[a-z]`)

// helpTable makes a table of the lines under a heading of the help text.
func helpTable(heading, title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | |\n|---|---|\n", title)
	for line := range strings.Lines(helpSection(heading)) {
		term, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		fmt.Fprintf(&b, "| %s | %s |\n", term, text)
	}
	return b.String()
}

func unitTable() string {
	var b strings.Builder
	b.WriteString(unitNeeds + "\n\n| setting | why |\n|---|---|\n")
	for _, s := range unitSettings {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s[0], s[1])
	}
	return b.String()
}

// roomTable lists the folders of the program: what each of them is, as its package says.
func roomTable() string {
	var b strings.Builder
	b.WriteString("| folder | what it is |\n|---|---|\n")
	for _, room := range rooms() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", room.folder, room.is)
	}
	return b.String()
}

type room struct{ folder, is string }

// rooms returns the folders that have more than tests, and the first sentence of what their packages say of themselves.
func rooms() (all []room) {
	var folders []string
	for _, d := range directions {
		folders = append(folders, strings.TrimSuffix(d.folder, "/..."))
	}
	slices.Sort(folders)
	for _, folder := range folders {
		if text := packageText(folder); text != "" {
			all = append(all, room{folder, new(doc.Package).Synopsis(text)})
		}
	}
	return all
}

// packageText returns what a package says of itself, in whichever of its files.
func packageText(folder string) string {
	paths, _ := filepath.Glob(filepath.Join(repository, folder, "*.go"))
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err == nil && !strings.HasSuffix(path, "_test.go") && f.Doc != nil {
			return f.Doc.Text()
		}
	}
	return ""
}

// importTable lists what each folder of ours may import, as arch_test.go enforces it.
func importTable() string {
	var b strings.Builder
	b.WriteString("| folder | may import | because |\n|---|---|---|\n")
	for _, d := range directions {
		may := "nothing of ours"
		if len(d.may) > 0 {
			may = "`" + strings.Join(d.may, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.folder, may, d.why)
	}
	return b.String()
}

// purposes are what the doors of arch_test.go do not say: what we want of a dependency.
var purposes = map[string]string{
	"golang.org/x/crypto/chacha20poly1305":       "the third cipher of TLS 1.3",
	"golang.org/x/sys":                           "epoll and sockets without the runtime's poller",
	"golang.org/x/sys/unix":                      "names of errors and flags",
	"github.com/valyala/bytebufferpool":          "buffers that idle connections do not own",
	"go.yaml.in/yaml":                            "YAML with line and column",
	"github.com/cloudflare/tableflip":            "starts the new binary, and knows when the old process may leave",
	"github.com/prometheus":                      "reads our metrics, and judges their names",
	"github.com/prometheus/common":               "reads them, for `pinion top`",
	"github.com/prometheus/client_model":         "likewise",
	"charm.land/bubbletea":                       "the screen of `pinion top`",
	"github.com/charmbracelet/x/term":            "whether there is a terminal",
	"github.com/fsnotify/fsnotify":               "`reload_on_change`",
	"github.com/landlock-lsm/go-landlock":        "what a worker may still reach",
	"github.com/coreos/go-systemd":               "notifications, watchdog, socket activation",
	"github.com/urfave/cli":                      "subcommands and help",
	"github.com/alicebob/miniredis":              "the demo's shards",
	"github.com/redis/go-redis":                  "a real client",
	"github.com/bradfitz/gomemcache":             "a real client",
	"github.com/rogpeppe/go-internal/testscript": "tests of the command line",
}

// dependencyTable lists what is not ours, and through which files it comes in.
func dependencyTable() string {
	var b strings.Builder
	b.WriteString("| dependency | what for | imported by | because |\n|---|---|---|---|\n")
	for _, d := range doors {
		files := strings.NewReplacer("^", "", "$", "", `\.`, ".", `[^/]+`, "*", "|", "\\|").Replace(d.files.String())
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", d.path, purposes[d.path], files, d.why)
	}
	return b.String()
}

func TestReadmePurposes(t *testing.T) {
	for _, d := range doors {
		if purposes[d.path] == "" {
			t.Errorf("nothing says what %s is for", d.path)
		}
	}
}

// redisTables list what becomes of each command.
func redisTables() string {
	return listTable("forwarded to the server of the keys", forwardedRedis()) + "\n" + listTable("otherwise", otherRedis())
}

func memcacheTable() string { return listTable("", memcacheCommands()) }

// listTable has a line for each list. A command of two words is in backquotes there.
func listTable(title string, lists []commandList) string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s| |\n|---|---|\n", strings.TrimLeft(title+" ", " "))
	for _, list := range lists {
		names := slices.Clone(list.names)
		for i, name := range names {
			if strings.ToUpper(name) == name && strings.Contains(name, " ") {
				names[i] = "`" + name + "`"
			}
		}
		fmt.Fprintf(&out, "| %s | %s |\n", list.title, strings.Join(names, " "))
	}
	return out.String()
}

// Whoever installs a package has all documents, and no list of them has to be remembered.
func TestDocumentsAreInstalled(t *testing.T) {
	rpm, err := os.ReadFile(filepath.Join(repository, "packaging/nfpm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := os.ReadFile(filepath.Join(repository, "packaging/e2e/steps/10-install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(repository, "packaging/doc/*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatal(documents, err)
	}
	for _, path := range append(documents, "README.md") {
		name := filepath.Base(path)
		if !strings.Contains(string(rpm), "/usr/share/doc/pinion/"+name+"\n") {
			t.Errorf("the rpm does not have %s: name it in packaging/nfpm.yaml", name)
		}
		if !strings.Contains(string(proof), " "+name+" ") {
			t.Errorf("no test looks for %s after an installation: name it in packaging/e2e/steps/10-install.sh", name)
		}
	}
	for name := range manuals {
		if !strings.Contains(string(rpm), "/"+name+".gz\n") || !strings.Contains(string(proof), "/"+name+".gz") {
			t.Errorf("%s is not installed, or no test looks for it", name)
		}
	}
}
