// The documents: what stands in them is there. Links lead somewhere, recipes run, and what is quoted exists.

package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

const maxReadmeLines = 180

// A README is for those who arrive. What they need later has its home in packaging/doc.
func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(document(t, "README.md"), "\n"); n > maxReadmeLines {
		t.Errorf("README.md has %d lines, more than %d: what is not for beginners belongs in packaging/doc", n, maxReadmeLines)
	}
}

// documents returns the paths of all documents, from the top of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md"}
	inDoc, err := filepath.Glob(filepath.Join(repository, "packaging/doc/*.md"))
	if err != nil || len(inDoc) < 5 {
		t.Fatalf("documents in packaging/doc: %q, %v", inDoc, err)
	}
	for _, path := range inDoc {
		names = append(names, filepath.Join("packaging/doc", filepath.Base(path)))
	}
	return names
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	fences   = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// prose is a document without its examples.
func prose(text string) string { return fences.ReplaceAllString(text, "") }

// anchors returns what a link may have behind its #, as GitHub makes it of headings.
func anchors(text string) (all []string) {
	for _, h := range headings.FindAllStringSubmatch(prose(text), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ', r == '-':
				return '-'
			case r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z', r > 0x7f && r != '–' && r != '…' && r != '↔' && r != '→':
				return r
			}
			return -1
		}, strings.ToLower(h[1]))
		all = append(all, anchor)
	}
	return all
}

func TestReadmeLinks(t *testing.T) {
	for _, name := range documents(t) {
		text := document(t, name)
		for _, link := range links.FindAllStringSubmatch(prose(text), -1) {
			path, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join(repository, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			} else if anchor != "" && !slices.Contains(anchors(document(t, target)), anchor) {
				t.Errorf("%s links to %s, but %s has no such heading", name, link[1], target)
			}
		}
	}
}

// ofAnotherMachine is what is warned of on a machine that has not the address of the one in the document.
var ofAnotherMachine = regexp.MustCompile(`^[^\n]*: no interface of this machine has that address;[^\n]*\n[^\n]*, 1 warning\n$`)

// Each configuration that is shown can be run, and needs no warning, at least on its own machine.
func TestReadmeRecipes(t *testing.T) {
	seen, dir := 0, t.TempDir()
	certtest.New(t, "an authority").Issue(certtest.Subject{Hosts: []string{"redis.example.com"}, Server: true}).Write(t, dir, "server")
	for _, name := range documents(t) {
		for _, fence := range fences.FindAllStringSubmatch(document(t, name), -1) {
			if fence[1] != "yaml" && fence[1] != "conf" {
				continue
			}
			seen++
			file := filepath.Join(t.TempDir(), "pinion.yml")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(fence[2], "/etc/pinion/server.", dir+"/server.")), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if status := run([]string{"pinion", "-t", "-c", file}, &out, &out); status != 0 {
				t.Errorf("%s: pinion -t refuses:\n%s\n%s", name, fence[2], &out)
			}
			out.Reset()
			if status := run([]string{"pinion", "check", "-c", file, "--workers", "4"}, &out, &out); status != 0 ||
				!ofAnotherMachine.MatchString(out.String()) && !strings.Contains(out.String(), " 0 warnings") {
				t.Errorf("%s: pinion check says of:\n%s\n%s", name, fence[2], &out)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d configurations are shown", seen)
	}
}

// A document names tests, targets of make, and files. They exist.
func TestReadmeNames(t *testing.T) {
	tests := functionsOfTests(t)
	makefile := document(t, "Makefile")
	runs := regexp.MustCompile(`go test [^\x60\n]*-run '?([\w|^$()]+)'?`)
	targets := regexp.MustCompile(`\bmake ([a-z][a-z-]*)\x60`)
	sources := regexp.MustCompile("`([a-z]\\w*\\.go)`")
	files := regexp.MustCompile("`((?:cmd|codec|master|packaging|shard|worker|\\.ci|\\.github)/[^`\\s*…(]*)`")
	for _, name := range documents(t) {
		text := document(t, name)
		for _, m := range runs.FindAllStringSubmatch(text, -1) {
			for _, one := range strings.Split(m[1], "|") {
				pattern := regexp.MustCompile(one)
				if !slices.ContainsFunc(tests, pattern.MatchString) && one != "^$" {
					t.Errorf("%s names tests %q, which do not exist", name, one)
				}
			}
		}
		for _, m := range targets.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+": ") {
				t.Errorf("%s names make %s, which does not exist", name, m[1])
			}
		}
		if name == "CHANGELOG.md" {
			continue // what it names may be gone
		}
		for _, m := range files.FindAllStringSubmatch(text, -1) {
			if strings.HasSuffix(m[1], "/...") || strings.ContainsAny(m[1], `\|`) || m[1] == "worker/N" { // packages; who writes a line of the log
				continue
			}
			if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
				t.Errorf("%s names %s: %v", name, m[1], err)
			}
		}
		for _, m := range sources.FindAllStringSubmatch(text, -1) { // wherever they are
			if !slices.ContainsFunc(goFiles(t), func(path string) bool { return filepath.Base(path) == m[1] }) {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}

func functionsOfTests(t *testing.T) (names []string) {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w*)\(`)
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range function.FindAllStringSubmatch(document(t, name), -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

// What an incident looks like is quoted from the log, or from an answer: the pieces between the dots are the program's.
func TestReadmeQuotesTheProgram(t *testing.T) {
	const name = "packaging/doc/OPERATIONS.md"
	_, incidents, found := strings.Cut(document(t, name), "\n## Incidents\n")
	if !found {
		t.Fatalf("%s has no incidents", name)
	}
	incidents, _, _ = strings.Cut(incidents, "\n## ")
	source := strings.ReplaceAll(programText(t), `\"`, `"`)
	quotes := 0
	for line := range strings.Lines(incidents) {
		cells := strings.Split(line, " | ")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[0], -1) {
			quotes++
			for _, piece := range strings.Split(m[1], "…") {
				if !strings.Contains(source, strings.TrimSpace(piece)) {
					t.Errorf("%s quotes %q, but nothing says %q", name, m[1], piece)
				}
			}
		}
	}
	if quotes < 20 {
		t.Errorf("%s quotes only %d texts", name, quotes)
	}
}

// programText is all Go source, and the transcripts in which texts are as the program puts them together.
func programText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range goFiles(t) {
		if !strings.HasSuffix(name, "_test.go") {
			all.WriteString(document(t, name))
		}
	}
	err := filepath.WalkDir(filepath.Join(repository, "master"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".txt" {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
